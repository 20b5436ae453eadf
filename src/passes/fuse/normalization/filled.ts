import { constantTensor } from '../../../ir/constant.js';
import type { Value } from '../../../ir/graph.js';
import { floatsOf } from '../../legalize/opset/scalar_tensor.js';

/** Whether a value is a floating-point constant whose every element is this number. */
export function isFilledWith(value: Value | null | undefined, number: number): boolean {
  const tensor = constantTensor(value);
  const expected = tensor && floatsOf(tensor.dtype, tensor.dims, number)?.storage.bytes();
  return expected !== undefined && Buffer.compare(expected, tensor!.storage.bytes()) === 0;
}
