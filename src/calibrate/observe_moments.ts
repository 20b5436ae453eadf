import { intsAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import type { Model, Value } from '../ir/graph.js';
import { int64Tensor, tensorData } from '../ir/tensor.js';
import { tensorType } from '../ir/value_type.js';
import { groupsOfBytes, runSamples, type SampleOptions } from './run_samples.js';
import type { ModelRunner } from './runner.js';
import type { SampleSource } from './sources/source.js';

/** An activation of the main graph whose last axis has `size` elements. */
export type MomentRequest = { readonly value: Value; readonly size: number };

/** Bytes of sums held at once; the samples are run again for what goes beyond. */
const mostBytes = 2 ** 29;

/**
 * Σ x·xᵀ over the last axis of each value, [size, size], over all samples. The products run inside the model, in float32;
 * they are summed in double precision.
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/not-finite`, what the source or the runtime reports.
 */
export async function observeMoments(
  model: Model,
  requests: readonly MomentRequest[],
  source: SampleSource,
  runner: ModelRunner,
  options: SampleOptions = {},
): Promise<ReadonlyMap<Value, Float64Array>> {
  const sums = new Map<Value, Float64Array>();
  const groups = groupsOfBytes(requests, ({ size }) => size ** 2 * 8, mostBytes);
  for (const group of groups) await observeGroup(model, group, source, runner, options, sums);
  return sums;
}

async function observeGroup(
  model: Model,
  group: readonly MomentRequest[],
  source: SampleSource,
  runner: ModelRunner,
  options: SampleOptions,
  sums: Map<Value, Float64Array>,
): Promise<void> {
  const probes = withProducts(model, group);
  await runSamples(probes, source, runner, options, (results, sample) => {
    for (const [index, { value, size }] of group.entries()) {
      const sum = sums.get(value) ?? new Float64Array(size * size);
      sums.set(value, sum);
      const products = tensorData(results.get(probes.outputs[index]!)!) as Float32Array;
      for (const [at, product] of products.entries()) sum[at] = sum[at]! + product;
      if (!sum.every(Number.isFinite)) throw nonFinite(value.name, sample.name);
    }
  });
}

const nonFinite = (value: string, sample: string): DiagnosticError =>
  new DiagnosticError({
    code: 'calibrate/not-finite',
    message: `the squares of "${value}" are no finite numbers on sample ${sample}`,
    help: 'Look at that sample',
  });

/** A copy of the model whose only outputs are the products. */
function withProducts(source: Model, group: readonly MomentRequest[]): { model: Model; outputs: readonly string[] } {
  const model = cloneModel(source);
  const editor = new Editor(model);
  const { graph } = model;
  for (const slot of [...graph.outputs]) editor.removeOutput(slot);
  const node = (
    opType: string,
    inputs: readonly Value[],
    attributes = [] as ReturnType<typeof intsAttribute>[],
  ): Value => editor.insertNode({ graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  const outputs = group.map(({ value, size }) => {
    const shape = editor.addInitializer(graph, int64Tensor([-1, size]), 'moments_shape');
    const rows = node('Reshape', [graph.values.get(value.name)!, shape]);
    const product = node('MatMul', [node('Transpose', [rows], [intsAttribute('perm', [1, 0])]), rows]);
    return editor.addOutput(graph, product, editor.freshName('moments'), tensorType('float', [size, size])).name;
  });
  return { model, outputs };
}
