import { broadcastAll, type Dim } from '../../dim.js';
import { parseEquation, sizesOfTerm } from '../inference/einsum.js';
import type { CostContext, CostRules, Count, Work } from './cost.js';
import { plus, times } from './extent.js';

const unknown: Work = { macs: undefined, elementOps: undefined };

/**
 * Operands are taken from left to right, two at a time. A letter that only one of the two has, and nothing later, is
 * summed before they meet; one that both have, and nothing later, is summed as they do, which makes the products MACs.
 * Without such a letter the products are element operations. An ellipsis counts as letters of its own.
 */
function einsum(context: CostContext): Work {
  const { input } = context;
  const equation = parseEquation(input.string('equation', '?'));
  if (equation === undefined || equation.terms.length !== input.inputCount) return unknown;
  const sizes = letterSizes(context, equation.terms);
  if (sizes === undefined) return unknown;
  const operands = equation.terms.map((term) => spelled(term, sizes.under));
  const result = spelled(equation.result, sizes.under);
  const volume = (letters: Iterable<string>): Count => times(...[...letters].map((letter) => sizes.of(letter)));

  let macs: Count = 0;
  let elementOps: Count = 0;
  const summed = (letters: ReadonlySet<string>, kept: ReadonlySet<string>): ReadonlySet<string> => {
    const rest = new Set([...letters].filter((letter) => kept.has(letter)));
    if (rest.size < letters.size) elementOps = plus(elementOps, volume(letters));
    return rest;
  };
  let left: ReadonlySet<string> = new Set(operands[0]);
  for (const [index, operand] of operands.entries()) {
    if (index === 0) continue;
    const later = new Set([...operands.slice(index + 1).flat(), ...result]);
    const both = new Set(operand);
    const right = summed(both, new Set([...later, ...left]));
    left = summed(left, new Set([...later, ...both]));
    const all = new Set([...left, ...right]);
    const kept = new Set([...all].filter((letter) => later.has(letter)));
    if (kept.size < all.size) macs = plus(macs, volume(all));
    else elementOps = plus(elementOps, volume(all));
    left = kept;
  }
  summed(left, new Set(result));
  return { macs, elementOps };
}

type LetterSizes = {
  of(letter: string): Count;
  /** How many axes an ellipsis stands for. */
  readonly under: number;
};

function letterSizes({ input }: CostContext, terms: readonly string[]): LetterSizes | undefined {
  const sizes = new Map<string, (Dim | undefined)[]>();
  let under: number | undefined;
  for (const [index, term] of terms.entries()) {
    const shape = input.shape(index);
    const found = shape && sizesOfTerm(term, shape);
    if (found === undefined) return undefined;
    if (term.includes('.')) {
      if (under !== undefined && under !== found.ellipsis.length) return undefined;
      under = found.ellipsis.length;
    }
    for (const [letter, size] of found.letters) sizes.set(letter, [...(sizes.get(letter) ?? []), size]);
    for (const [axis, size] of found.ellipsis.entries()) {
      sizes.set(`.${axis}`, [...(sizes.get(`.${axis}`) ?? []), size]);
    }
  }
  return {
    under: under ?? 0,
    of: (letter) => {
      const size = broadcastAll(sizes.get(letter) ?? []);
      return size === 'conflict' ? undefined : size.dim;
    },
  };
}

/** A term's letters, the axes of an ellipsis as `.0`, `.1` and so on. */
const spelled = (term: string, under: number): string[] =>
  [...term].flatMap((letter) => (letter === '.' ? Array.from({ length: under }, (_, axis) => `.${axis}`) : [letter]));

export const einsumCosts: CostRules = { Einsum: einsum };
