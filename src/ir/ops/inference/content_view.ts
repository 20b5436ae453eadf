import type { DataType } from '../../data_type.js';
import type { Expr } from '../../dim.js';
import { elementCount } from '../../tensor.js';
import { type Shape, staticShape } from '../../value_type.js';
import { type AnyElement, type Content, content, type FloatContent, floatsOf, maxContentElements } from './content.js';
import type { InferenceContext } from './context.js';

/**
 * A content of `dims`, each element as `elementAt` gives it for its coordinate, which is only valid during the call.
 * undefined where it would be too long, or where no element is known.
 */
export function buildContent<Element = Expr>(
  dtype: DataType | undefined,
  dims: readonly number[],
  elementAt: (coordinate: readonly number[]) => Element | undefined,
): Content<Element> | undefined {
  const count = elementCount(dims);
  if (dtype === undefined || !(count <= maxContentElements)) return undefined;
  const elements: (Element | undefined)[] = [];
  const coordinate = dims.map(() => 0);
  while (elements.length < count) {
    elements.push(elementAt(coordinate));
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      coordinate[axis]! += 1;
      if (coordinate[axis]! < dims[axis]!) break;
      coordinate[axis] = 0;
    }
  }
  if (count > 0 && elements.every((element) => element === undefined)) return undefined;
  return content(dtype, dims, elements);
}

/** The element at a coordinate; undefined outside. */
export function elementOf<Element>(
  { dims, elements }: Content<Element>,
  coordinate: readonly number[],
): Element | undefined {
  let position = 0;
  for (const [axis, size] of dims.entries()) {
    const index = coordinate[axis] ?? 0;
    if (index < 0 || index >= size) return undefined;
    position = position * size + index;
  }
  return elements[position];
}

/** The element that stands at a coordinate of `outer`, to which the content broadcasts. */
export function stretchedElement<Element>(known: Content<Element>, coordinate: readonly number[]): Element | undefined {
  const offset = coordinate.length - known.dims.length;
  return elementOf(
    known,
    known.dims.map((size, axis) => (size === 1 ? 0 : coordinate[axis + offset]!)),
  );
}

/** What is known of an input, or as many unknown elements as its shape has; undefined where it is no small tensor. */
export function elementsOfInput(context: InferenceContext, index: number): Content | undefined {
  return context.content(index) ?? unknownElements(context, index);
}

/** As `elementsOfInput` for floats. */
export const floatsOfInput = (context: InferenceContext, index: number): FloatContent | undefined =>
  floatsOf(context.anyContent(index)) ?? unknownElements(context, index);

/** As `elementsOfInput` whatever the elements are. */
export const anyOfInput = (context: InferenceContext, index: number): Content<AnyElement> | undefined =>
  context.anyContent(index) ?? unknownElements(context, index);

function unknownElements(context: InferenceContext, index: number): Content<never> | undefined {
  const dtype = context.dtype(index);
  const dims = staticShape(context.shape(index));
  if (dtype === undefined || dims === undefined || !(elementCount(dims) <= maxContentElements)) return undefined;
  return content<never>(
    dtype,
    dims,
    Array.from({ length: elementCount(dims) }, () => undefined),
  );
}

/** Whether a tensor of `dims` broadcasts to `outer`. */
export const stretchesTo = (dims: readonly number[], outer: readonly number[]): boolean =>
  dims.length <= outer.length &&
  dims.every((size, axis) => size === 1 || size === outer[axis + outer.length - dims.length]);

/** Output 0 has the elements of input 0, in their order, under another shape. */
export function setSameElements(context: InferenceContext, shape: Shape): void {
  const known: Content<AnyElement> | undefined = context.anyContent(0);
  const dims = staticShape(shape);
  if (known === undefined || dims === undefined || elementCount(dims) !== known.elements.length) return;
  context.setContent(0, content(known.dtype, dims, known.elements));
}
