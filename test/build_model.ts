import { ortEvaluator, ortRunner } from '../src/backends/ort/run.js';
import { findTarget } from '../src/backends/target.js';
import { ErrorAccumulator } from '../src/evaluate/output_error.js';
import type { Attribute } from '../src/ir/attribute.js';
import { cloneModel } from '../src/ir/clone.js';
import type { DataType } from '../src/ir/data_type.js';
import { symbol } from '../src/ir/dim.js';
import { Editor } from '../src/ir/editor.js';
import type { Graph, Model, Value } from '../src/ir/graph.js';
import { decodeModel } from '../src/ir/onnx/decode.js';
import { encodeModel } from '../src/ir/onnx/encode.js';
import { floatTensor, type Tensor } from '../src/ir/tensor.js';
import { modelGraphs } from '../src/ir/traversal.js';
import { tensorType } from '../src/ir/value_type.js';
import { verifyModel } from '../src/ir/verifier.js';
import type { Pass } from '../src/passes/pass.js';
import { type PipelineOptions, type PipelineReport, runPipeline } from '../src/passes/pipeline.js';

type OpOptions = {
  readonly attributes?: readonly Attribute[];
  readonly domain?: string;
  readonly outputs?: number | readonly (string | null)[];
  readonly name?: string;
};

/** Builds small models line by line. */
export class ModelBuilder {
  readonly editor = new Editor();
  readonly graph: Graph;

  constructor(opset = 17, graph?: Graph, editor?: Editor) {
    if (editor !== undefined) this.editor = editor;
    this.graph = graph ?? this.editor.model.graph;
    if (graph !== undefined) return;
    this.editor.setModelProperties({ irVersion: 8 });
    this.editor.setOpsetImport('', opset);
    this.editor.setGraphName(this.graph, 'test');
  }

  input(name: string, dims: readonly (number | string)[], dtype: DataType = 'float'): Value {
    const shape = dims.map((dim) => (typeof dim === 'string' ? symbol(dim) : dim));
    return this.editor.addInput(this.graph, name, tensorType(dtype, shape));
  }

  constant(name: string, tensor: Tensor): Value {
    return this.editor.addInitializer(this.graph, tensor, name);
  }

  op(opType: string, inputs: readonly (Value | null)[], options: OpOptions = {}): Value {
    return this.ops(opType, inputs, options)[0]!;
  }

  ops(opType: string, inputs: readonly (Value | null)[], options: OpOptions = {}): Value[] {
    const { outputs = 1 } = options;
    const node = this.editor.insertNode({
      graph: this.graph,
      opType,
      inputs,
      domain: options.domain ?? '',
      name: options.name ?? '',
      attributes: options.attributes ?? [],
      outputs: typeof outputs === 'number' ? outputs : outputs.map((name) => (name === null ? null : { name })),
    });
    return node.outputs.flatMap((value) => (value === null ? [] : [value]));
  }

  output(value: Value, name = value.name, dtype: DataType = 'float', rank = 0): void {
    const shape = Array.from({ length: rank }, () => undefined);
    this.editor.addOutput(this.graph, value, name, rank === 0 ? tensorType(dtype) : tensorType(dtype, shape));
  }

  /** As it comes back from a file. */
  build(): Model {
    return decodeModel(encodeModel(this.editor.model));
  }
}

/** The same numbers each time, between −1 and 1. */
export function pseudoRandom(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return (state / 2147483648) * 2 - 1;
  });
}

export const randomTensor = (dims: readonly number[], seed = 1): Tensor =>
  floatTensor(
    pseudoRandom(
      dims.reduce((product, dim) => product * dim, 1),
      seed,
    ),
    dims,
  );

/** Operator types of every graph, outer first, in order. */
export const operatorsOf = (model: Model): string[] =>
  [...modelGraphs(model)].flatMap((graph) => [...graph.nodes].map(({ opType }) => opType));

/** Runs one pass on a copy; the copy is verified and written out and read back. */
export async function applyPass(
  model: Model,
  pass: Pass,
  options: Partial<PipelineOptions> = {},
): Promise<{ model: Model; report: PipelineReport }> {
  const copy = cloneModel(model);
  const report = await runPipeline(copy, [{ pass, reason: 'test' }], {
    target: findTarget('ort-cpu'),
    evaluate: ortEvaluator(),
    verifyTypes: true,
    ...options,
  });
  const errors = verifyModel(copy).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ code, message }) => `${code}: ${message}`).join('\n'));
  return { model: decodeModel(encodeModel(copy)), report };
}

export const reasonsOf = ({ declines }: PipelineReport): string[] => declines.map(({ reason }) => reason);

/** Largest absolute difference of all outputs, both models run without the runtime's optimizations. */
export async function largestDifference(a: Model, b: Model, feeds: Readonly<Record<string, Tensor>>): Promise<number> {
  const run = async (model: Model) => {
    const session = await ortRunner()(model, { optimize: false });
    try {
      return await session.run(new Map(Object.entries(feeds)));
    } finally {
      await session.close();
    }
  };
  const expected = await run(a);
  const actual = await run(b);
  let largest = 0;
  for (const [name, tensor] of expected) {
    const other = actual.get(name);
    if (other === undefined || `${other.dtype}[${other.dims}]` !== `${tensor.dtype}[${tensor.dims}]`) {
      throw new Error(`output "${name}" is ${other?.dtype}[${other?.dims}], was ${tensor.dtype}[${tensor.dims}]`);
    }
    const errors = new ErrorAccumulator();
    errors.add(tensor, other);
    const { maxAbsolute, discreteMismatches, nonFiniteMismatches } = errors.result();
    if (discreteMismatches + nonFiniteMismatches > 0) throw new Error(`output "${name}" differs in kind`);
    largest = Math.max(largest, maxAbsolute);
  }
  return largest;
}
