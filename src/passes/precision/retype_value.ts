import type { DataType } from '../../ir/data_type.js';
import type { Editor } from '../../ir/editor.js';
import type { Use, Value } from '../../ir/graph.js';
import { tensorType, type ValueType } from '../../ir/value_type.js';

/** A declared tensor type with another element type; what is no tensor or not declared stays. */
export const retyped = (type: ValueType | undefined, dtype: DataType): ValueType | undefined =>
  type?.kind === 'tensor' && type.dtype !== dtype ? tensorType(dtype, type.shape) : type;

/** One reader reads another value from now on. */
export function readInstead(use: Use, value: Value, editor: Editor): void {
  if (use.kind === 'node') editor.setInput(use.user, use.index, value);
  else editor.setOutputValue(use.user, value);
}
