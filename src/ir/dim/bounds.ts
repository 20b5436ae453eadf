import { ceilDivide, floorDivide, largest, smallest } from './integers.js';
import {
  type Atom,
  addTerms,
  divideMonomial,
  multiplyTerms,
  type Range,
  replaceAtom,
  scaleTerms,
  type Term,
  termsOf,
} from './terms.js';

/** How many sums one search may open, and how long they may be: proofs that need more are not found. */
const searchSteps = 16;
const searchTerms = 128;

/**
 * A value that the sum never goes below. Beyond interval arithmetic it follows how atoms depend on their arguments, so
 * that `n - 4*floor(n/4)` is found to be at least 0: `floor(p/c)` lies between `(p - c + 1)/c` and `p/c`, and `min`,
 * `max` and `broadcast` equal one of their members.
 */
export const leastOf = (terms: readonly Term[]): bigint => search(terms, [], { steps: searchSteps });

export const greatestOf = (terms: readonly Term[]): bigint => -leastOf(scaleTerms(terms, -1n));

export const rangeOf = (terms: readonly Term[]): Range => ({ low: leastOf(terms), high: greatestOf(terms) });

type Budget = { steps: number };

function search(terms: readonly Term[], kept: readonly Atom[], budget: Budget): bigint {
  const atom = firstCompound(terms, kept);
  if (atom === undefined || terms.length > searchTerms || budget.steps-- <= 0) return directLeast(terms);
  const opened = openAtom(terms, atom, kept, budget);
  const opaque = search(terms, [...kept, atom], budget);
  return opened !== undefined && opened > opaque ? opened : opaque;
}

function firstCompound(terms: readonly Term[], kept: readonly Atom[]): Atom | undefined {
  for (const { atoms } of terms) {
    const atom = atoms.find(({ kind, key }) => kind !== 'symbol' && kept.every((other) => other.key !== key));
    if (atom !== undefined) return atom;
  }
  return undefined;
}

/** The least with `atom` replaced by what it depends on, or undefined where that says nothing. */
function openAtom(terms: readonly Term[], atom: Atom, kept: readonly Atom[], budget: Budget): bigint | undefined {
  switch (atom.kind) {
    case 'symbol':
      return undefined;
    case 'floor': {
      const opened = openFloor(terms, atom, termsOf(atom.numerator), atom.divisor);
      return opened && ceilDivide(search(opened, kept, budget), atom.divisor);
    }
    case 'min':
    case 'max':
    case 'broadcast': {
      const cases: bigint[] = [];
      for (const member of atom.members) {
        const opened = replaceAtom(terms, atom, termsOf(member), searchTerms);
        if (opened === undefined) return undefined;
        cases.push(search(opened, kept, budget));
      }
      // -min(a, b) >= -a and max(a, b) >= a hold for every member; otherwise the worst member counts.
      const slopeOfAnyMember = { min: -1, max: 1, broadcast: 0 }[atom.kind];
      return slopeSign(terms, atom) === slopeOfAnyMember ? largest(cases) : smallest(cases);
    }
  }
}

/** `divisor` times the sum, with the floor replaced by the end of its interval that makes the sum smaller. */
function openFloor(
  terms: readonly Term[],
  atom: Atom,
  numerator: readonly Term[],
  divisor: bigint,
): readonly Term[] | undefined {
  let opened: readonly Term[] = scaleTerms(
    terms.filter(({ atoms }) => !atoms.some(({ key }) => key === atom.key)),
    divisor,
  );
  for (const term of terms) {
    const slope = slopeOf(term, atom);
    if (slope === 0) continue;
    if (slope === undefined) return undefined;
    const cofactor = { coefficient: term.coefficient, atoms: divideMonomial(term.atoms, [atom])! };
    const end = slope > 0 ? addTerms(numerator, [{ coefficient: 1n - divisor, atoms: [] }]) : numerator;
    opened = addTerms(opened, multiplyTerms([cofactor], end));
    if (opened.length > searchTerms) return undefined;
  }
  return opened;
}

/** 1 where the sum grows with the atom, -1 where it shrinks, undefined where neither is sure. */
function slopeSign(terms: readonly Term[], atom: Atom): 1 | -1 | undefined {
  const slopes = new Set(terms.map((term) => slopeOf(term, atom)));
  slopes.delete(0);
  const [slope] = slopes;
  return slopes.size === 1 && slope !== 0 ? slope : undefined;
}

/** As `slopeSign` for one term; 0 where the atom does not occur. */
function slopeOf(term: Term, atom: Atom): 1 | -1 | 0 | undefined {
  const others = term.atoms.filter(({ key }) => key !== atom.key);
  if (others.length === term.atoms.length) return 0;
  if (others.length < term.atoms.length - 1) return undefined;
  const { low, high } = productRange(others);
  if (low < 0n && high > 0n) return undefined;
  return term.coefficient > 0n === low >= 0n ? 1 : -1;
}

/** Each term at its own smallest, whatever the others are. */
function directLeast(terms: readonly Term[]): bigint {
  let least = 0n;
  for (const { coefficient, atoms } of terms) {
    const { low, high } = productRange(atoms);
    least += coefficient * (coefficient > 0n ? low : high);
  }
  return least;
}

function productRange(atoms: readonly Atom[]): Range {
  let product: Range = { low: 1n, high: 1n };
  for (let start = 0, end = 0; start < atoms.length; start = end) {
    const { key, range } = atoms[start]!;
    while (atoms[end]?.key === key) end++;
    product = multiplyRanges(product, powerRange(range, end - start));
  }
  return product;
}

function powerRange(range: Range, power: number): Range {
  const low = range.low ** BigInt(power);
  const high = range.high ** BigInt(power);
  if (power % 2 === 1 || range.low >= 0n) return { low, high };
  return range.high <= 0n ? { low: high, high: low } : { low: 0n, high: largest([low, high]) };
}

function multiplyRanges(a: Range, b: Range): Range {
  const ends = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high];
  return { low: smallest(ends), high: largest(ends) };
}

/** floor(range/divisor), for a positive divisor. */
export const divideRange = ({ low, high }: Range, divisor: bigint): Range => ({
  low: floorDivide(low, divisor),
  high: floorDivide(high, divisor),
});
