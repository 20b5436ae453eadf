import { type Attribute, intAttribute, intsAttribute } from '../src/ir/attribute.js';
import { symbol } from '../src/ir/dim.js';
import { Editor } from '../src/ir/editor.js';
import type { Graph, Model, Value } from '../src/ir/graph.js';
import { elementCount, floatTensor, int64Tensor } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';

export type TransformerOptions = {
  readonly blocks: number;
  /** Size of a token; a multiple of `heads`. */
  readonly hidden?: number;
  readonly heads?: number;
  /** All blocks read the same weights, so that a deep model stays small. */
  readonly sharedWeights?: boolean;
};

/**
 * A transformer as PyTorch spells it where nothing is fused: normalization, Gelu and attention in their arithmetic, and
 * shapes computed from Shape. Input [batch, sequence, hidden] and a mask [batch, 1, 1, sequence] that is added to the
 * scores; both sizes are symbols. The weights are the same numbers each time.
 */
export function transformerModel({ blocks, hidden = 8, heads = 2, sharedWeights = true }: TransformerOptions): Model {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 8 });
  editor.setOpsetImport('', 17);
  editor.setGraphName(graph, 'transformer');
  const [batch, sequence] = [symbol('batch'), symbol('sequence')];
  const mask = editor.addInput(graph, 'mask', tensorType('float', [batch, 1, 1, sequence]));
  let x = editor.addInput(graph, 'x', tensorType('float', [batch, sequence, hidden]));
  const shared = new Map<string, Value>();
  for (let index = 0; index < blocks; index += 1) {
    const weights = sharedWeights ? shared : new Map<string, Value>();
    x = new BlockWriter(editor, graph, weights, { hidden, heads, seed: sharedWeights ? 1 : index + 1 }).block(x, mask);
  }
  editor.addOutput(graph, x, 'y', tensorType('float', [batch, sequence, hidden]));
  return editor.model;
}

type Sizes = { readonly hidden: number; readonly heads: number; readonly seed: number };

/** Writes one block, its weights and constants by name. */
class BlockWriter {
  private readonly editor: Editor;
  private readonly graph: Graph;
  private readonly weights: Map<string, Value>;
  private readonly sizes: Sizes;

  constructor(editor: Editor, graph: Graph, weights: Map<string, Value>, sizes: Sizes) {
    this.editor = editor;
    this.graph = graph;
    this.weights = weights;
    this.sizes = sizes;
  }

  block(x: Value, mask: Value): Value {
    const attended = this.op('Add', [this.attention(x, mask), x]);
    const normal = this.layerNorm(attended, 'attention_norm');
    const inner = this.gelu(this.linear(normal, 'up', this.sizes.hidden, 2 * this.sizes.hidden));
    const fed = this.op('Add', [this.linear(inner, 'down', 2 * this.sizes.hidden, this.sizes.hidden), normal]);
    return this.layerNorm(fed, 'output_norm');
  }

  private attention(x: Value, mask: Value): Value {
    const { hidden, heads } = this.sizes;
    const [batch, sequence] = [this.size(x, 0), this.size(x, 1)];
    const split = this.op(
      'Concat',
      [batch, sequence, this.integers('heads', [heads]), this.integers('head_size', [hidden / heads])],
      [intAttribute('axis', 0)],
    );
    const part = (name: string, perm: readonly number[]): Value => {
      const projected = this.linear(x, name, hidden, hidden);
      return this.op('Transpose', [this.op('Reshape', [projected, split])], [intsAttribute('perm', perm)]);
    };
    const query = part('query', [0, 2, 1, 3]);
    const key = part('key', [0, 2, 3, 1]);
    const value = part('value', [0, 2, 1, 3]);
    const scale = this.number('scale', Math.sqrt(hidden / heads));
    const scores = this.op('Div', [this.op('MatMul', [query, key]), scale]);
    const chosen = this.op('Softmax', [this.op('Add', [scores, mask])], [intAttribute('axis', -1)]);
    const mixed = this.op('Transpose', [this.op('MatMul', [chosen, value])], [intsAttribute('perm', [0, 2, 1, 3])]);
    const joined = this.op('Concat', [batch, sequence, this.integers('hidden', [hidden])], [intAttribute('axis', 0)]);
    return this.linear(this.op('Reshape', [mixed, joined]), 'attended', hidden, hidden);
  }

  /** One size as a vector of one element, the way `x.size(axis)` is exported. */
  private size(x: Value, axis: number): Value {
    const size = this.op(
      'Gather',
      [this.op('Shape', [x]), this.integers(`axis_${axis}`, [axis], [])],
      [intAttribute('axis', 0)],
    );
    return this.op('Unsqueeze', [size, this.integers('axes', [0])]);
  }

  private layerNorm(x: Value, name: string): Value {
    const mean = (value: Value) =>
      this.op('ReduceMean', [value], [intsAttribute('axes', [-1]), intAttribute('keepdims', 1)]);
    const centered = this.op('Sub', [x, mean(x)]);
    const variance = mean(this.op('Pow', [centered, this.number('two', 2)]));
    const deviation = this.op('Sqrt', [this.op('Add', [variance, this.number('epsilon', 1e-5)])]);
    const scaled = this.op('Mul', [
      this.op('Div', [centered, deviation]),
      this.weight(`${name}_scale`, [this.sizes.hidden]),
    ]);
    return this.op('Add', [scaled, this.weight(`${name}_bias`, [this.sizes.hidden])]);
  }

  /** x · (erf(x / √2) + 1) · 0.5 */
  private gelu(x: Value): Value {
    const error = this.op('Erf', [this.op('Div', [x, this.number('root_two', Math.SQRT2)])]);
    const gated = this.op('Mul', [x, this.op('Add', [error, this.number('one', 1)])]);
    return this.op('Mul', [gated, this.number('half', 0.5)]);
  }

  private linear(x: Value, name: string, rows: number, columns: number): Value {
    const product = this.op('MatMul', [x, this.weight(`${name}_weight`, [rows, columns])]);
    return this.op('Add', [this.weight(`${name}_bias`, [columns]), product]);
  }

  private op(opType: string, inputs: readonly Value[], attributes: readonly Attribute[] = []): Value {
    return this.editor.insertNode({ graph: this.graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  }

  private weight(name: string, dims: readonly number[]): Value {
    return this.once(name, (fresh) => {
      const phase = this.sizes.seed + this.weights.size;
      const data = Float32Array.from({ length: elementCount(dims) }, (_, index) => Math.sin(phase + index * 1.7) / 2);
      return this.editor.addInitializer(this.graph, floatTensor(data, dims), fresh);
    });
  }

  private number(name: string, value: number): Value {
    return this.once(name, (fresh) => this.editor.addInitializer(this.graph, floatTensor([value], []), fresh));
  }

  private integers(name: string, values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.once(name, (fresh) => this.editor.addInitializer(this.graph, int64Tensor(values, dims), fresh));
  }

  private once(name: string, make: (name: string) => Value): Value {
    const known = this.weights.get(name);
    if (known !== undefined) return known;
    const value = make(name);
    this.weights.set(name, value);
    return value;
  }
}
