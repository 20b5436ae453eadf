import { expect } from 'vitest';
import type { Attribute } from '../../../src/ir/attribute.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import type { Tensor } from '../../../src/ir/tensor.js';
import type { Pass } from '../../../src/passes/pass.js';
import type { PipelineOptions, PipelineReport } from '../../../src/passes/pipeline.js';
import { applyPass, largestDifference, type ModelBuilder, operatorsOf } from '../../build_model.js';

type Feeds = Readonly<Record<string, Tensor>>;

/** Applies a pass, expects these operators, and the same bits out of ONNX Runtime for every one of the feeds. */
export async function expectExact(
  model: Model,
  pass: Pass,
  operators: readonly string[],
  feeds: readonly Feeds[],
  options: Partial<PipelineOptions> = {},
): Promise<{ model: Model; report: PipelineReport }> {
  const result = await applyPass(model, pass, options);
  expect(operatorsOf(result.model)).toEqual(operators);
  expect(result.model.graph.outputs.map(({ name }) => name)).toEqual(model.graph.outputs.map(({ name }) => name));
  for (const each of feeds) expect(await largestDifference(model, result.model, each)).toBe(0);
  return result;
}

/** Fills both branches of an If; the condition is the input `c`. */
export function withIf(b: ModelBuilder, opset: number, fill: (branch: ModelBuilder) => void) {
  const condition = b.input('c', [], 'bool');
  const node = b.editor.draft({ graph: b.graph, opType: 'If', inputs: [condition], outputs: [{ name: 'chosen' }] });
  const Builder = b.constructor as typeof ModelBuilder;
  for (const name of ['then_branch', 'else_branch']) {
    const graph = b.editor.createSubgraph(node, name);
    fill(new Builder(opset, graph, b.editor));
    b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
  }
  b.editor.attach(node);
  return node.outputs[0]!;
}

/** Calls a function "local:twice" of one input, whose body `fill` builds, with these attributes. */
export function withFunction(
  b: ModelBuilder,
  opset: number,
  argument: Value,
  fill: (body: ModelBuilder, x: Value) => Value,
  attributes: readonly Attribute[] = [],
): Value {
  b.editor.setOpsetImport('local', 1);
  const fn = b.editor.addFunction({
    name: 'twice',
    domain: 'local',
    overload: '',
    attributeNames: attributes.map(({ name }) => name),
    attributeDefaults: new Map(),
  });
  b.editor.setOpsetImport('', opset, fn);
  const Builder = b.constructor as typeof ModelBuilder;
  const body = new Builder(opset, fn.graph, b.editor);
  const x = b.editor.addInput(fn.graph, 'x', undefined);
  b.editor.addOutput(fn.graph, fill(body, x), 'out', undefined);
  return b.op('twice', [argument], { domain: 'local', attributes });
}
