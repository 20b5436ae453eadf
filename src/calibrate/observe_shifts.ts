import { intAttribute, intsAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import { type Model, opsetVersion, type Value } from '../ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorData } from '../ir/tensor.js';
import type { ComputeNode } from '../passes/quantize/compute_node.js';
import { layerSize } from '../passes/quantize/compute_node.js';
import type { ActivationParameters } from '../passes/quantize/ranges.js';
import { zeroPointTensor } from '../passes/quantize/zero_point.js';
import type { QuantizedType } from '../passes/target_profile.js';
import { runSamples, type SampleOptions } from './run_samples.js';
import type { ModelRunner } from './runner.js';
import type { SampleSource } from './sources/source.js';

export type ShiftRequest = {
  readonly layer: ComputeNode;
  /** The weights that it is to compute with, in float. */
  readonly weights: Tensor;
  /** How its input is brought to 8 bits; undefined where that is not known, and then it is read as it is. */
  readonly rounding: ActivationParameters | undefined;
};

/**
 * For each layer of the main graph the mean difference of its outputs, [outputs], over all places of all samples: as they
 * are, less what the layer gives with other weights and rounded inputs. All that comes before it is in float. The layer
 * runs twice inside the model, in float32; runs are added in double precision.
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/not-finite`, what the source or the runtime reports.
 */
export async function observeShifts(
  model: Model,
  requests: readonly ShiftRequest[],
  source: SampleSource,
  runner: ModelRunner,
  options: SampleOptions = {},
): Promise<Float64Array[]> {
  const probes = withShifts(model, requests);
  const sums = requests.map(({ layer }) => new Float64Array(layerSize(layer.node, layer.weightDims).outputs));
  const counts = requests.map(() => 0);
  await runSamples({ model: probes.model }, source, runner, options, (results, sample) => {
    for (const [index, { mean, shape, added }] of probes.places.entries()) {
      const sum = sums[index]!;
      const places = Array.from(tensorData(results.get(shape)!), Number)
        .slice(2)
        .reduce((product, size) => product * size, 1);
      const means = tensorData(results.get(mean)!) as Float32Array;
      // One row of outputs for each sample of a batch.
      for (let at = 0; at < means.length; at += 1) {
        const output = at % sum.length;
        sum[output] = sum[output]! + means[at]! * places;
      }
      counts[index] = counts[index]! + (means.length / sum.length) * places - added;
      if (!sum.every(Number.isFinite)) throw nonFinite(requests[index]!.layer, sample.name);
    }
  });
  return sums.map((sum, index) => sum.map((each) => each / Math.max(1, counts[index]!)));
}

const nonFinite = ({ node }: ComputeNode, sample: string): DiagnosticError =>
  new DiagnosticError({
    code: 'calibrate/not-finite',
    message: `"${node.outputs[0]!.name}" takes NaN or infinity on sample ${sample}`,
    help: 'Look at that sample; 8 bits cannot hold such a value',
  });

/** The opset in which QuantizeLinear makes this type of a whole tensor. */
const roundsSince: Readonly<Record<QuantizedType, number>> = {
  uint8: 10,
  int8: 10,
  uint16: 21,
  int16: 21,
  float8e4m3fn: 19,
};

type Place = {
  readonly mean: string;
  readonly shape: string;
  /** Places without a difference among them. */
  readonly added: 0 | 1;
};

/** A copy of the model whose only outputs are means of differences and the shapes they are taken over. */
function withShifts(source: Model, requests: readonly ShiftRequest[]): { model: Model; places: readonly Place[] } {
  const model = cloneModel(source);
  const { graph } = model;
  const editor = new Editor(model);
  for (const slot of [...graph.outputs]) editor.removeOutput(slot);
  const op = (
    opType: string,
    inputs: readonly (Value | null)[],
    attributes: Parameters<Editor['insertNode']>[0]['attributes'] = [],
  ): Value => editor.insertNode({ graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  const constant = (tensor: Tensor) => editor.addInitializer(graph, tensor, 'shift_constant');
  const reshaped = (value: Value, shape: readonly number[]) => op('Reshape', [value, constant(int64Tensor(shape))]);
  const output = (value: Value, dtype: 'float' | 'int64') =>
    editor.addOutput(graph, value, editor.freshName('shift'), { kind: 'tensor', dtype, shape: undefined }).name;
  const opset = opsetVersion(graph, '') ?? 1;
  const rounded = (value: Value, { scale, zeroPoint, dtype }: ActivationParameters): Value => {
    const parameters = [constant(floatTensor([scale], [])), constant(zeroPointTensor(dtype, zeroPoint))];
    return op('DequantizeLinear', [op('QuantizeLinear', [value, ...parameters]), ...parameters]);
  };
  // A row of zeros behind the others: the runtime has no mean of no rows.
  const withZeros = (value: Value, outputs: number): Value => {
    const zeros = constant(floatTensor(new Float32Array(outputs), [1, outputs]));
    return op('Concat', [reshaped(value, [-1, outputs]), zeros], [intAttribute('axis', 0)]);
  };
  const places = requests.map(({ layer: { node, weightDims }, weights, rounding }): Place => {
    const [input, , ...others] = node.inputs.map((each) => (each === null ? null : graph.values.get(each.name)!));
    const read = rounding !== undefined && opset >= roundsSince[rounding.dtype] ? rounded(input!, rounding) : input!;
    const other = op(node.opType, [read, constant(weights), ...others], [...node.attributes.values()]);
    const shift = op('Sub', [graph.values.get(node.outputs[0]!.name)!, other]);
    const { outputs } = layerSize(node, weightDims);
    const isMatrix = node.opType === 'MatMul' || node.opType === 'Gemm';
    const byOutput = isMatrix
      ? reshaped(op('Transpose', [withZeros(shift, outputs)], [intsAttribute('perm', [1, 0])]), [1, outputs, -1])
      : shift;
    return {
      mean: output(op('GlobalAveragePool', [byOutput]), 'float'),
      shape: output(op('Shape', [byOutput]), 'int64'),
      added: isMatrix ? 1 : 0,
    };
  });
  return { model, places };
}
