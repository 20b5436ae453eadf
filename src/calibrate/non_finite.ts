import { DiagnosticError } from '../ir/diagnostic.js';

/** `found`: the element that is no number, where it is known. */
export function nonFiniteError(value: string, found: number | undefined, sample: string): DiagnosticError {
  const what = found === undefined ? 'NaN or infinity' : Number.isNaN(found) ? 'NaN' : 'infinity';
  return new DiagnosticError({
    code: 'calibrate/not-finite',
    message: `"${value}" takes ${what} on sample ${sample}`,
    help: 'Look at that sample; 8 bits cannot hold such a value',
  });
}
