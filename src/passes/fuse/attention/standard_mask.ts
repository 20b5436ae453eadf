import { constantTensor } from '../../../ir/constant.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import type { Tensor } from '../../../ir/tensor.js';
import type { Shape } from '../../../ir/value_type.js';
import { isFloatType, numbersOf } from '../../rewrite/float_numbers.js';
import { producerOf } from '../../rewrite/operator.js';
import { scalarValue } from '../../rewrite/scalar.js';

/** A mask as the standard operator takes it. `value`: null where it hides nothing, or only what comes later. */
export type StandardMask = { readonly value: Value | null; readonly isCausal: boolean };

/**
 * The mask of scores [batch, heads, queries, keys] for the standard operator, or why it cannot be given. Runtimes differ
 * in what becomes of a query that sees nothing, so that numbers are taken only where every query sees a key.
 */
export function standardMask(mask: Value | null, scores: Shape, inference: Inference): StandardMask | string {
  if (mask === null) return { value: null, isCausal: false };
  const tensor = constantTensor(mask);
  const given = tensor === undefined ? boolMask(mask) : mask;
  if (given === undefined) return 'a query may see no key, which runtimes answer differently';
  const shape = inference.shapeOf(given);
  const covers = shape !== undefined && shape.length >= 2 && shape.length <= 4 && coversScores(shape, scores);
  const numbers = tensor !== undefined && isFloatType(tensor.dtype) ? numbersOf(tensor) : undefined;
  if (tensor !== undefined) {
    if (numbers === undefined) return 'the mask holds no numbers';
    if (numbers.every((each) => each === 0) && isWithin(shape!, scores)) return { value: null, isCausal: false };
  }
  if (!covers) return 'the mask is not known to cover all queries and keys';
  if (tensor === undefined) return { value: given, isCausal: false };
  if (isCausal(tensor, numbers!, 0)) return { value: null, isCausal: true };
  return seesSome(tensor, numbers!) ? { value: given, isCausal: false } : 'a query sees no key';
}

/** Whether a constant hides exactly the keys behind each query, of which `past` precede the first. */
export function isCausal({ dims }: Tensor, numbers: ArrayLike<number>, past: number): boolean {
  const [queries, keys] = dims.slice(-2) as [number, number];
  if (dims.slice(0, -2).some((dim) => dim !== 1)) return false;
  for (let at = 0; at < queries * keys; at += 1) {
    const hidden = (at % keys) - Math.floor(at / keys) > past;
    if (numbers[at] !== (hidden ? Number.NEGATIVE_INFINITY : 0)) return false;
  }
  return queries * keys > 0;
}

/** The condition of Where(condition, 0, −∞). */
function boolMask(mask: Value): Value | undefined {
  const where = producerOf(mask, 'Where');
  const [condition, shown, hidden] = where?.inputs ?? [];
  const [one, other] = [constantTensor(shown), constantTensor(hidden)];
  const isMask =
    one !== undefined &&
    other !== undefined &&
    scalarValue(one) === 0 &&
    scalarValue(other) === Number.NEGATIVE_INFINITY;
  return isMask ? (condition ?? undefined) : undefined;
}

/** Far above the lowest numbers of each type, which kernels take for hidden keys. */
const hiddenBelow = -1e4;

function seesSome({ dims }: Tensor, numbers: ArrayLike<number>): boolean {
  const keys = dims.at(-1)!;
  for (let row = 0; row < numbers.length; row += keys) {
    let sees = false;
    for (let at = row; at < row + keys; at += 1) {
      if (Number.isNaN(numbers[at]) || numbers[at] === Number.POSITIVE_INFINITY) return false;
      sees ||= numbers[at]! > hiddenBelow;
    }
    if (!sees) return false;
  }
  return true;
}

/** The operator wants the last two sizes as they are; batch and heads may be broadcast. */
function coversScores(shape: Shape, [batch, heads, queries, keys]: Shape): boolean {
  const [b = 1, h = 1] = [shape.at(-4), shape.at(-3)];
  const fits = (dim: Shape[number], whole: Shape[number]) => dim === 1 || dimEquals(dim, whole);
  return dimEquals(shape.at(-2), queries) && dimEquals(shape.at(-1), keys) && fits(h, heads) && fits(b, batch);
}

/** Whether adding a tensor of this shape leaves the scores in theirs. */
const isWithin = (shape: Shape, scores: Shape): boolean =>
  shape.length <= 4 && shape.every((dim, axis) => dim === 1 || dimEquals(dim, scores[axis + 4 - shape.length]));
