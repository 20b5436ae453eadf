import { leastOf } from './bounds.js';
import { divideTerms } from './divide.js';
import { extremumTerms } from './extremum.js';
import { floorTerms } from './floor.js';
import {
  addTerms,
  constant,
  constantTerms,
  type Expr,
  exprOf,
  multiplyTerms,
  scaleTerms,
  subtractTerms,
  type Term,
  termsOf,
} from './terms.js';

/**
 * Every operation gives undefined where an operand is undefined (unknown), where a constant leaves int64, and where the
 * result would pass the size limits of `dim_terms.ts`. Between safe integers none allocates.
 */
type Operand = Expr | undefined;

export function add(a: Operand, b: Operand): Operand {
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a + b)) return a + b;
  return a === undefined || b === undefined ? undefined : exprOf(addTerms(termsOf(a), termsOf(b)));
}

/** The sum; 0 for no parts. Many parts are added faster at once than one by one. */
export function sum(parts: Iterable<Operand>): Operand {
  let numbers = 0;
  let terms: readonly Term[] = [];
  for (const part of parts) {
    if (part === undefined) return undefined;
    if (typeof part === 'number' && Number.isSafeInteger(numbers + part)) numbers += part;
    else terms = addTerms(terms, termsOf(part));
  }
  return add(terms.length === 0 ? 0 : exprOf(terms), numbers);
}

export function sub(a: Operand, b: Operand): Operand {
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a - b)) return a - b;
  return a === undefined || b === undefined ? undefined : exprOf(subtractTerms(termsOf(a), termsOf(b)));
}

export const neg = (a: Operand): Operand => sub(0, a);

export function mul(a: Operand, b: Operand): Operand {
  // Adding 0 turns -0 into 0.
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a * b)) return a * b + 0;
  return a === undefined || b === undefined ? undefined : exprOf(multiplyTerms(termsOf(a), termsOf(b)));
}

/** The product; 1 for no factors. */
export function product(factors: Iterable<Operand>): Operand {
  // Numbers first: they take no allocation, and every product with an expression does.
  let numbers: Operand = 1;
  let result: Operand = 1;
  for (const factor of factors) {
    if (typeof factor === 'number') numbers = mul(numbers, factor);
    else result = mul(result, factor);
  }
  return mul(result, numbers);
}

/**
 * The quotient rounded down, as Python's `//`. Undefined for a divisor of 0, and for a symbolic one unless it cancels
 * (n*m/m, 3*n*m/(2*m)) or is provably greater than a non-negative dividend. A symbolic divisor is taken not to be 0:
 * the computation that asks would fail there.
 */
export function floorDiv(a: Operand, b: Operand): Operand {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : floorDivideSafe(a, b);
  const fraction = reduceFraction(a, b);
  if (fraction !== undefined) return exprOrUndefined(floorTerms(fraction.numerator, fraction.divisor));
  return isBelow(a, b) ? 0 : undefined;
}

/** The quotient rounded up: undefined for a divisor of 0, and for a symbolic one that does not cancel. */
export function ceilDiv(a: Operand, b: Operand): Operand {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : -floorDivideSafe(-a, b) + 0;
  const fraction = reduceFraction(a, b);
  if (fraction === undefined) return undefined;
  const { numerator, divisor } = fraction;
  return exprOrUndefined(floorTerms(addTerms(numerator, constantTerms(divisor - 1n)), divisor));
}

/**
 * The quotient rounded towards 0, as C and ONNX `Div` on integers do. Undefined where `floorDiv` is, and where the sign
 * of a symbolic dividend is not provable.
 */
export function truncDiv(a: Operand, b: Operand): Operand {
  // The remainder of safe integers is exact, and so is the division without it.
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : (a - (a % b)) / b + 0;
  const fraction = reduceFraction(a, b);
  if (fraction === undefined) return isBelow(a, b) ? 0 : undefined;
  const { numerator, divisor } = fraction;
  if (divisor === 1n) return exprOf(numerator);
  if (leastOf(numerator) >= 0n) return exprOrUndefined(floorTerms(numerator, divisor));
  const negated = scaleTerms(numerator, -1n);
  if (leastOf(negated) < 0n) return undefined;
  const quotient = floorTerms(negated, divisor);
  return quotient && exprOf(scaleTerms(quotient, -1n));
}

/** a - b*floorDiv(a, b): the remainder with the sign of the divisor, as ONNX `Mod` and Python's `%`. */
export function mod(a: Operand, b: Operand): Operand {
  if (isConstant(a) && isConstant(b)) {
    const rest = fmod(a, b);
    return isConstant(rest) && rest !== 0 && rest < 0 !== b < 0 ? add(rest, b) : rest;
  }
  return sub(a, mul(b, floorDiv(a, b)));
}

/** a - b*truncDiv(a, b): the remainder with the sign of the dividend, as C's `%` and ONNX `Mod` with fmod=1. */
export function fmod(a: Operand, b: Operand): Operand {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : (a % b) + 0;
  // The quotient of two int64 may leave int64 where their remainder does not.
  if (isConstant(a) && isConstant(b)) return BigInt(b) === 0n ? undefined : constant(BigInt(a) % BigInt(b));
  return sub(a, mul(b, truncDiv(a, b)));
}

const isConstant = (a: Operand): a is number | bigint => typeof a === 'number' || typeof a === 'bigint';

/**
 * The quotient of a division that is known to leave no remainder, such as the -1 of a Reshape: undefined where the
 * exact quotient is no sum of products. A symbolic divisor is taken not to be 0: (n*128)/(n*4) = 32, so the caller
 * answers for n = 0.
 */
export function divideExact(a: Operand, b: Operand): Operand {
  if (a === undefined || b === undefined) return undefined;
  const divisor = termsOf(b);
  return divisor.length === 0 ? undefined : exprOrUndefined(divideTerms(termsOf(a), divisor));
}

export function min(a: Operand, b: Operand): Operand {
  return typeof a === 'number' && typeof b === 'number' ? Math.min(a, b) : minOf([a, b]);
}

export function max(a: Operand, b: Operand): Operand {
  return typeof a === 'number' && typeof b === 'number' ? Math.max(a, b) : maxOf([a, b]);
}

/** The smallest of one or more. */
export const minOf = (members: readonly Operand[]): Operand => extremum('min', members);

/** The greatest of one or more. */
export const maxOf = (members: readonly Operand[]): Operand => extremum('max', members);

function extremum(kind: 'min' | 'max', members: readonly Operand[]): Operand {
  const known = members.filter((member) => member !== undefined);
  if (known.length === 0 || known.length < members.length) return undefined;
  return exprOrUndefined(extremumTerms(kind, known.map(termsOf)));
}

const exprOrUndefined = (terms: readonly Term[] | undefined): Operand => terms && exprOf(terms);

function floorDivideSafe(a: number, b: number): number {
  const remainder = a % b;
  const quotient = (a - remainder) / b + 0;
  return remainder !== 0 && remainder < 0 !== b < 0 ? quotient - 1 : quotient;
}

/** A quotient by a positive constant; by 1 where it is exact. */
type Fraction = { readonly numerator: readonly Term[]; readonly divisor: bigint };

function reduceFraction(a: Operand, b: Operand): Fraction | undefined {
  if (a === undefined || b === undefined) return undefined;
  const numerator = termsOf(a);
  const denominator = termsOf(b);
  const [lead] = denominator;
  if (lead === undefined) return undefined;
  const exact = divideTerms(numerator, denominator);
  if (exact !== undefined) return { numerator: exact, divisor: 1n };
  if (denominator.length > 1) return undefined;
  const cancelled = divideTerms(numerator, [{ coefficient: 1n, atoms: lead.atoms }]);
  if (cancelled === undefined) return undefined;
  return lead.coefficient > 0n
    ? { numerator: cancelled, divisor: lead.coefficient }
    : { numerator: scaleTerms(cancelled, -1n), divisor: -lead.coefficient };
}

/** Whether 0 <= a < b, so that a/b rounds to 0. */
function isBelow(a: Operand, b: Operand): boolean {
  if (a === undefined || b === undefined || leastOf(termsOf(a)) < 0n) return false;
  return leastOf(subtractTerms(termsOf(b), termsOf(a))) > 0n;
}
