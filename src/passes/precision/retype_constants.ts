import { tensorAttribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Editor } from '../../ir/editor.js';
import type { HalfType } from '../../ir/half_float.js';
import { halfTensor } from '../../ir/half_tensor.js';
import type { Retyping } from './retype_survey.js';
import { readInstead, retyped } from './retype_value.js';

/** Gives readers of the half type the constant in that type: itself where all are, else a second one for all of them. */
export function retypeConstant({ value, halfUses, floatUses }: Retyping, half: HalfType, editor: Editor): void {
  const tensor = constantTensor(value);
  if (tensor === undefined || halfUses.length === 0) return;
  const converted = halfTensor(tensor, half, value.name);
  if (floatUses.length > 0 || value.pinned) {
    const copy = editor.addInitializer(value.graph, converted, `${value.name}_${half}`);
    for (const use of halfUses) readInstead(use, copy, editor);
    return;
  }
  if (value.producer === null) editor.setInitializer(value, converted);
  else {
    for (const name of ['value_float', 'value_floats']) editor.removeAttribute(value.producer, name);
    editor.setAttribute(value.producer, tensorAttribute('value', converted));
  }
  editor.setType(value, retyped(value.type, half));
}
