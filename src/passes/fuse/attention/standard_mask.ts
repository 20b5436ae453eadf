import { constantTensor } from '../../../ir/constant.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import type { Tensor } from '../../../ir/tensor.js';
import type { Shape } from '../../../ir/value_type.js';
import { isFloatType, numbersOf } from '../../rewrite/float_numbers.js';
import { producerOf } from '../../rewrite/operator.js';
import { scalarValue } from '../../rewrite/scalar.js';

/**
 * A mask as the standard operator takes it. `value`: null where it hides nothing, or only what comes later. `raised`: it
 * has to be kept above the lowest number first.
 */
export type StandardMask = { readonly value: Value | null; readonly isCausal: boolean; readonly raised?: boolean };

/**
 * The lowest float but one. A query whose keys all have the lowest gives the average of the values by the definition, and
 * zeros in kernels that take that number for "hidden" (ONNX Runtime 1.30, measured: no other number does that).
 */
export const nearlyLowest = -3.4028232635611926e38;

/** The mask of scores [batch, heads, queries, keys] for the standard operator, or why it cannot be given. */
export function standardMask(mask: Value | null, scores: Shape, inference: Inference): StandardMask | string {
  if (mask === null) return { value: null, isCausal: false };
  const rest = besideCausal(mask, scores);
  if (rest !== undefined) {
    const other = standardMask(rest, scores, inference);
    return typeof other === 'string' ? other : { ...other, isCausal: true };
  }
  const tensor = constantTensor(mask);
  const condition = tensor === undefined ? boolMask(mask) : undefined;
  const given = condition ?? mask;
  const shape = inference.shapeOf(given);
  const covers = shape !== undefined && shape.length >= 2 && shape.length <= 4 && coversScores(shape, scores);
  const numbers = tensor !== undefined && isFloatType(tensor.dtype) ? numbersOf(tensor) : undefined;
  if (tensor !== undefined) {
    if (numbers === undefined) return 'the mask holds no numbers';
    if (numbers.every((each) => each === 0) && isWithin(shape!, scores)) return { value: null, isCausal: false };
  }
  if (!covers) return 'the mask is not known to cover all queries and keys';
  if (condition !== undefined) return { value: given, isCausal: false };
  if (tensor === undefined) {
    // The definition gives no number where all are −∞, and kernels do.
    if (dependsOnInfinity(mask)) return 'a query may see no key';
    if (inference.dtypeOf(mask) !== 'float') return 'a query may see no key, and its type has no number to raise it to';
    return { value: given, isCausal: false, raised: !choosesAbove(mask) };
  }
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

/** The other operand of a sum with a constant that hides exactly what comes later. */
function besideCausal(mask: Value, scores: Shape): Value | undefined {
  const [left, right] = producerOf(mask, 'Add')?.inputs ?? [];
  for (const [constant, rest] of [
    [left, right],
    [right, left],
  ]) {
    const tensor = constantTensor(constant);
    if (tensor === undefined || !isFloatType(tensor.dtype) || rest == null || tensor.dims.length < 2) continue;
    const isWhole = [-2, -1].every((axis) => tensor.dims.at(axis) === scores.at(axis));
    if (isWhole && isCausal(tensor, numbersOf(tensor), 0)) return rest;
  }
  return undefined;
}

/** How far behind a mask its constants are looked for. */
const reach = 8;

function dependsOnInfinity(mask: Value): boolean {
  let front = [mask];
  for (let step = 0; step < reach; step += 1) {
    const inputs = front.flatMap(({ producer }) => producer?.inputs ?? []).filter((input) => input !== null);
    if (inputs.some(holdsInfinity)) return true;
    front = [...new Set(inputs)];
  }
  return false;
}

function holdsInfinity(value: Value): boolean {
  const tensor = constantTensor(value);
  if (tensor === undefined || !isFloatType(tensor.dtype)) return false;
  return numbersOf(tensor).includes(Number.NEGATIVE_INFINITY);
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

/** Where(condition, a, b) of numbers above the lowest. */
function choosesAbove(mask: Value): boolean {
  const [, ...branches] = producerOf(mask, 'Where')?.inputs ?? [];
  const numbers = branches.map((branch) => constantTensor(branch)).map((tensor) => tensor && scalarValue(tensor));
  return numbers.length === 2 && numbers.every((each) => each !== undefined && each >= nearlyLowest);
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
