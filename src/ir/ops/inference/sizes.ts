import { asDim, type Dim, provablyDifferent } from '../../dim.js';

/** The size that several axes must have in common; a number where one of them is known as that. */
export function agreedSize(sizes: readonly (Dim | undefined)[]): Dim | undefined | 'conflict' {
  const known = sizes.filter((size) => size !== undefined);
  const best = known.find((size) => typeof size === 'number') ?? known[0];
  return known.some((size) => provablyDifferent(size, best)) ? 'conflict' : best;
}

/** The size that an integer attribute asks for; undefined below 0, and past 2^53, where attributes come saturated. */
export const attributeSize = (value: number): Dim | undefined =>
  value < Number.MAX_SAFE_INTEGER ? asDim(value) : undefined;
