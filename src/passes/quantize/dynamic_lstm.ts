// LSTM(x, W, R, …) => com.microsoft.DynamicQuantizeLSTM(x, codes, codes, …, scales, zero points)
import { getInt } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementCount, floatTensor, tensorFromData } from '../../ir/tensor.js';
import type { LayerWriter } from './layer_writer.js';
import { type RowOptions, rowCodes, turned } from './row_codes.js';
import { fewestWeights, finiteWeights } from './weight_layer.js';

/** An LSTM with constant weights W [directions, 4·hidden, input] and R [directions, 4·hidden, hidden]. */
export type LstmLayer = {
  readonly kind: 'lstm';
  readonly node: Node;
  readonly weight: Value;
  readonly recurrence: Value;
};

/** An LSTM whose weights can be stored in 8 bits, or why it, or another recurrent layer, stays in float. */
export function lstmLayer(node: Node, inference: Inference, hasOperator: boolean): LstmLayer | string | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  if (node.opType === 'GRU' || node.opType === 'RNN') return `there is no 8-bit ${node.opType}`;
  if (node.opType !== 'LSTM') return undefined;
  if (!hasOperator) return 'the target has no 8-bit LSTM';
  const [input, weight, recurrence] = node.inputs;
  if (input == null || weight == null || recurrence == null) return 'an input is missing';
  const [w, r] = [constantTensor(weight), constantTensor(recurrence)];
  if (w === undefined || r === undefined) return 'its weights are not constant';
  if (w.dtype !== 'float' || r.dtype !== 'float') return 'its weights are not float32';
  if (inference.dtypeOf(input) !== 'float') return 'its input is not float32';
  if (w.dims.length !== 3 || r.dims.length !== 3) return 'its weights do not have three axes';
  if (getInt(node, 'layout', 0) !== 0) return 'its batch comes first';
  if (weight.uses.size !== 1 || recurrence.uses.size !== 1) return 'its weights are shared';
  if (elementCount(w.dims) + elementCount(r.dims) < fewestWeights) return `fewer than ${fewestWeights} weights`;
  return { kind: 'lstm', node, weight, recurrence };
}

export function writeLstm(
  writer: LayerWriter,
  beside: LayerWriter,
  { node, weight, recurrence }: LstmLayer,
  options: RowOptions,
): void {
  const [w, r] = [weight, recurrence].map((value) => gates(beside, node, value, options));
  const rest = Array.from({ length: 5 }, (_, index) => node.inputs[index + 3] ?? null);
  const inputs = [node.inputs[0]!, w!.codes, r!.codes, ...rest, w!.scales, w!.zeroPoints, r!.scales, r!.zeroPoints];
  const attributes = [...node.attributes.values()].filter(({ name }) => name !== 'layout');
  const form = { domain: 'com.microsoft', attributes, outputs: node.outputs.length };
  writer.replaceAll(node, writer.ops('DynamicQuantizeLSTM', inputs, form));
}

/**
 * [directions, 4·hidden, inputs] => codes [directions, inputs, 4·hidden] with a scale for each gate row. int8 always: the
 * operator refuses zero points that differ.
 */
function gates(beside: LayerWriter, node: Node, value: Value, options: RowOptions) {
  const dtype = 'int8';
  const [directions, rows, columns] = constantTensor(value)!.dims as [number, number, number];
  const weights = finiteWeights(node, value);
  const all = rowCodes(weights, directions * rows, columns, { ...options, dtype });
  const codes = all.codes.slice();
  for (let direction = 0; direction < directions; direction += 1) {
    const from = direction * rows * columns;
    codes.set(turned(all.codes.subarray(from, from + rows * columns), rows, columns), from);
  }
  return {
    codes: beside.constant(`${value.name}_codes`, tensorFromData(dtype, [directions, columns, rows], codes)),
    scales: beside.constant(`${value.name}_scales`, floatTensor(all.scales, [directions, rows])),
    zeroPoints: beside.constant(`${value.name}_zero_points`, tensorFromData(dtype, [directions, rows], all.zeroPoints)),
  };
}
