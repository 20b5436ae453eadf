import { intAttribute, intsAttribute } from '../../src/ir/attribute.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../build_model.js';

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
  const b = new UnbalancedBuilder();
  let x = b.relu(b.conv(b.input('x', [1, 3, 16, 16]), { from: 3, to: 32, kernel: 3 }));
  for (let block = 0; block < 2; block += 1) {
    const sizes = pseudoRandom(96, 40 + block).map((each) => 2 ** Math.round((each * spread) / 2));
    const wide = b.relu(b.conv(x, { from: 32, to: 96, kernel: 1, out: sizes, grows: true }));
    const deep = b.relu(b.conv(wide, { from: 96, to: 96, kernel: 3, group: 96, out: sizes }));
    x = b.relu(b.conv(deep, { from: 96, to: 32, kernel: 1, in: sizes }));
  }
  b.output(b.conv(x, { from: 32, to: 16, kernel: 3 }), 'y');
  return b.build();
}

class UnbalancedBuilder extends ModelBuilder {
  private seed = 3;

  conv(x: Value, layer: Layer): Value {
    const { from, to, kernel, group = 1, grows = false } = layer;
    const columns = from / group;
    const dims = [to, columns, kernel, kernel];
    const inner = kernel ** 2;
    const reach = Math.sqrt(3 / (columns * inner));
    const weight = this.numbers(dims).map((each, at) => {
      const output = grows ? (layer.out?.[Math.floor(at / (columns * inner))] ?? 1) : 1;
      return (reach * each * output) / (layer.in?.[Math.floor(at / inner) % columns] ?? 1);
    });
    const bias = this.numbers([to]).map((each, output) => 0.1 * each * (layer.out?.[output] ?? 1));
    const pad = (kernel - 1) / 2;
    const inputs = [
      x,
      this.constant(`w${this.seed}`, floatTensor(weight, dims)),
      this.constant('b', floatTensor(bias)),
    ];
    return this.op('Conv', inputs, {
      attributes: [intsAttribute('pads', [pad, pad, pad, pad]), intAttribute('group', group)],
    });
  }

  relu(x: Value): Value {
    return this.op('Relu', [x]);
  }

  private numbers(dims: readonly number[]): Float32Array {
    this.seed += 1;
    return tensorData(randomTensor(dims, this.seed)) as Float32Array;
  }
}

/**
 * Gated layers of 96 channels behind a normalization over [8, 96] that makes six channels `size` times as large as the
 * others; the weights that read them are smaller by as much, so that all channels count alike.
 */
export function outlierNetwork(size: number, isResidual = false): Model {
  const b = new ModelBuilder();
  const x = b.input('x', [8, 96]);
  const sizes = Float32Array.from({ length: 96 }, (_, channel) => (channel % 16 === 5 ? size : 1));
  const shift = floatTensor(new Float32Array(96));
  const inputs = [x, b.constant('gain', floatTensor(sizes)), b.constant('shift', shift)];
  const normal = b.op('LayerNormalization', inputs, { outputs: ['normal'] });
  const product = (name: string, from: Value, rows: number, columns: number, seed: number) => {
    const numbers = tensorData(randomTensor([rows, columns], seed)) as Float32Array;
    const weight = numbers.map((each, at) => each / 8 / (from === normal ? sizes[Math.floor(at / columns)]! : 1));
    return b.op('MatMul', [from, b.constant(`${name}_w`, floatTensor(weight, [rows, columns]))], { outputs: [name] });
  };
  const gate = b.op('Sigmoid', [product('gate', normal, 96, 96, 5)]);
  const up = product('up', normal, 96, 96, 6);
  const down = product('down', b.op('Mul', [gate, up]), 96, 96, 7);
  b.output(isResidual ? b.op('Add', [down, b.op('Tanh', [normal])]) : down, 'y');
  return b.build();
}
