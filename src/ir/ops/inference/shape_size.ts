import { type Expr, product } from '../../dim.js';
import type { Shape } from '../../value_type.js';

/** How many elements a shape has; 0 where one axis is empty, whatever the others are. */
export const shapeSize = (shape: Shape): Expr | undefined => (shape.includes(0) ? 0 : product(shape));
