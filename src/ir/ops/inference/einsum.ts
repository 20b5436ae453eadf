import { broadcastAll, type Dim } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { agreedSize } from './sizes.js';

/** An equation such as `ij,jk->ik`; its terms and result as text, an ellipsis as `.`. */
export type Equation = { readonly terms: readonly string[]; readonly result: string };

const term = /^[A-Za-z]*\.?[A-Za-z]*$/;

/** Without `->`, the result has the letters that stand once, in the order of ASCII, behind an ellipsis. */
export function parseEquation(text: string): Equation | undefined {
  if (text.replaceAll('...', '').includes('.')) return undefined;
  const plain = text.replaceAll(' ', '').replaceAll('...', '.');
  const [left = '', right, ...more] = plain.split('->');
  const terms = left.split(',');
  if (more.length > 0 || !terms.every((each) => term.test(each))) return undefined;
  const letters = new Set(left);
  if (right !== undefined) {
    const isUnique = new Set(right).size === right.length;
    return term.test(right) && isUnique && [...right].every((each) => each === '.' || letters.has(each))
      ? { terms, result: right }
      : undefined;
  }
  const counts = new Map<string, number>();
  for (const letter of left) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  const once = [...letters].filter((letter) => /[A-Za-z]/.test(letter) && counts.get(letter) === 1).sort();
  return { terms, result: `${letters.has('.') ? '.' : ''}${once.join('')}` };
}

/** The sizes one operand gives each letter, and those of its ellipsis; undefined where they do not fit its shape. */
export function sizesOfTerm(
  text: string,
  shape: Shape,
): { letters: ReadonlyMap<string, Dim | undefined>; ellipsis: Shape } | undefined {
  const dots = text.indexOf('.');
  const named = dots < 0 ? text.length : text.length - 1;
  if (shape.length < named || (dots < 0 && shape.length > named)) return undefined;
  const skipped = shape.length - named;
  const letters = new Map<string, Dim | undefined>();
  for (const [position, letter] of [...text.replace('.', '')].entries()) {
    const size = shape[dots >= 0 && position >= dots ? position + skipped : position];
    const agreed = letters.has(letter) ? agreedSize([letters.get(letter), size]) : size;
    if (agreed === 'conflict') return undefined;
    letters.set(letter, agreed);
  }
  return { letters, ellipsis: dots < 0 ? [] : shape.slice(dots, dots + skipped) };
}

/**
 * Each letter of the result has the size it has among the operands, where sizes of 1 stretch as in ONNX Runtime, and
 * so have the axes under the ellipsis, of which every operand that has one has as many.
 */
function inferEinsum(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const equation = parseEquation(context.string('equation', '?'));
  if (equation === undefined || equation.terms.length !== context.inputCount) {
    context.fail('infer/einsum', 'the equation is none, or has another number of terms than there are inputs');
    return;
  }
  const letters = new Map<string, (Dim | undefined)[]>();
  const ellipses: (Shape | undefined)[] = [];
  for (const [index, text] of equation.terms.entries()) {
    const shape = context.shape(index);
    const sizes = shape && sizesOfTerm(text, shape);
    if (shape !== undefined && sizes === undefined) {
      context.fail('infer/einsum', `the term "${text.replace('.', '...')}" does not fit ${formatShape(shape)}`);
      return;
    }
    for (const letter of new Set(text)) {
      if (letter === '.') ellipses.push(sizes?.ellipsis);
      else letters.set(letter, [...(letters.get(letter) ?? []), sizes?.letters.get(letter)]);
    }
  }
  setResult(context, equation.result, letters, ellipses);
}

function setResult(
  context: InferenceContext,
  result: string,
  letters: ReadonlyMap<string, readonly (Dim | undefined)[]>,
  ellipses: readonly (Shape | undefined)[],
): void {
  const counts = new Set(ellipses.flatMap((shape) => (shape === undefined ? [] : [shape.length])));
  const [count = ellipses.length === 0 ? 0 : undefined] = counts;
  const under = Array.from({ length: count ?? 0 }, (_, axis) => broadcastAll(ellipses.map((shape) => shape?.[axis])));
  const sizes = new Map([...letters].map(([letter, dims]) => [letter, broadcastAll(dims)]));
  if (counts.size > 1 || under.includes('conflict') || [...sizes.values()].includes('conflict')) {
    context.fail('infer/einsum', 'the operands have other sizes or numbers of axes under the same letter or ellipsis');
    return;
  }
  if (result.includes('.') && count === undefined) return;
  const shape = [...result].flatMap((letter) => (letter === '.' ? under : [sizes.get(letter)]));
  context.setTensor(
    0,
    context.dtype(0),
    shape.map((size) => (size === 'conflict' ? undefined : size?.dim)),
  );
}

export const einsumRules: InferenceRules = { Einsum: inferEinsum };
