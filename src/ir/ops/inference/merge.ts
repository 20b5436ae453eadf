import { dimEquals, provablyDifferent } from '../../dim.js';
import { formatType, type Shape, type ValueType } from '../../value_type.js';

/** A merged type, or both sides of a contradiction in words. */
export type Merge = { readonly type: ValueType | undefined; readonly conflict?: string };

/**
 * How far a declared dimension counts where none was inferred: `all`; `numbers` but no symbols, whose names files
 * reuse for sizes that differ; or only the `rank`, where numbers may stand for one example of a dynamic size.
 */
export type DimTrust = 'all' | 'numbers' | 'rank';

/**
 * Joins what was inferred with what the file declares: the inferred where both know, the declared where only it does.
 * A declared number that the inferred size cannot be is a contradiction; a declared symbol against an inferred size is
 * not, it names the same thing.
 */
export function mergeTypes(
  inferred: ValueType | undefined,
  declared: ValueType | undefined,
  trust: DimTrust = 'all',
): Merge {
  if (declared === undefined) return { type: inferred };
  if (inferred === undefined) return { type: trustedPart(declared, trust) };
  const conflict = { type: inferred, conflict: `declared ${formatType(declared)} · inferred ${formatType(inferred)}` };
  if (inferred.kind !== declared.kind) return conflict;
  if (inferred.kind === 'tensor' && declared.kind === 'tensor') {
    const { dtype: a } = inferred;
    const { dtype: b } = declared;
    if (a !== undefined && b !== undefined && a !== b) return conflict;
    const shape = mergeShapes(inferred.shape, declared.shape, trust);
    if (shape === 'conflict') return conflict;
    return { type: { kind: 'tensor', dtype: a ?? b, shape } };
  }
  if (
    (inferred.kind === 'sequence' && declared.kind === 'sequence') ||
    (inferred.kind === 'optional' && declared.kind === 'optional')
  ) {
    const { type: element, conflict: inner } = mergeTypes(inferred.element, declared.element, trust);
    return inner === undefined ? { type: { ...inferred, element } } : conflict;
  }
  return { type: inferred };
}

function trustedPart(type: ValueType | undefined, trust: DimTrust): ValueType | undefined {
  if (type === undefined || trust === 'all') return type;
  if (type.kind === 'tensor') {
    return { kind: 'tensor', dtype: type.dtype, shape: type.shape?.map((dim) => trustedDim(dim, trust)) };
  }
  if (type.kind === 'sequence' || type.kind === 'optional') {
    return { kind: type.kind, element: trustedPart(type.element, trust) };
  }
  return type;
}

const trustedDim = (dim: Shape[number], trust: DimTrust): Shape[number] =>
  trust === 'all' || (trust === 'numbers' && typeof dim === 'number') ? dim : undefined;

function mergeShapes(
  inferred: Shape | undefined,
  declared: Shape | undefined,
  trust: DimTrust,
): Shape | undefined | 'conflict' {
  if (declared === undefined) return inferred;
  if (inferred === undefined) return declared.map((dim) => trustedDim(dim, trust));
  if (inferred.length !== declared.length) return 'conflict';
  const merged: (Shape[number] | undefined)[] = [];
  for (const [index, dim] of inferred.entries()) {
    const other = declared[index];
    // A name may stand for any size, so only numbers can be wrong.
    if (typeof other === 'number' && provablyDifferent(dim, other)) return 'conflict';
    merged.push(dim ?? trustedDim(other, trust));
  }
  return merged;
}

/** What two branches have in common: equal parts stay, the rest becomes unknown. */
export function commonType(a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined {
  if (a === undefined || b === undefined || a.kind !== b.kind) return undefined;
  if (a.kind === 'tensor' && b.kind === 'tensor') {
    const dtype = a.dtype === b.dtype ? a.dtype : undefined;
    return { kind: 'tensor', dtype, shape: commonShape(a.shape, b.shape) };
  }
  if (a.kind === 'sequence' && b.kind === 'sequence') {
    if (a.isEmpty && b.isEmpty) return a;
    if (a.isEmpty || b.isEmpty) return { kind: 'sequence', element: joinedToEmpty(a.isEmpty ? [a, b] : [b, a]) };
  }
  if ((a.kind === 'sequence' && b.kind === 'sequence') || (a.kind === 'optional' && b.kind === 'optional')) {
    return { kind: a.kind, element: commonType(a.element, b.element) };
  }
  return formatType(a) === formatType(b) ? a : undefined;
}

type Sequence = Extract<ValueType, { kind: 'sequence' }>;

/** The elements of the other sequence, if they are of the type that the empty one takes. */
function joinedToEmpty([{ element: taken }, { element }]: readonly [Sequence, Sequence]): ValueType | undefined {
  if (taken?.kind !== 'tensor' || taken.dtype === undefined) return commonType(taken, element);
  return element?.kind === 'tensor' && element.dtype === taken.dtype ? element : commonType(taken, element);
}

/**
 * What a declared type of an input says. A symbol in the elements of a sequence is no size that they have in common:
 * it stands for another in each of them.
 */
export function typeOfSource(type: ValueType | undefined, isElement = false): ValueType | undefined {
  if (type?.kind === 'tensor') return isElement ? trustedPart(type, 'numbers') : type;
  if (type?.kind === 'sequence') return { kind: 'sequence', element: typeOfSource(type.element, true) };
  return type?.kind === 'optional' ? { kind: 'optional', element: typeOfSource(type.element, isElement) } : type;
}

export function commonShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, index) => {
    const other = b[index];
    return dim !== undefined && other !== undefined && dimEquals(dim, other) ? dim : undefined;
  });
}
