import { broadcastAll, type Dim } from '../../dim.js';
import type { Shape } from '../../value_type.js';

/**
 * The shape of an elementwise result: shapes aligned at their last axis, axes of size 1 stretched.
 * undefined where a rank is not known; 'conflict' where two sizes cannot meet.
 */
export function broadcastShapes(shapes: readonly (Shape | undefined)[]): Shape | undefined | 'conflict' {
  const known = shapes.filter((shape) => shape !== undefined);
  if (known.length < shapes.length) return undefined;
  const rank = Math.max(0, ...known.map((shape) => shape.length));
  const result: (Dim | undefined)[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const dims = known.filter((s) => axis >= rank - s.length).map((shape) => shape[axis - (rank - shape.length)]);
    const broadcast = broadcastAll(dims);
    if (broadcast === 'conflict') return 'conflict';
    result.push(broadcast.dim);
  }
  return result;
}
