import { asDim, type Dim, floorDiv, mod, mul, provablyDifferent } from '../../dim.js';
import type { Shape } from '../../value_type.js';
import type { InferenceContext } from './context.js';

/** The axes of a tensor of attention, wherever they stand. */
export type Heads = {
  readonly batch: Dim | undefined;
  readonly heads: Dim | undefined;
  readonly length: Dim | undefined;
  readonly size: Dim | undefined;
};

/** The number of heads by attribute; 'conflict' below one. */
export function headCount(context: InferenceContext, name = 'num_heads'): number | undefined | 'conflict' {
  const count = context.int(name, undefined);
  return count !== undefined && count < 1 ? 'conflict' : count;
}

export const unknownHeads: Heads = { batch: undefined, heads: undefined, length: undefined, size: undefined };

/**
 * [batch, heads, length, size] or [batch, length, heads · size] with the number of heads beside it. 'conflict' for
 * another rank, or where the heads do not divide what they are packed in.
 */
export function splitHeads(shape: Shape | undefined, count: number | undefined): Heads | 'conflict' {
  if (shape === undefined) return unknownHeads;
  if (shape.length === 4) return { batch: shape[0], heads: shape[1], length: shape[2], size: shape[3] };
  const size = headSize(shape[2], count);
  if (shape.length !== 3 || size === 'conflict' || (count !== undefined && count < 1)) return 'conflict';
  return { batch: shape[0], heads: count, length: shape[1], size };
}

/** The size of one of `count` heads packed in one axis; 'conflict' where they do not divide it. */
export const headSize = (packed: Dim | undefined, count: Dim | undefined): Dim | undefined | 'conflict' =>
  provablyDifferent(mod(packed, count), 0) ? 'conflict' : asDim(floorDiv(packed, count));

export const packedSize = (count: Dim | undefined, size: Dim | undefined): Dim | undefined => asDim(mul(count, size));
