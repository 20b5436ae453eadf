import { dataTypeOfCode } from '../../data_type.js';
import { add, type Expr, mul } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';
import { within } from './integer_range.js';
import { withStatedAxis } from './stated_axis.js';

/** Operators that move, replace or accumulate elements inside a tensor and keep its shape. */
export const sameShapeRules: InferenceRules = {
  Trilu: ofRankAtLeast(2),
  'com.microsoft:Trilu': ofRankAtLeast(2),
  ReverseSequence: ofRankAtLeast(2),
  TensorScatter: withStatedAxis(ofRankAtLeast(2)),
  EyeLike: inferEyeLike,
  CumSum: inferCumulative,
  CumProd: inferCumulative,
};

function ofRankAtLeast(least: number): InferenceRule {
  return (context) => {
    const shape = context.shape(0);
    if (shape === undefined || shape.length >= least) sameAsInput(context);
    else {
      context.setTensor(0, context.dtype(0));
      context.fail('infer/rank', `${context.node.opType} takes ${least} axes or more, not ${formatShape(shape)}`);
    }
  };
}

function inferEyeLike(context: InferenceContext): void {
  const shape = context.shape(0);
  const asked = context.int('dtype', undefined);
  const dtype = asked === undefined ? context.dtype(0) : dataTypeOfCode(asked);
  context.setTensor(0, dtype);
  if (shape !== undefined && shape.length !== 2) {
    context.fail('infer/rank', `EyeLike takes two axes, not ${formatShape(shape)}`);
    return;
  }
  context.setTensor(0, dtype, shape ?? [undefined, undefined]);
}

function inferCumulative(context: InferenceContext): void {
  const shape = context.shape(0);
  const given = context.numbers(1)?.[0];
  if (shape !== undefined && given !== undefined && normalAxis(given, shape.length) === undefined) {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/axis', `axis ${given} of a tensor of rank ${shape.length}`);
    return;
  }
  sameAsInput(context);
  // A tensor of rank 1 has no other axis.
  if (shape?.length === 1) setAccumulated(context);
}

function setAccumulated(context: InferenceContext): void {
  const known = context.content(0);
  if (known === undefined) return;
  const isReverse = context.int('reverse', 0) !== 0;
  const isExclusive = context.int('exclusive', 0) !== 0;
  const [neutral, combine] = context.node.opType === 'CumSum' ? [0, add] : [1, mul];
  const accumulated: (Expr | undefined)[] = [];
  let total: Expr | undefined = neutral;
  for (const element of isReverse ? known.elements.toReversed() : known.elements) {
    const next: Expr | undefined = within(known.dtype, combine(total, element));
    accumulated.push(isExclusive ? total : next);
    total = next;
  }
  if (isReverse) accumulated.reverse();
  context.setContent(0, content(known.dtype, known.dims, accumulated));
}
