// float32 values => float16 or bfloat16 where the plan says so, with one Cast a value and direction between the two
// Needs: a plan made for this very model. Functions keep their types, and so do the graphs of If, Loop and Scan at
// their boundary.
import type { Editor } from '../../ir/editor.js';
import type { HalfType } from '../../ir/half_float.js';
import { halfTensor } from '../../ir/half_tensor.js';
import { definePass, type Pass } from '../pass.js';
import type { PrecisionPlan } from './precision_plan.js';
import { retypeAttributes } from './retype_attributes.js';
import { insertCast, mergeCasts, removeIdleCasts } from './retype_casts.js';
import { retypeConstant } from './retype_constants.js';
import { type Retyping, surveyRetyping } from './retype_survey.js';
import { readInstead, retyped } from './retype_value.js';

/**
 * Rewrites a model into what a plan of it says. Weights are converted when they are read. A second run changes nothing.
 * @throws InvariantError when a weight is read that holds a finite number past the range of the half type.
 */
export const applyPrecisionPlan = (plan: PrecisionPlan): Pass =>
  definePass({
    name: 'cast-to-half',
    summary: 'float32 values => float16 or bfloat16 where the plan says so, with casts between',
    scope: 'model',
    run(_, { model, editor, inference }) {
      const before = editor.revision;
      const { slots, values } = surveyRetyping(model, plan, inference);
      const widening = new Set(values.flatMap(({ kind, value }) => (kind === 'widened' ? [value.producer] : [])));
      for (const [node, changed] of slots) {
        if (!widening.has(node)) retypeAttributes(node, changed, plan.half, editor);
      }
      for (const retyping of values) retype(retyping, plan.half, editor);
      // Only now is every Cast there that another can take the place of.
      for (const { kind, value } of values) if (kind === 'half') removeIdleCasts(value, plan.half, editor);
      for (const { kind, value, halfUses } of values) {
        if (kind === 'half') mergeCasts(value, 'float', editor);
        else if (kind === 'float' && halfUses.length > 0) mergeCasts(value, plan.half, editor);
      }
      if (editor.revision !== before) inference.invalidateAll();
    },
  });

function retype(retyping: Retyping, half: HalfType, editor: Editor): void {
  const { value, kind, halfUses, floatUses } = retyping;
  for (const use of halfUses) {
    if (use.kind === 'output') editor.setOutputType(use.user, retyped(use.user.type, half));
  }
  switch (kind) {
    case 'constant':
      retypeConstant(retyping, half, editor);
      break;
    case 'widened': {
      const { producer } = value;
      const source = producer?.inputs[0];
      if (producer == null || source == null || halfUses.length === 0) break;
      for (const use of halfUses) readInstead(use, source, editor);
      if (floatUses.length === 0 && !value.pinned) editor.eraseNode(producer);
      break;
    }
    case 'float':
      if (halfUses.length > 0) insertCast(value, half, halfUses, editor);
      break;
    case 'half':
      if (value.initializer?.kind === 'dense') {
        editor.setInitializer(value, halfTensor(value.initializer, half, value.name));
      }
      editor.setType(value, retyped(value.type, half));
      if (floatUses.length > 0) insertCast(value, 'float', floatUses, editor);
  }
}
