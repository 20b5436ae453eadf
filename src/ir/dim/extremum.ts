import { leastOf, rangeOf } from './bounds.js';
import { greatestCommonDivisor, largest, smallest } from './integers.js';
import {
  addTerms,
  type Expr,
  exprOf,
  int64Max,
  int64Min,
  makeAtom,
  mergeTerms,
  scaleTerms,
  subtractTerms,
  type Term,
  termsOf,
} from './terms.js';

const maxMembers = 16;

type Kind = 'min' | 'max';
type Sum = readonly Term[];

/**
 * The smallest or greatest of `members` as terms; undefined past a limit.
 *
 * Nested ones of the same kind are flattened, members that another one provably beats are dropped, and what all
 * members have in common moves out: min(2*n + 1, 2*m + 3) = 2*min(n, m + 1) + 1.
 */
export function extremumTerms(kind: Kind, members: readonly Sum[]): Sum | undefined {
  const flat: Sum[] = [];
  for (const member of members) {
    if (!flatten(kind, member, flat)) return undefined;
  }
  const sorted = sortMembers(flat);
  if (sorted === undefined) return undefined;
  const contenders = dropBeaten(kind, sorted);
  if (contenders.length === 1) return contenders[0]!.terms;

  const sums = contenders.map(({ terms }) => terms);
  const { offset, above } = moveOut(sums);
  // min(-a, -b, -c) has the shorter form -max(a, b, c).
  const negated = sums.map((terms) => scaleTerms(terms, -1n));
  if (moveOut(negated).above.flat().length < above.flat().length) {
    const opposite = extremumTerms(kind === 'min' ? 'max' : 'min', negated);
    return opposite && scaleTerms(opposite, -1n);
  }
  const scale = above.flat().reduce((gcd, { coefficient }) => greatestCommonDivisor(gcd, coefficient), 0n);
  if (offset.length === 0 && scale === 1n) return [{ coefficient: 1n, atoms: [extremumAtom(kind, contenders)] }];
  // What moved out may have turned a nested minimum into one that flattens.
  const scaled = above.map((terms) => terms.map((term) => ({ ...term, coefficient: term.coefficient / scale })));
  const inner = extremumTerms(kind, scaled);
  return inner && addTerms(offset, scaleTerms(inner, scale));
}

/** Takes from every sum the smallest coefficient that any of them has, so that none is negative afterwards. */
function moveOut(sums: readonly Sum[]): { offset: Sum; above: readonly Sum[] } {
  const offset = sums.reduce((a, b) => mergeTerms(a, b, (x, y) => smallest([x, y])));
  return { offset, above: sums.map((terms) => subtractTerms(terms, offset)) };
}

function extremumAtom(kind: Kind, members: readonly Member[]) {
  const ranges = members.map(({ terms }) => rangeOf(terms));
  const pick = kind === 'min' ? smallest : largest;
  const range = {
    low: pick(ranges.map(({ low }) => low)),
    high: pick(ranges.map(({ high }) => high)),
  };
  return makeAtom({ kind, members: members.map(({ expr }) => expr) }, range);
}

/** Adds `terms` to `into`, opening sums like max(a, b) + c into a + c and b + c; false past a limit. */
function flatten(kind: Kind, terms: Sum, into: Sum[]): boolean {
  for (const [index, { coefficient, atoms }] of terms.entries()) {
    const atom = atoms[0];
    if (atoms.length !== 1 || (atom?.kind !== 'min' && atom?.kind !== 'max')) continue;
    // -min(a, b) = max(-a, -b)
    if ((atom.kind === kind) !== coefficient > 0n) continue;
    const others = [...terms.slice(0, index), ...terms.slice(index + 1)];
    return atom.members.every((member) => {
      return flatten(kind, addTerms(others, scaleTerms(termsOf(member), coefficient)), into);
    });
  }
  return into.push(terms) <= maxMembers;
}

type Member = { readonly expr: Expr; readonly terms: Sum };

/** By key, constants last, each once; undefined where one is no expression within the limits. */
function sortMembers(sums: readonly Sum[]): readonly Member[] | undefined {
  const members = new Map<string, Member>();
  for (const terms of sums) {
    const expr = exprOf(terms);
    if (expr === undefined) return undefined;
    // Digits sort before names: constants get a prefix that no key starts with.
    members.set(typeof expr === 'object' ? expr.key : `~${expr}`, { expr, terms });
  }
  return [...members].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
}

function dropBeaten(kind: Kind, members: readonly Member[]): readonly Member[] {
  const beats = (a: Member, b: Member): boolean =>
    leastOf(kind === 'min' ? subtractTerms(b.terms, a.terms) : subtractTerms(a.terms, b.terms)) >= 0n;
  let kept: Member[] = [];
  for (const member of members) {
    // Every value is an int64, so its last one never decides: Slice spells "to the end" this way.
    if (kept.length > 0 && member.expr === limits[kind]) continue;
    if (kept.some((other) => beats(other, member))) continue;
    kept = kept.filter((other) => !beats(member, other));
    kept.push(member);
  }
  return kept;
}

const limits = { min: int64Max, max: int64Min } as const;
