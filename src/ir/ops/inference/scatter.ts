import type { Expr } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { type Content, content } from './content.js';
import { elementsOfInput } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

/** Operators that put elements where indices say; the result has the shape of the data. */
export const scatterRules: InferenceRules = {
  Scatter: inferScatterElements,
  ScatterElements: inferScatterElements,
  ScatterND: inferScatterNd,
};

function inferScatterElements(context: InferenceContext): void {
  const rank = context.rank(0);
  const given = context.int('axis', 0);
  const axis = rank === undefined ? undefined : normalAxis(given, rank);
  const others = [context.rank(1), context.rank(2)].filter((each) => each !== undefined);
  if (rank !== undefined && (axis === undefined || others.some((each) => each !== rank))) {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/axis', `axis ${given} of ${formatShape(context.shape(0))} by ${formatShape(context.shape(1))}`);
    return;
  }
  sameAsInput(context);
  if (rank === 1) setScattered(context);
}

function inferScatterNd(context: InferenceContext): void {
  const data = context.shape(0);
  const indices = context.shape(1);
  const depth = indices?.at(-1);
  if (indices?.length === 0 || (data !== undefined && typeof depth === 'number' && depth > data.length)) {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/axis', `indices ${formatShape(indices)} into ${formatShape(data)}`);
    return;
  }
  sameAsInput(context);
  if (data?.length === 1 && depth === 1) setScattered(context);
}

/** Along one axis, with as many indices as updates. */
function setScattered(context: InferenceContext): void {
  const known = elementsOfInput(context, 0);
  const indices = context.content(1);
  const updates = elementsOfInput(context, 2);
  if (known?.dims.length !== 1 || indices === undefined || updates?.elements.length !== indices.elements.length) return;
  if (context.content(0) === undefined && context.content(2) === undefined) return;
  const elements = scattered(known, indices, updates, context.string('reduction', 'none'));
  if (elements !== undefined) context.setContent(0, content(known.dtype, known.dims, elements));
}

/** undefined where an index is not known. What is reduced, or put in one place twice, is not known. */
function scattered(
  known: Content,
  indices: Content,
  updates: Content,
  reduction: string,
): readonly (Expr | undefined)[] | undefined {
  const elements = [...known.elements];
  const written = new Set<number>();
  for (const [position, index] of indices.elements.entries()) {
    if (typeof index !== 'number') return undefined;
    const target = index < 0 ? index + elements.length : index;
    if (target < 0 || target >= elements.length) return undefined;
    elements[target] = reduction === 'none' && !written.has(target) ? updates.elements[position] : undefined;
    written.add(target);
  }
  return elements;
}
