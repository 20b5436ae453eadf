import { rangeOf } from './bounds.js';
import { asDim, dimEquals, dimKey, provablyDifferent } from './compare.js';
import { largest, smallest } from './integers.js';
import { type Dim, type Expr, exprOf, makeAtom, type SymbolicExpr, type Term } from './terms.js';

const maxMembers = 16;

/**
 * One dimension of two operands under ONNX multidirectional broadcasting, where a side of 1 stretches to the other and
 * sides that are not 1 must agree; both are non-negative. 'conflict' where no value of the symbols lets them broadcast.
 * Two sides that may both be 1 give an atom of its own: it is not their maximum, since 0 with 1 gives 0.
 * Source: "Broadcasting in ONNX" (docs/Broadcasting.md of the ONNX repository).
 */
export function broadcastDims(a: Dim | undefined, b: Dim | undefined): { dim: Dim | undefined } | 'conflict' {
  if (a === undefined || b === undefined) {
    // An unknown side is 1 or agrees with a side that is not 1.
    const known = a ?? b;
    return { dim: provablyDifferent(known, 1) ? known : undefined };
  }
  if (a === 1 || dimEquals(a, b)) return { dim: typeof a === 'number' && a !== 1 ? a : b };
  if (b === 1) return { dim: a };
  const unbounded = bounded(a, b) ? b : bounded(b, a) ? a : undefined;
  if (unbounded !== undefined) return { dim: unbounded };
  const aStays = provablyDifferent(a, 1);
  const bStays = provablyDifferent(b, 1);
  if (aStays && bStays) return provablyDifferent(a, b) ? 'conflict' : { dim: simpler(a, b) };
  if (aStays) return { dim: a };
  if (bStays) return { dim: b };
  return { dim: broadcastAtom(a, b) };
}

/**
 * Whether `a` is the smaller of `b` and constants from 2 up, such as a table of so many rows cut to `b`. Where a constant
 * is the smaller, the two do not broadcast; where they do, they are `b`.
 */
function bounded(a: Dim, b: Dim): boolean {
  if (typeof a === 'number') return false;
  const [term, ...others] = a.terms;
  const [atom, ...factors] = term!.atoms;
  if (others.length > 0 || factors.length > 0 || term!.coefficient !== 1n || atom?.kind !== 'min') return false;
  return (
    atom.members.some((member) => dimEquals(member, b)) &&
    atom.members.every((member) => dimEquals(member, b) || (typeof member !== 'object' && member >= 2))
  );
}

/** As `broadcastDims` for any number of operands; 1 for none. */
export function broadcastAll(dims: Iterable<Dim | undefined>): { dim: Dim | undefined } | 'conflict' {
  let result: { dim: Dim | undefined } = { dim: 1 };
  for (const dim of dims) {
    const next = broadcastDims(result.dim, dim);
    if (next === 'conflict') return next;
    result = next;
  }
  return result;
}

/** What expressions broadcast to; undefined where one is unknown or no dimension, or where they conflict. */
export function broadcastExprs(exprs: readonly (Expr | undefined)[]): Dim | undefined {
  const dims = exprs.map(asDim);
  const result = dims.includes(undefined) ? 'conflict' : broadcastAll(dims);
  return result === 'conflict' ? undefined : result.dim;
}

/** Of two dimensions that must be equal: a constant, or else the one whose key sorts first. */
function simpler(a: Dim, b: Dim): Dim {
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  return dimKey(a) < dimKey(b) ? a : b;
}

function broadcastAtom(a: Dim, b: Dim): Dim | undefined {
  const sorted = [...membersOf(a), ...membersOf(b)].sort((left, right) => (left.key < right.key ? -1 : 1));
  const members: SymbolicExpr[] = [];
  for (const member of sorted) {
    if (!members.some((other) => dimEquals(other, member))) members.push(member);
  }
  if (members.length > maxMembers) return undefined;
  const ranges = members.map(({ terms }) => rangeOf(terms));
  const range = {
    low: smallest(ranges.map(({ low }) => low)),
    high: largest(ranges.map(({ high }) => high)),
  };
  const terms: Term[] = [{ coefficient: 1n, atoms: [makeAtom({ kind: 'broadcast', members }, range)] }];
  const expr = exprOf(terms);
  return typeof expr === 'object' ? expr : undefined;
}

function membersOf(dim: Dim): readonly SymbolicExpr[] {
  if (typeof dim === 'number') return [];
  const [term, ...others] = dim.terms;
  const [atom, ...factors] = term!.atoms;
  const alone = others.length === 0 && factors.length === 0 && term!.coefficient === 1n;
  if (!alone || atom?.kind !== 'broadcast') return [dim];
  return atom.members.filter((member) => typeof member === 'object');
}
