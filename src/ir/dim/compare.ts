import { greatestOf, leastOf } from './bounds.js';
import { joinHalves } from './floor.js';
import { greatestCommonDivisor } from './integers.js';
import { constant, type Dim, type Expr, subtractTerms, type Term, termsOf } from './terms.js';

/** True only where both are known and equal whatever the symbols stand for. */
export function dimEquals(a: Expr | undefined, b: Expr | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (typeof a !== 'object' && typeof b !== 'object') return a === b || BigInt(a) === BigInt(b);
  if (typeof a === 'object' && typeof b === 'object' && a.key === b.key) return true;
  const difference = differenceOf(a, b);
  return difference.length === 0 || (leastOf(difference) === 0n && greatestOf(difference) === 0n);
}

/** True only where both are known and differ whatever the symbols stand for. */
export function provablyDifferent(a: Expr | undefined, b: Expr | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (typeof a === 'number' && typeof b === 'number') return a !== b;
  const difference = differenceOf(a, b);
  return !maybeZeroModulo(difference) || leastOf(difference) > 0n || greatestOf(difference) < 0n;
}

/** True only where both are known and a >= b whatever the symbols stand for. */
export function provablyAtLeast(a: Expr | undefined, b: Expr | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (typeof a === 'number' && typeof b === 'number') return a >= b;
  return leastOf(differenceOf(a, b)) >= 0n;
}

/**
 * A value that the expression never goes below; not always the greatest such. Undefined where only the width of int64
 * bounds it.
 */
export const lowerBound = (expr: Expr | undefined): number | bigint | undefined =>
  typeof expr === 'object' ? informative(leastOf(joinHalves(expr.terms))) : expr;

/** A value that the expression never exceeds; not always the smallest such. Undefined as for `lowerBound`. */
export const upperBound = (expr: Expr | undefined): number | bigint | undefined =>
  typeof expr === 'object' ? informative(greatestOf(joinHalves(expr.terms))) : expr;

/** The expression as a dimension: undefined where it is provably negative or too large to count. */
export const asDim = (expr: Expr | undefined): Dim | undefined => {
  if (typeof expr === 'object') return greatestOf(expr.terms) < 0n ? undefined : expr;
  return typeof expr === 'number' && expr >= 0 ? expr : undefined;
};

/** A text that is the same for the same canonical expression, and for no other. */
export const dimKey = (expr: Expr): string => (typeof expr === 'object' ? expr.key : String(expr));

const differenceOf = (a: Expr, b: Expr): readonly Term[] => joinHalves(subtractTerms(termsOf(a), termsOf(b)));

/** Whether the constant is a multiple of what divides all other terms: 2*n + 1 is never 0. */
function maybeZeroModulo(terms: readonly Term[]): boolean {
  const rest = terms.at(-1)?.atoms.length === 0 ? terms.at(-1)!.coefficient : 0n;
  const common = terms
    .filter(({ atoms }) => atoms.length > 0)
    .reduce((gcd, { coefficient }) => greatestCommonDivisor(gcd, coefficient), 0n);
  return common === 0n ? rest === 0n : rest % common === 0n;
}

/** A symbol is known to fit int64, which bounds n + 5 as well, but tells nobody anything. */
const informative = (bound: bigint): number | bigint | undefined =>
  bound < 2n ** 62n && bound > -(2n ** 62n) ? constant(bound) : undefined;
