import { expect } from 'vitest';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { findTarget } from '../../../src/backends/target.js';
import { intAttribute } from '../../../src/ir/attribute.js';
import { cloneModel } from '../../../src/ir/clone.js';
import { type DataType, dataTypeCode } from '../../../src/ir/data_type.js';
import type { Model, Node } from '../../../src/ir/graph.js';
import type { HalfType } from '../../../src/ir/half_float.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import type { Tensor } from '../../../src/ir/tensor.js';
import { formatGraph } from '../../../src/ir/text.js';
import { modelGraphs } from '../../../src/ir/traversal.js';
import { runPipeline } from '../../../src/passes/pipeline.js';
import { applyPrecisionPlan } from '../../../src/passes/precision/apply_precision_plan.js';
import type { PrecisionPlan } from '../../../src/passes/precision/precision_plan.js';
import type { ModelBuilder } from '../../build_model.js';

export type Wish = {
  /** float16 unless told. */
  readonly half?: HalfType;
  /** First outputs of the nodes that get the half type, by name. */
  readonly nodes: readonly string[];
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
};

/** A plan that does as it is told. */
export function planOf(model: Model, { half = 'float16', nodes, inputs = [], outputs = [] }: Wish): PrecisionPlan {
  const all = [...modelGraphs(model)].flatMap((graph) => [...graph.nodes]);
  const madeBy = (node: Node) => node.outputs[0]?.name ?? '';
  const unknown = nodes.filter((name) => !all.some((node) => madeBy(node) === name));
  if (unknown.length > 0) throw new Error(`no node makes ${unknown}`);
  return {
    half,
    nodes: new Map(
      all.map((node) => [node, { type: nodes.includes(madeBy(node)) ? 'half' : 'float', reason: 'asked' }]),
    ),
    inputs: new Set(model.graph.inputs.filter(({ name }) => inputs.includes(name))),
    outputs: new Set(model.graph.outputs.filter(({ name }) => outputs.includes(name))),
  };
}

/** What was built, with the plan applied, as it comes back from a file. Applying it again must change nothing. */
export async function applied({ graph }: ModelBuilder, wish: Wish): Promise<Model> {
  const copy = cloneModel(decodeModel(encodeModel(graph.model)));
  const steps = [{ pass: applyPrecisionPlan(planOf(copy, wish)), reason: 'test' }];
  const options = { target: findTarget('ort-cpu'), verifyTypes: true };
  await runPipeline(copy, steps, options);
  const { passes } = await runPipeline(copy, steps, options);
  expect(passes.map(({ changes }) => changes)).toEqual([0]);
  return decodeModel(encodeModel(copy));
}

/** Its nodes, those of subgraphs too, without types and contents. */
export const linesOf = (model: Model): string[] =>
  formatGraph(model.graph, { types: false, constants: false })
    .split('\n')
    .filter((line) => /^ *%.* = /.test(line))
    .map((line) =>
      line
        .replace(/ \/\/.*$/, '')
        .replaceAll('%', '')
        .trim(),
    );

export const dtypeOf = (model: Model, name: string): DataType | undefined => {
  const value = model.graph.values.get(name);
  if (value === undefined) throw new Error(`no value "${name}"`);
  return new Inference(model).dtypeOf(value);
};

/** In the runtime, its own optimizations off. */
export async function answers(model: Model, feeds: Readonly<Record<string, Tensor>>): Promise<Map<string, Tensor>> {
  const session = await ortRunner()(model, { optimize: false });
  try {
    return new Map(await session.run(new Map(Object.entries(feeds))));
  } finally {
    await session.close();
  }
}

/** Options of a Cast under a name. */
export const castTo = (dtype: DataType, name: string) => ({
  attributes: [intAttribute('to', dataTypeCode(dtype))],
  outputs: [name],
});
