import type { Shape } from '../../value_type.js';
import { agreedSize } from './sizes.js';

/**
 * The shape that several tensors must have in common: each axis as known as any of them knows it. 'conflict' where
 * ranks or sizes cannot be the same.
 */
export function agreedShape(shapes: readonly (Shape | undefined)[]): Shape | undefined | 'conflict' {
  const known = shapes.filter((shape) => shape !== undefined);
  const [first] = known;
  if (first === undefined) return undefined;
  if (known.some((shape) => shape.length !== first.length)) return 'conflict';
  const agreed = first.map((_, axis) => agreedSize(known.map((shape) => shape[axis])));
  return agreed.includes('conflict') ? 'conflict' : agreed.filter((size) => size !== 'conflict');
}
