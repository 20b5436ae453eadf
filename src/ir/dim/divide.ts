import { divideMonomial, multiplyTerms, subtractTerms, type Term } from './terms.js';

const maxQuotientTerms = 64;

/**
 * The sum `quotient` with quotient*divisor = dividend, by polynomial division; undefined where there is none with
 * integer coefficients. `divisor` is not the empty sum.
 */
export function divideTerms(dividend: readonly Term[], divisor: readonly Term[]): readonly Term[] | undefined {
  const lead = divisor[0]!;
  const quotient: Term[] = [];
  for (let rest = dividend; rest.length > 0; ) {
    const term = divideTerm(rest[0]!, lead);
    if (term === undefined || quotient.length >= maxQuotientTerms) return undefined;
    quotient.push(term);
    rest = subtractTerms(rest, multiplyTerms([term], divisor));
  }
  return quotient;
}

function divideTerm(term: Term, divisor: Term): Term | undefined {
  if (term.coefficient % divisor.coefficient !== 0n) return undefined;
  const atoms = divideMonomial(term.atoms, divisor.atoms);
  return atoms && { coefficient: term.coefficient / divisor.coefficient, atoms };
}
