import type { DataType } from '../../data_type.js';
import { ceilDiv, type Expr, floorDiv, lowerBound, mul, truncDiv, upperBound } from '../../dim.js';

/**
 * What is known of an element of a float tensor on the way of a shape through floats: a finite number of the type, or a
 * size divided by a whole number.
 */
export type FloatElement = number | Fraction;

export type Fraction = {
  readonly numerator: Exclude<Expr, number | bigint>;
  /** Positive and at most 2^8. */
  readonly divisor: number;
  /** Whether the float is the quotient itself; else it is the quotient rounded once, which keeps floor and ceiling. */
  readonly isExact: boolean;
};

/** The float types whose elements are followed. */
export type FloatType = 'float' | 'double';

export const isFloatType = (dtype: DataType | undefined): dtype is FloatType => dtype === 'float' || dtype === 'double';

export const isFraction = (element: unknown): element is Fraction =>
  typeof element === 'object' && element !== null && 'numerator' in element;

/** A double brought into the type; undefined beyond its finite numbers. */
export function floatNumber(dtype: FloatType, value: number): number | undefined {
  const rounded = dtype === 'float' ? Math.fround(value) : value;
  return Number.isFinite(rounded) ? rounded : undefined;
}

/** Divisors and factors past this leave the sizes that are taken to occur too little room in a mantissa. */
const maxFactor = 256;

/**
 * `numerator / divisor` as the type holds it. Sizes that are not numbers count as such that 256 times their value fits
 * the mantissa, as models take them to that compute shapes in floats; of products of sizes nothing is said.
 */
export function fraction(
  dtype: FloatType,
  numerator: Expr | undefined,
  divisor = 1,
  isExact = true,
): FloatElement | undefined {
  if (numerator === undefined || !Number.isSafeInteger(divisor) || divisor < 1) return undefined;
  if (typeof numerator !== 'object') {
    return isExact && Number.isSafeInteger(Number(numerator))
      ? floatNumber(dtype, Number(numerator) / divisor)
      : undefined;
  }
  if (divisor > maxFactor || !fitsMantissa(dtype, numerator)) return undefined;
  return { numerator, divisor, isExact: isExact && isPowerOfTwo(divisor) };
}

function fitsMantissa(dtype: FloatType, expr: Exclude<Expr, number | bigint>): boolean {
  const limit = dtype === 'float' ? 2 ** 24 : 2 ** 53;
  const least = lowerBound(expr);
  const greatest = upperBound(expr);
  if (least !== undefined && greatest !== undefined && least >= -limit && greatest <= limit) return true;
  return isMultipleOfSizes(expr, limit / 2);
}

/** A sum of few sizes, of what is made of such, and of a constant up to `limit`; no product of them. */
function isMultipleOfSizes(expr: Expr, limit: number): boolean {
  if (typeof expr !== 'object') return Math.abs(Number(expr)) <= limit;
  let factors = 0;
  for (const { coefficient, atoms } of expr.terms) {
    const [atom, ...others] = atoms;
    const factor = Math.abs(Number(coefficient));
    if (atom === undefined) {
      if (factor > limit) return false;
    } else if (others.length > 0 || !isAtomOfSizes(atom, limit)) return false;
    else factors += factor;
  }
  return factors <= maxFactor;
}

function isAtomOfSizes(atom: Fraction['numerator']['terms'][number]['atoms'][number], limit: number): boolean {
  switch (atom.kind) {
    case 'symbol':
      return true;
    case 'floor':
      return isMultipleOfSizes(atom.numerator, limit);
    default:
      return atom.members.every((member) => isMultipleOfSizes(member, limit));
  }
}

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));

/** An exact product; undefined where it may be rounded. */
export function multiplied(dtype: FloatType, element: Fraction, factor: number): FloatElement | undefined {
  if (!element.isExact) return factor === 1 ? element : undefined;
  const { numerator, divisor } = dyadic(factor) ?? {};
  if (numerator === undefined || divisor === undefined || Math.abs(numerator) > maxFactor) return undefined;
  return fraction(dtype, mul(element.numerator, numerator), element.divisor * divisor);
}

/** The quotient by a number that is a whole number or whose inverse is one. */
export function divided(dtype: FloatType, element: Fraction, divisor: number): FloatElement | undefined {
  if (!element.isExact || divisor <= 0) return divisor === 1 ? element : undefined;
  if (Number.isInteger(divisor)) return fraction(dtype, element.numerator, element.divisor * divisor);
  return Number.isInteger(1 / divisor) && isPowerOfTwo(1 / divisor)
    ? multiplied(dtype, element, 1 / divisor)
    : undefined;
}

/** A number as a quotient by a power of two. */
export function dyadic(value: number): { readonly numerator: number; readonly divisor: number } | undefined {
  for (let divisor = 1; divisor <= maxFactor; divisor *= 2) {
    if (Number.isSafeInteger(value * divisor)) return { numerator: value * divisor, divisor };
  }
  return undefined;
}

/** Both over one divisor, where both are exact. */
export function overOneDivisor(
  a: FloatElement,
  b: FloatElement,
): { readonly left: Expr | undefined; readonly right: Expr | undefined; readonly divisor: number } | undefined {
  const left = exactParts(a);
  const right = exactParts(b);
  if (left === undefined || right === undefined) return undefined;
  const divisor = Math.max(left.divisor, right.divisor);
  return {
    left: mul(left.numerator, divisor / left.divisor),
    right: mul(right.numerator, divisor / right.divisor),
    divisor,
  };
}

function exactParts(element: FloatElement): { readonly numerator: Expr; readonly divisor: number } | undefined {
  if (typeof element === 'number') return dyadic(element);
  return element.isExact ? element : undefined;
}

/** How a float becomes a whole number. */
export type Rounding = 'down' | 'up' | 'to zero' | 'to even';

/** The whole number; undefined where it is not certain, or no safe integer. */
export function wholeNumber(element: FloatElement | undefined, rounding: Rounding): Expr | undefined {
  if (element === undefined) return undefined;
  if (typeof element === 'number') {
    const whole = roundings[rounding](element) + 0;
    return Number.isSafeInteger(whole) ? whole : undefined;
  }
  const { numerator, divisor } = element;
  if (divisor === 1) return numerator;
  switch (rounding) {
    case 'down':
      return floorDiv(numerator, divisor);
    case 'up':
      return ceilDiv(numerator, divisor);
    case 'to zero':
      return truncDiv(numerator, divisor);
    case 'to even':
      return undefined;
  }
}

const roundings: Readonly<Record<Rounding, (value: number) => number>> = {
  down: Math.floor,
  up: Math.ceil,
  'to zero': Math.trunc,
  'to even': roundedToEven,
};

function roundedToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
