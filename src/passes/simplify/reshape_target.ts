import { type Dim, dimEquals, type Expr, lowerBound } from '../../ir/dim.js';
import type { Shape } from '../../ir/value_type.js';

/** An element of a constant target shape, or undefined where no constant says the same. */
export type TargetElement = number | undefined;

/**
 * The shape operand of a Reshape (allowzero=0) as far as constants can say it: 0 where an element is the size of the
 * input along the same axis, since 0 copies it; −1 for one element that is left over.
 *
 * −1 is what the sizes leave, so it is exact whatever the element is, as long as no other size is 0: runtimes refuse to
 * divide by 0, where the original may have had an empty result. Source: operator Reshape 25 of the ONNX standard.
 */
export function targetOfElements(input: Shape | undefined, elements: readonly (Expr | undefined)[]): TargetElement[] {
  const target = elements.map((element, axis): TargetElement => {
    if (typeof element === 'number') return element >= -1 ? element : undefined;
    return dimEquals(element, input?.[axis]) ? 0 : undefined;
  });
  return withRest(input, target, undefined);
}

/**
 * A shape operand under which `input` takes the shape `result`. `restAxis`: where −1 stood in an operand that gave this
 * result, which failed already where −1 now would.
 */
export function targetOfShape(input: Shape | undefined, result: Shape, restAxis?: number): TargetElement[] {
  const target = result.map((dim, axis): TargetElement => {
    if (dimEquals(dim, input?.[axis])) return typeof dim === 'number' ? dim : 0;
    // A 0 would copy another size.
    return typeof dim === 'number' && dim > 0 ? dim : undefined;
  });
  return withRest(input, target, restAxis);
}

function withRest(input: Shape | undefined, target: TargetElement[], restAxis: number | undefined): TargetElement[] {
  const open = target.flatMap((element, axis) => (element === undefined ? [axis] : []));
  const [axis] = open;
  if (axis === undefined || open.length > 1 || target.includes(-1)) return target;
  const isSafe =
    axis === restAxis ||
    target.every((element, other) => other === axis || isPositive(element === 0 ? input?.[other] : element));
  return isSafe ? target.with(axis, -1) : target;
}

const isPositive = (dim: Dim | undefined): boolean => (lowerBound(dim) ?? 0) > 0;
