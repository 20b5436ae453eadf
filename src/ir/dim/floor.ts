import { divideRange, rangeOf } from './bounds.js';
import { floorDivide, greatestCommonDivisor } from './integers.js';
import {
  type Atom,
  addTerms,
  constantTerms,
  exprOf,
  int64Max,
  makeAtom,
  replaceAtom,
  scaleTerms,
  subtractTerms,
  type Term,
} from './terms.js';

/**
 * floor(terms/divisor) as terms, for a positive divisor; undefined where the quotient passes a limit.
 *
 * What stays under a floor is made unique, for sums of products of symbols: coefficients are reduced to
 * (-divisor/2, divisor/2] and the constant to [0, divisor), with the multiples moved out; common factors are cancelled;
 * the leading sign is positive, by floor(-p/c) = -floor((p + c - 1)/c); and floor((floor(p/a) + q)/b) becomes
 * floor((p + a*q)/(a*b)). That covers ceilings: ceil(p/c) = floor((p + c - 1)/c).
 */
export function floorTerms(terms: readonly Term[], divisor: bigint): readonly Term[] | undefined {
  if (divisor === 1n) return terms;
  const quotients = divideRange(rangeOf(terms), divisor);
  if (quotients.low === quotients.high) return constantTerms(quotients.low);

  // The result so far is `whole + sign*floor(rest/by)`.
  let whole: readonly Term[] = [];
  let sign = 1n;
  let rest = terms;
  let by = divisor;
  for (;;) {
    const { multiple, remainder } = reduce(rest, by);
    whole = addTerms(whole, scaleTerms(multiple, sign));
    const symbolic = remainder.filter(({ atoms }) => atoms.length > 0);
    if (symbolic.length === 0) return whole;

    const common = symbolic.reduce((gcd, { coefficient }) => greatestCommonDivisor(gcd, coefficient), by);
    rest = remainder
      .map(({ coefficient, atoms }) => ({ coefficient: floorDivide(coefficient, common), atoms }))
      .filter(({ coefficient }) => coefficient !== 0n);
    by /= common;
    if (by === 1n) return addTerms(whole, scaleTerms(rest, sign));

    // by/2 and -by/2 are the same remainder, so such a coefficient cannot decide the sign.
    const leading = rest.find(({ coefficient, atoms }) => atoms.length > 0 && coefficient * 2n !== by);
    if (leading !== undefined && leading.coefficient < 0n) {
      rest = addTerms(scaleTerms(rest, -1n), constantTerms(by - 1n));
      sign = -sign;
      continue;
    }

    const nested = loneUnitFloor(rest);
    if (nested !== undefined && nested.inner.divisor * by <= int64Max) {
      rest = addTerms(scaleTerms(nested.others, nested.inner.divisor), nested.numerator);
      by *= nested.inner.divisor;
      continue;
    }
    const quotient = quotientTerms(rest, by);
    return quotient && addTerms(whole, scaleTerms(quotient, sign));
  }
}

/** terms = multiple*divisor + remainder. */
function reduce(terms: readonly Term[], divisor: bigint): { multiple: Term[]; remainder: Term[] } {
  const multiple: Term[] = [];
  const remainder: Term[] = [];
  for (const { coefficient, atoms } of terms) {
    const modulus = coefficient - floorDivide(coefficient, divisor) * divisor;
    const rest = atoms.length > 0 && modulus * 2n > divisor ? modulus - divisor : modulus;
    if (rest !== 0n) remainder.push({ coefficient: rest, atoms });
    if (rest !== coefficient) multiple.push({ coefficient: (coefficient - rest) / divisor, atoms });
  }
  return { multiple, remainder };
}

type FloorAtom = Extract<Atom, { kind: 'floor' }>;

/** The only floor that stands alone with coefficient 1 or -1, with its share of the numerator; undefined if several. */
function loneUnitFloor(
  terms: readonly Term[],
): { inner: FloorAtom; numerator: readonly Term[]; others: readonly Term[] } | undefined {
  const found = terms.filter(({ coefficient, atoms }) => {
    return atoms.length === 1 && atoms[0]!.kind === 'floor' && (coefficient === 1n || coefficient === -1n);
  });
  const inner = found[0]?.atoms[0];
  if (found.length !== 1 || inner?.kind !== 'floor') return undefined;
  const numerator =
    found[0]!.coefficient === 1n
      ? inner.numerator.terms
      : addTerms(scaleTerms(inner.numerator.terms, -1n), constantTerms(inner.divisor - 1n));
  return { inner, numerator, others: terms.filter((term) => term !== found[0]) };
}

/** floor(terms/divisor) of terms in reduced form: an atom, unless its bounds leave one value. */
function quotientTerms(terms: readonly Term[], divisor: bigint): readonly Term[] | undefined {
  const range = divideRange(rangeOf(terms), divisor);
  if (range.low === range.high) return constantTerms(range.low);
  const numerator = exprOf(terms);
  if (typeof numerator !== 'object') return undefined;
  return [{ coefficient: 1n, atoms: [makeAtom({ kind: 'floor', numerator, divisor }, range)] }];
}

const maxJoined = 256;

/**
 * The sum with floor((p + 1)/2) written as p - floor(p/2). Both halves have their own canonical form, which reads
 * better, but the two are not independent: whoever compares sums has to bring them together.
 */
export function joinHalves(terms: readonly Term[]): readonly Term[] {
  let joined = terms;
  for (const atom of upperHalves(terms)) {
    const halved = subtractTerms(atom.numerator.terms, constantTerms(1n));
    const lower = quotientTerms(halved, 2n);
    if (lower !== undefined) joined = replaceAtom(joined, atom, subtractTerms(halved, lower), maxJoined) ?? joined;
  }
  return joined;
}

const upperHalves = (terms: readonly Term[]): FloorAtom[] =>
  terms
    .flatMap(({ atoms }) => atoms)
    .filter((atom) => atom.kind === 'floor')
    .filter(({ divisor, numerator }) => divisor === 2n && numerator.terms.at(-1)?.atoms.length === 0);
