import { getInt } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { tensorIntegers } from '../../../ir/tensor.js';
import { permutation, transposedBy } from './scores.js';

/**
 * Where the heads of an operand come from: `source` of [batch, length, heads · size], as it is, or the `part`-th of
 * three such parts that lie one behind the other along its last axis.
 */
export type Heads = {
  readonly source: Value;
  readonly part: number | undefined;
  readonly heads: number;
  readonly size: number;
};

/** How a value of [batch, heads, length, size] was split off a value of rank 3, or undefined. */
export function headsOf(value: Value, inference: Inference): Heads | undefined {
  const split = transposedBy(value, [0, 2, 1, 3], inference);
  return split === undefined ? packedHeads(value, inference) : headsOfSplit(split, inference);
}

/** The same of a value that is transposed: [batch, heads, size, length]. */
export function headsOfKeys(keys: Value, inference: Inference): Heads | undefined {
  const split = transposedBy(keys, [0, 2, 3, 1], inference);
  if (split !== undefined) return headsOfSplit(split, inference);
  const plain = transposedBy(keys, [0, 1, 3, 2], inference);
  return plain === undefined ? undefined : headsOf(plain, inference);
}

/** Reshape: [batch, length, heads · size] => [batch, length, heads, size] */
function headsOfSplit(split: Value, inference: Inference): Heads | undefined {
  const node = split.producer;
  if (node?.opType !== 'Reshape' || !node.attached) return undefined;
  const source = node.inputs[0]!;
  const before = inference.shapeOf(source);
  const after = inference.shapeOf(split);
  if (before?.length !== 3 || after?.length !== 4) return undefined;
  const [heads, size] = after.slice(2);
  if (typeof heads !== 'number' || typeof size !== 'number' || before[2] !== heads * size) return undefined;
  const keepsFront = [0, 1].every((axis) => dimEquals(before[axis], after[axis]));
  return keepsFront ? { source, part: undefined, heads, size } : undefined;
}

/** [batch, length, 3 · heads · size] => [batch, length, 3, heads, size] => [3, batch, heads, length, size] => one of them */
function packedHeads(value: Value, inference: Inference): Heads | undefined {
  const picked = pickedOfFirstAxis(value, inference);
  const perm =
    picked?.stack.producer?.opType === 'Transpose' ? permutation(picked.stack.producer, inference) : undefined;
  if (picked === undefined || perm?.join() !== '2,0,3,1,4') return undefined;
  const split = picked.stack.producer!.inputs[0]!;
  const node = split.producer;
  if (node?.opType !== 'Reshape' || !node.attached) return undefined;
  const source = node.inputs[0]!;
  const before = inference.shapeOf(source);
  const after = inference.shapeOf(split);
  if (before?.length !== 3 || after?.length !== 5) return undefined;
  const [count, heads, size] = after.slice(2);
  if (count !== 3 || typeof heads !== 'number' || typeof size !== 'number') return undefined;
  const keepsFront = [0, 1].every((axis) => dimEquals(before[axis], after[axis]));
  return keepsFront && before[2] === 3 * heads * size ? { source, part: picked.index, heads, size } : undefined;
}

type Picked = { readonly stack: Value; readonly index: number };

/** stack[index] in any spelling: Gather, Squeeze(Split), Squeeze(Slice). */
function pickedOfFirstAxis(value: Value, inference: Inference): Picked | undefined {
  const node = value.producer;
  if (!node?.attached) return undefined;
  if (node.opType === 'Gather') {
    const index = wholeNumber(node.inputs[1], []);
    return index !== undefined && index >= 0 && getInt(node, 'axis', 0) === 0
      ? { stack: node.inputs[0]!, index }
      : undefined;
  }
  const from = node.inputs[0]?.producer;
  const dropsFirst = node.opType === 'Squeeze' && inference.contentOf(node.inputs[1] ?? value)?.elements.join() === '0';
  if (!dropsFirst || from == null) return undefined;
  if (from.opType === 'Split' && getInt(from, 'axis', 0) === 0 && from.outputs.length === 3) {
    const isEven = inference.shapeOf(from.inputs[0]!)?.[0] === 3;
    return isEven ? { stack: from.inputs[0]!, index: node.inputs[0]!.index } : undefined;
  }
  return from.opType === 'Slice' ? slicedOne(from) : undefined;
}

/** Slice of one element along the first axis. */
function slicedOne(slice: Node): Picked | undefined {
  const [data, starts, ends, axes, steps] = slice.inputs;
  const start = wholeNumber(starts, [1]);
  const end = wholeNumber(ends, [1]);
  const isFirst = wholeNumber(axes, [1]) === 0 && (steps == null || wholeNumber(steps, [1]) === 1);
  return isFirst && start !== undefined && start >= 0 && end === start + 1 ? { stack: data!, index: start } : undefined;
}

function wholeNumber(value: Value | null | undefined, dims: readonly number[]): number | undefined {
  const tensor = constantTensor(value);
  if (tensor === undefined || tensor.dims.length !== dims.length) return undefined;
  const [number, ...more] = tensorIntegers(tensor) ?? [];
  return number === undefined || more.length > 0 ? undefined : Number(number);
}
