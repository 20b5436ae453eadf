import type { Dim } from '../../dim.js';
import type { Shape } from '../../value_type.js';

/** More axes than any tensor has; a rank that a model asks for is not followed further. */
export const maxRank = 64;

/** A shape of which only the rank is known, and that only where it is a number. */
export const unknownShape = (rank: Dim | undefined): Shape | undefined =>
  typeof rank === 'number' && rank <= maxRank ? Array.from({ length: rank }, () => undefined) : undefined;
