import { type Attribute, intAttribute, intsAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import { type Model, opsetVersion, type Value } from '../ir/graph.js';
import { int64Tensor, tensorData } from '../ir/tensor.js';
import { tensorType } from '../ir/value_type.js';
import { runSamples, type SampleOptions } from './run_samples.js';
import type { ModelRunner } from './runner.js';
import type { SampleSource } from './sources/source.js';

/** An activation of the main graph whose last axis has `size` channels. */
export type ChannelRequest = { readonly value: Value; readonly size: number };

/** Of each channel: the largest magnitude, and the sum of all magnitudes. */
export type ChannelSizes = { readonly largest: Float64Array; readonly sum: Float64Array };

/**
 * How large the channels along the last axis of each value are over all samples. The reductions run inside the model, so
 * that two numbers a channel and sample come out, whatever the size of the tensors.
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/not-finite`, what the source or the runtime reports.
 */
export async function observeChannels(
  model: Model,
  requests: readonly ChannelRequest[],
  source: SampleSource,
  runner: ModelRunner,
  options: SampleOptions = {},
): Promise<ReadonlyMap<Value, ChannelSizes>> {
  const sizes = new Map<Value, ChannelSizes>();
  if (requests.length === 0) return sizes;
  const probes = withReductions(model, requests);
  await runSamples({ model: probes.model }, source, runner, options, (results, sample) => {
    for (const [index, { value, size }] of requests.entries()) {
      const known = sizes.get(value) ?? { largest: new Float64Array(size), sum: new Float64Array(size) };
      sizes.set(value, known);
      const { largest, sum } = probes.outputs[index]!;
      // A tensor of no rows gives −infinity, which raises nothing.
      for (const [channel, number] of (tensorData(results.get(largest)!) as Float32Array).entries()) {
        known.largest[channel] = Math.max(known.largest[channel]!, number);
      }
      // The runtime's ReduceMax passes NaN by; a sum does not.
      for (const [channel, number] of (tensorData(results.get(sum)!) as Float32Array).entries()) {
        if (!Number.isFinite(number)) throw nonFinite(value.name, sample.name);
        known.sum[channel] = known.sum[channel]! + number;
      }
    }
  });
  return sizes;
}

const nonFinite = (value: string, sample: string): DiagnosticError =>
  new DiagnosticError({
    code: 'calibrate/not-finite',
    message: `the magnitudes of "${value}" add up to no finite number on sample ${sample}`,
    help: 'Look at that sample',
  });

type Probes = { readonly model: Model; readonly outputs: readonly { largest: string; sum: string }[] };

/** The opset in which ReduceMax and ReduceL1 read their axes. */
const axesInput = 18;

/** A copy of the model whose only outputs are the reductions. */
function withReductions(source: Model, requests: readonly ChannelRequest[]): Probes {
  const model = cloneModel(source);
  const editor = new Editor(model);
  const { graph } = model;
  for (const slot of [...graph.outputs]) editor.removeOutput(slot);
  const readsAxes = (opsetVersion(graph, '') ?? 1) >= axesInput;
  const axes = readsAxes ? [editor.addInitializer(graph, int64Tensor([0]), 'channel_axes')] : [];
  const along = [...(readsAxes ? [] : [intsAttribute('axes', [0])]), intAttribute('keepdims', 0)];
  const node = (opType: string, inputs: readonly Value[], attributes: readonly Attribute[] = []): Value =>
    editor.insertNode({ graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  const output = (value: Value, size: number): string =>
    editor.addOutput(graph, value, editor.freshName('channels'), tensorType('float', [size])).name;
  const outputs = requests.map(({ value, size }) => {
    const shape = editor.addInitializer(graph, int64Tensor([-1, size]), 'channel_rows');
    const rows = node('Reshape', [graph.values.get(value.name)!, shape]);
    return {
      largest: output(node('ReduceMax', [node('Abs', [rows]), ...axes], along), size),
      sum: output(node('ReduceL1', [rows, ...axes], along), size),
    };
  });
  return { model, outputs };
}
