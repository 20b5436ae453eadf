import type { Dim } from '../../dim.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** An equation such as `ij,jk->ik`; its terms and result as lists of letters, an ellipsis as `.`. */
type Equation = { readonly terms: readonly string[]; readonly result: string };

/** Without `->`, the result has the letters that stand once, in alphabetical order, behind an ellipsis. */
function parseEquation(text: string): Equation | undefined {
  const plain = text.replaceAll(' ', '').replaceAll('...', '.');
  const [left = '', right, ...more] = plain.split('->');
  if (more.length > 0 || !/^[A-Za-z.,]*$/.test(left) || !/^[A-Za-z.]*$/.test(right ?? '')) return undefined;
  const terms = left.split(',');
  if (right !== undefined) return { terms, result: right };
  const letters = [...left].filter((letter) => letter !== ',' && letter !== '.');
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  return { terms, result: `${left.includes('.') ? '.' : ''}${once.join('')}` };
}

/** Each letter of the result has the size it has among the inputs. An ellipsis leaves the shape open. */
function inferEinsum(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const equation = parseEquation(context.string('equation', ''));
  if (equation === undefined || equation.terms.length !== context.inputCount) {
    context.fail('infer/einsum', 'the equation does not fit the inputs');
    return;
  }
  if (equation.result.includes('.') || equation.terms.some((term) => term.includes('.'))) return;
  const sizes = new Map<string, Dim | undefined>();
  for (const [index, term] of equation.terms.entries()) {
    const shape = context.shape(index);
    if (shape !== undefined && shape.length !== term.length) {
      context.fail('infer/einsum', `input ${index} has ${shape.length} axes, its term "${term}" names ${term.length}`);
      return;
    }
    for (const [axis, letter] of [...term].entries()) {
      const known = sizes.get(letter);
      const size = shape?.[axis];
      // A size of 1 is stretched to that of the others, as ONNX Runtime does it.
      if (known === undefined || (known === 1 && size !== undefined))
        sizes.set(letter, size === 1 ? (known ?? size) : size);
      else if (typeof known !== 'number' && typeof size === 'number' && size !== 1) sizes.set(letter, size);
    }
  }
  const isOpen = equation.terms.some((_, index) => context.shape(index) === undefined);
  context.setTensor(
    0,
    dtype,
    [...equation.result].map((letter) => (isOpen ? undefined : sizes.get(letter))),
  );
}

export const einsumRules: InferenceRules = { Einsum: inferEinsum };
