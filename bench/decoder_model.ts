import { type Attribute, intAttribute, intsAttribute } from '../src/ir/attribute.js';
import { Editor } from '../src/ir/editor.js';
import type { Graph, Model, Value } from '../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';

export type DecoderSizes = {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly inner: number;
  readonly vocabulary: number;
  /** Tokens of a run, fixed. */
  readonly length: number;
  /** How many times as large as the others one channel in 64 leaves each normalization; 1 unless told. */
  readonly outliers?: number;
};

/**
 * A language model as decoders are built: token and position tables, layers of causal attention and a gated product,
 * each behind a normalization, and a head. Input `ids` [1, length], output `logits` [1, length, vocabulary]. The weights
 * are normal numbers with what trained weights show: outputs of unlike size, and a few inputs with weights many times
 * larger than the rest. They are the same each time.
 */
export function decoderModel(sizes: DecoderSizes): Model {
  const { layers, hidden, vocabulary, length } = sizes;
  const writer = new DecoderWriter(sizes);
  const { editor, graph } = writer;
  const ids = editor.addInput(graph, 'ids', tensorType('int64', [1, length]));
  const tokens = writer.op('Gather', [writer.weight('tokens', vocabulary, hidden, 1), ids]);
  let x = writer.op('Add', [tokens, writer.weight('positions', length, hidden, 0.5)]);
  for (let layer = 0; layer < layers; layer += 1) x = writer.layer(x, `layer${layer}`);
  const head = writer.weight('head', hidden, vocabulary, 1.5 / Math.sqrt(hidden));
  const logits = writer.op('MatMul', [writer.normal(x, 'last'), head]);
  editor.addOutput(graph, logits, 'logits', tensorType('float', [1, length, vocabulary]));
  return editor.model;
}

class DecoderWriter {
  readonly editor = new Editor();
  readonly graph: Graph = this.editor.model.graph;
  private readonly sizes: DecoderSizes;
  private readonly random = normalNumbers(7);

  constructor(sizes: DecoderSizes) {
    this.sizes = sizes;
    this.editor.setModelProperties({ irVersion: 8 });
    this.editor.setOpsetImport('', 17);
    this.editor.setGraphName(this.graph, 'decoder');
  }

  op(opType: string, inputs: readonly Value[], attributes: readonly Attribute[] = []): Value {
    return this.editor.insertNode({ graph: this.graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  }

  constant(name: string, tensor: Tensor): Value {
    return this.editor.addInitializer(this.graph, tensor, name);
  }

  /** [rows, columns] of normal numbers: `size` each, some columns more than others, one row in 64 four times as large. */
  weight(name: string, rows: number, columns: number, size: number): Value {
    const { random } = this;
    const ofColumn = Float32Array.from({ length: columns }, () => Math.exp(0.5 * random()));
    const data = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row += 1) {
      const ofRow = row % 64 === 17 ? 4 : 1;
      for (let column = 0; column < columns; column += 1) {
        data[row * columns + column] = size * ofRow * ofColumn[column]! * random();
      }
    }
    return this.constant(name, floatTensor(data, [rows, columns]));
  }

  normal(x: Value, name: string): Value {
    const { hidden, outliers = 1 } = this.sizes;
    const gains = Float32Array.from({ length: hidden }, (_, channel) => (channel % 64 === 33 ? outliers : 1));
    const scale = this.constant(`${name}_scale`, floatTensor(gains));
    const offset = this.constant(`${name}_offset`, floatTensor(new Float32Array(hidden)));
    return this.op('LayerNormalization', [x, scale, offset]);
  }

  layer(x: Value, name: string): Value {
    const { hidden, inner } = this.sizes;
    const attended = this.op('Add', [x, this.attention(this.normal(x, `${name}_first`), name)]);
    const normal = this.normal(attended, `${name}_second`);
    const spread = 1 / Math.sqrt(hidden);
    const gate = this.op('MatMul', [normal, this.weight(`${name}_gate`, hidden, inner, spread)]);
    const up = this.op('MatMul', [normal, this.weight(`${name}_up`, hidden, inner, spread)]);
    const gated = this.op('Mul', [this.op('Mul', [gate, this.op('Sigmoid', [gate])]), up]);
    const down = this.weight(`${name}_down`, inner, hidden, 1 / Math.sqrt(inner));
    return this.op('Add', [attended, this.op('MatMul', [gated, down])]);
  }

  private attention(x: Value, name: string): Value {
    const { hidden, heads, length } = this.sizes;
    const size = hidden / heads;
    const spread = 1 / Math.sqrt(hidden);
    const split = this.constant(`${name}_split`, int64Tensor([1, length, heads, size]));
    const project = (part: string, perm: readonly number[]) => {
      const projected = this.op('MatMul', [x, this.weight(`${name}_${part}`, hidden, hidden, spread)]);
      return this.op('Transpose', [this.op('Reshape', [projected, split])], [intsAttribute('perm', perm)]);
    };
    const scores = this.op('MatMul', [project('query', [0, 2, 1, 3]), project('key', [0, 2, 3, 1])]);
    const scaled = this.op('Mul', [scores, this.constant(`${name}_root`, floatTensor([1 / Math.sqrt(size)], []))]);
    const masked = this.op('Add', [scaled, this.constant(`${name}_mask`, causalMask(length))]);
    const shares = this.op('Softmax', [masked], [intAttribute('axis', -1)]);
    const mixed = this.op('MatMul', [shares, project('value', [0, 2, 1, 3])]);
    const merged = this.op('Reshape', [
      this.op('Transpose', [mixed], [intsAttribute('perm', [0, 2, 1, 3])]),
      this.constant(`${name}_merge`, int64Tensor([1, length, hidden])),
    ]);
    return this.op('MatMul', [merged, this.weight(`${name}_out`, hidden, hidden, spread)]);
  }
}

function causalMask(length: number): Tensor {
  const mask = Float32Array.from({ length: length * length }, (_, index) =>
    index % length > Math.floor(index / length) ? -1e9 : 0,
  );
  return floatTensor(mask, [1, 1, length, length]);
}

/** Numbers in [0, 1), the same each time. */
export function uniformNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** By Box and Muller. */
function normalNumbers(seed: number): () => number {
  const uniform = uniformNumbers(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
