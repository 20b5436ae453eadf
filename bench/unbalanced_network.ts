import { type Attribute, intAttribute, intsAttribute } from '../src/ir/attribute.js';
import { Editor } from '../src/ir/editor.js';
import type { Model, Value } from '../src/ir/graph.js';
import { floatTensor } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';
import { uniformNumbers } from './decoder_model.js';

type Layer = {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly group?: number;
  /** Sizes that the channels that come out have, and those that go in are divided by. */
  readonly out?: Float32Array;
  readonly in?: Float32Array;
  /** Whether the weights make those sizes, beside the biases. */
  readonly grows?: boolean;
};

/**
 * Blocks of expansion, depthwise filter and projection over [1, 3, 16, 16], as in networks for phones. It is an even network
 * whose inner channels were made larger and smaller by up to 2^`spread` and back, so that in float it computes what the
 * even one does, and all that 8 bits lose more is due to the spread.
 */
export function unbalancedNetwork(spread: number): Model {
  const b = new NetworkWriter();
  let x = b.relu(b.conv(b.input([1, 3, 16, 16]), { from: 3, to: 32, kernel: 3 }));
  for (let block = 0; block < 2; block += 1) {
    const sizes = b.numbers(96).map((each) => 2 ** Math.round((each * spread) / 2));
    const wide = b.relu(b.conv(x, { from: 32, to: 96, kernel: 1, out: sizes, grows: true }));
    const deep = b.relu(b.conv(wide, { from: 96, to: 96, kernel: 3, group: 96, out: sizes }));
    x = b.relu(b.conv(deep, { from: 96, to: 32, kernel: 1, in: sizes }));
  }
  return b.finish(b.conv(x, { from: 32, to: 16, kernel: 3 }));
}

class NetworkWriter {
  private readonly editor = new Editor();
  private readonly uniform = uniformNumbers(3);

  constructor() {
    this.editor.setModelProperties({ irVersion: 8 });
    this.editor.setOpsetImport('', 17);
    this.editor.setGraphName(this.editor.model.graph, 'network');
  }

  input(dims: readonly number[]): Value {
    return this.editor.addInput(this.editor.model.graph, 'x', tensorType('float', dims));
  }

  constant(name: string, numbers: Float32Array, dims: readonly number[] = [numbers.length]): Value {
    return this.editor.addInitializer(this.editor.model.graph, floatTensor(numbers, dims), name);
  }

  op(opType: string, inputs: readonly Value[], attributes: readonly Attribute[] = [], name = opType): Value {
    const { graph } = this.editor.model;
    return this.editor.insertNode({ graph, opType, inputs, outputs: [{ name }], attributes }).outputs[0]!;
  }

  finish(result: Value): Model {
    this.editor.addOutput(this.editor.model.graph, result, 'y', tensorType('float'));
    return this.editor.model;
  }

  conv(x: Value, layer: Layer): Value {
    const { from, to, kernel, group = 1, grows = false } = layer;
    const columns = from / group;
    const dims = [to, columns, kernel, kernel];
    const inner = kernel ** 2;
    const reach = Math.sqrt(3 / (columns * inner));
    const weight = this.numbers(to * columns * inner).map((each, at) => {
      const output = grows ? (layer.out?.[Math.floor(at / (columns * inner))] ?? 1) : 1;
      return (reach * each * output) / (layer.in?.[Math.floor(at / inner) % columns] ?? 1);
    });
    const bias = this.numbers(to).map((each, output) => 0.1 * each * (layer.out?.[output] ?? 1));
    const pad = (kernel - 1) / 2;
    const inputs = [x, this.constant('w', weight, dims), this.constant('b', bias)];
    return this.op('Conv', inputs, [intsAttribute('pads', [pad, pad, pad, pad]), intAttribute('group', group)]);
  }

  relu(x: Value): Value {
    return this.op('Relu', [x]);
  }

  /** Between −1 and 1, the same each time. */
  numbers(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => 2 * this.uniform() - 1);
  }
}

/**
 * A gated layer of 96 channels behind a normalization over [8, 96] that makes six channels `size` times as large as the
 * others; the weights that read them are smaller by as much, so that all channels count alike. With `isRead`, something else
 * reads the normalization too.
 */
export function outlierNetwork(size: number, isRead = false): Model {
  const b = new NetworkWriter();
  const x = b.input([8, 96]);
  const sizes = Float32Array.from({ length: 96 }, (_, channel) => (channel % 16 === 5 ? size : 1));
  const inputs = [x, b.constant('gain', sizes), b.constant('shift', new Float32Array(96))];
  const normal = b.op('LayerNormalization', inputs, [], 'normal');
  const product = (name: string, from: Value): Value => {
    const weight = b.numbers(96 * 96).map((each, at) => {
      return each / 8 / (from === normal ? sizes[Math.floor(at / 96)]! : 1);
    });
    return b.op('MatMul', [from, b.constant(`${name}_w`, weight, [96, 96])], [], name);
  };
  const gate = b.op('Sigmoid', [product('gate', normal)]);
  const down = product('down', b.op('Mul', [gate, product('up', normal)]));
  return b.finish(isRead ? b.op('Add', [down, b.op('Tanh', [normal])]) : down);
}
