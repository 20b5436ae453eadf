// Conv(x, W, b) => Cast(ConvInteger(DynamicQuantizeLinear(x), codes)) · scales + b
import { intAttribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { dataTypeCode } from '../../ir/data_type.js';
import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementCount, floatTensor, reshapeTensor, tensorFromData } from '../../ir/tensor.js';
import { type CodeOptions, codeOf, codeParameters } from './code_parameters.js';
import type { LayerWriter } from './layer_writer.js';
import type { DynamicActivation } from './quantize_dynamic.js';
import { fewestWeights, finiteWeights } from './weight_layer.js';

/** A Conv with constant weights [outputs, channels, …kernel]. */
export type ConvolutionLayer = {
  readonly kind: 'convolution';
  readonly node: Node;
  readonly weight: Value;
  readonly bias: Value | null;
  readonly dims: readonly number[];
};

/** A Conv whose weights can be stored in 8 bits, or the reason why they cannot. */
export function convolutionLayer(node: Node, inference: Inference): ConvolutionLayer | string | undefined {
  if ((node.domain !== '' && node.domain !== 'ai.onnx') || node.opType !== 'Conv') return undefined;
  const [input, weight, bias = null] = node.inputs;
  if (input == null || weight == null || node.outputs[0] == null) return 'an input is missing';
  const tensor = constantTensor(weight);
  if (tensor === undefined) return 'its weights are not constant';
  if (tensor.dtype !== 'float') return 'its weights are not float32';
  if (inference.dtypeOf(input) !== 'float') return 'its input is not float32';
  if (tensor.dims.length < 3) return 'its weights have no kernel';
  const biasTensor = constantTensor(bias);
  if (bias !== null && biasTensor?.dims.length !== 1) return 'its bias is not constant';
  if (elementCount(tensor.dims) < fewestWeights) return `fewer than ${fewestWeights} weights`;
  return { kind: 'convolution', node, weight, bias, dims: tensor.dims };
}

/**
 * uint8 weights around 128, which every runtime of ConvInteger has a kernel for. It takes one zero point for all of
 * them, so they are symmetric, with a scale for each output.
 */
export function writeConvolution(
  writer: LayerWriter,
  beside: LayerWriter,
  { node, weight, bias, dims }: ConvolutionLayer,
  activation: DynamicActivation,
  search: CodeOptions['scales'],
): void {
  const outputs = dims[0]!;
  const weights = finiteWeights(node, weight);
  const size = weights.length / outputs;
  const codes = new Uint8Array(weights.length);
  const scales = new Float32Array(outputs);
  for (let output = 0; output < outputs; output += 1) {
    const group = weights.subarray(output * size, (output + 1) * size);
    const parameters = codeParameters(group, { highest, symmetric: true, scales: search });
    scales[output] = parameters.scale;
    for (const [index, value] of group.entries()) codes[output * size + index] = codeOf(value, parameters, highest);
  }
  const perOutput = [1, outputs, ...dims.slice(2).map(() => 1)];
  const sums = writer.op(
    'ConvInteger',
    [
      activation.codes,
      beside.constant(`${weight.name}_codes`, tensorFromData('uint8', dims, codes)),
      activation.zeroPoint,
      beside.constant(`${weight.name}_zero_point`, tensorFromData('uint8', [], Uint8Array.of((highest + 1) / 2))),
    ],
    { attributes: [...node.attributes.values()] },
  );
  const scale = writer.op('Mul', [
    activation.scale,
    beside.constant(`${weight.name}_scales`, floatTensor(scales, perOutput)),
  ]);
  const attributes = [intAttribute('to', dataTypeCode('float'))];
  const result = writer.op('Mul', [writer.op('Cast', [sums], { attributes }), scale]);
  if (bias === null) {
    writer.replace(node, result);
    return;
  }
  const added = beside.constant(`${bias.name}_per_output`, reshapeTensor(constantTensor(bias)!, perOutput));
  writer.replace(node, writer.op('Add', [result, added]));
}

const highest = 255;
