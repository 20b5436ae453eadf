import type { DataType } from './data_type.js';
import { type Dim, dimEquals, formatDim } from './dim.js';

/** One entry a dimension; undefined where nothing is known. Unknown equals nothing, another unknown included. */
export type Shape = readonly (Dim | undefined)[];

/** An immutable type. `shape` undefined means that not even the rank is known. */
export type ValueType =
  | TensorType
  | { readonly kind: 'sparse'; readonly dtype: DataType; readonly shape: Shape | undefined; readonly wire?: unknown }
  | {
      readonly kind: 'sequence';
      readonly element: ValueType | undefined;
      /** Known to have no elements, so that `element` says nothing of shapes. */
      readonly isEmpty?: true;
      readonly wire?: unknown;
    }
  | { readonly kind: 'optional'; readonly element: ValueType | undefined; readonly wire?: unknown }
  | { readonly kind: 'map'; readonly key: DataType; readonly value: ValueType | undefined; readonly wire?: unknown }
  | { readonly kind: 'opaque'; readonly wire?: unknown };

export type TensorType = {
  readonly kind: 'tensor';
  /** undefined where the file leaves the element type open. */
  readonly dtype: DataType | undefined;
  readonly shape: Shape | undefined;
  /** The message this was decoded from; only `src/ir/onnx` reads it. */
  readonly wire?: unknown;
};

export const tensorType = (dtype: DataType | undefined, shape?: Shape): TensorType => ({
  kind: 'tensor',
  dtype,
  shape,
});

/** True only where every part is known and the same on both sides. */
export function typesEqual(a: ValueType | undefined, b: ValueType | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (a.kind === 'tensor' || a.kind === 'sparse') {
    if (b.kind !== a.kind || a.dtype === undefined || a.dtype !== b.dtype) return false;
    return shapesEqual(a.shape, b.shape);
  }
  if (a.kind === 'sequence' || a.kind === 'optional') return b.kind === a.kind && typesEqual(a.element, b.element);
  if (a.kind === 'map') return b.kind === 'map' && a.key === b.key && typesEqual(a.value, b.value);
  return false;
}

/** True only where both ranks and all dimensions are known and equal. */
export function shapesEqual(a: Shape | undefined, b: Shape | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  return a.every((dim, index) => {
    const other = b[index];
    return dim !== undefined && other !== undefined && dimEquals(dim, other);
  });
}

/** The dimensions as numbers, or undefined where one is symbolic or unknown. */
export function staticShape(shape: Shape | undefined): number[] | undefined {
  if (shape === undefined) return undefined;
  const dims: number[] = [];
  for (const dim of shape) {
    if (typeof dim !== 'number') return undefined;
    dims.push(dim);
  }
  return dims;
}

export const formatShape = (shape: Shape | undefined): string =>
  shape === undefined ? '[*]' : `[${shape.map((dim) => (dim === undefined ? '?' : formatDim(dim))).join(', ')}]`;

export function formatType(type: ValueType | undefined): string {
  if (type === undefined) return '?';
  switch (type.kind) {
    case 'tensor':
      return `${type.dtype ?? '?'}${formatShape(type.shape)}`;
    case 'sparse':
      return `sparse ${type.dtype}${formatShape(type.shape)}`;
    case 'sequence':
    case 'optional':
      return `${type.kind}(${formatType(type.element)})`;
    case 'map':
      return `map(${type.key}, ${formatType(type.value)})`;
    case 'opaque':
      return 'opaque';
  }
}
