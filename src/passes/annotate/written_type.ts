import { type Dim, dimEquals, formatDim, parseDim, symbolsOf } from '../../ir/dim.js';
import type { Model } from '../../ir/graph.js';
import { type Shape, typesEqual, type ValueType } from '../../ir/value_type.js';

/** What `writtenType` goes by. */
export type WriteRules = {
  /** Names the model's inputs give to sizes: no other expression may be written as the same text. */
  readonly inputNames: ReadonlySet<string>;
  /** Whether a declared number stays where an expression was inferred: an output's size is the caller's contract. */
  readonly keepsNumbers: boolean;
};

/** The names of sizes in the types of the main graph's inputs. */
export function inputSizeNames(model: Model): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { type } of model.graph.inputs) {
    const shape = type?.kind === 'tensor' || type?.kind === 'sparse' ? type.shape : undefined;
    for (const dim of shape ?? []) if (dim !== undefined) for (const name of symbolsOf(dim)) names.add(name);
  }
  return names;
}

/**
 * The type a file states for a value: the inferred one, the declared one where nothing was inferred; `declared` itself
 * where the inferred adds nothing. An expression is written only where its text reads back as the same expression.
 */
export function writtenType(
  inferred: ValueType | undefined,
  declared: ValueType | undefined,
  rules: WriteRules,
): ValueType | undefined {
  const written = joined(inferred, declared, rules);
  return sameStatement(written, declared) ? declared : written;
}

function joined(
  inferred: ValueType | undefined,
  declared: ValueType | undefined,
  rules: WriteRules,
): ValueType | undefined {
  if (inferred === undefined) return declared;
  switch (inferred.kind) {
    case 'tensor': {
      const known = declared?.kind === 'tensor' ? declared : undefined;
      const shape = joinedShape(inferred.shape, known?.shape, rules);
      return { kind: 'tensor', dtype: inferred.dtype ?? known?.dtype, shape };
    }
    case 'sparse': {
      const known = declared?.kind === 'sparse' ? declared.shape : undefined;
      return { kind: 'sparse', dtype: inferred.dtype, shape: joinedShape(inferred.shape, known, rules) };
    }
    case 'sequence':
    case 'optional': {
      const known = declared?.kind === inferred.kind ? declared.element : undefined;
      return { kind: inferred.kind, element: joined(inferred.element, known, rules) };
    }
    case 'map':
    case 'opaque':
      return declared?.kind === inferred.kind ? declared : inferred;
  }
}

function joinedShape(inferred: Shape | undefined, declared: Shape | undefined, rules: WriteRules): Shape | undefined {
  if (inferred === undefined) return declared;
  const known = declared?.length === inferred.length ? declared : undefined;
  return inferred.map((dim, axis) => joinedDim(dim, known?.[axis], rules));
}

function joinedDim(inferred: Dim | undefined, declared: Dim | undefined, rules: WriteRules): Dim | undefined {
  if (inferred === undefined || !isWritable(inferred, rules)) return declared;
  if (declared === undefined) return inferred;
  if (rules.keepsNumbers && typeof declared === 'number') return declared;
  // A file that was read holds an expression as a name of that text.
  return formatDim(inferred) === formatDim(declared) ? declared : inferred;
}

function isWritable(dim: Dim, { inputNames }: WriteRules): boolean {
  if (typeof dim === 'number') return true;
  const text = formatDim(dim);
  const isName = symbolsOf(dim).size === 1 && symbolsOf(dim).has(text);
  return isName || (!inputNames.has(text) && dimEquals(parseDim(text), dim));
}

function sameStatement(a: ValueType | undefined, b: ValueType | undefined): boolean {
  if (a === b || typesEqual(a, b)) return true;
  if (a === undefined || b === undefined || a.kind !== b.kind) return false;
  if ((a.kind === 'tensor' && b.kind === 'tensor') || (a.kind === 'sparse' && b.kind === 'sparse')) {
    if (a.dtype !== b.dtype || a.shape?.length !== b.shape?.length) return false;
    return (a.shape ?? []).every((dim, axis) => dim === b.shape?.[axis] || dimEquals(dim, b.shape?.[axis]));
  }
  if ((a.kind === 'sequence' || a.kind === 'optional') && a.kind === b.kind) return sameStatement(a.element, b.element);
  return false;
}

/** Whether ONNX can state the type: an element type is needed at the bottom of it. */
export function isStatable(type: ValueType | undefined): boolean {
  switch (type?.kind) {
    case 'tensor':
      return type.dtype !== undefined;
    case 'sparse':
      return true;
    case 'sequence':
    case 'optional':
      return isStatable(type.element);
    case 'map':
      return isStatable(type.value);
    case 'opaque':
    case undefined:
      return false;
  }
}
