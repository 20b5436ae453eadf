import { getFloat } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import { tensorData } from '../../ir/tensor.js';

/** Relu, and Clip from 0: what saturation at a zero point at the low end does as well. */
export function saturatesLike(activation: Node): boolean {
  if (activation.opType === 'Relu') return true;
  const low = activation.attributes.has('min')
    ? getFloat(activation, 'min', undefined)
    : scalarOf(activation.inputs[1]);
  const high = activation.attributes.has('max')
    ? getFloat(activation, 'max', undefined)
    : scalarOf(activation.inputs[2]);
  return low === 0 && (high === undefined ? activation.inputs[2] == null : high > 0);
}

function scalarOf(value: Value | null | undefined): number | undefined {
  const tensor = constantTensor(value);
  if (tensor?.dtype !== 'float' || tensor.byteLength !== 4) return undefined;
  return Number(tensorData(tensor)[0]);
}
