import { normalAxis } from './axes.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

function inferGather(context: InferenceContext): void {
  const data = context.shape(0);
  const indices = context.shape(1);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (data === undefined || indices === undefined) return;
  const axis = normalAxis(context.int('axis', 0), data.length);
  if (axis === undefined) {
    context.fail('infer/axis', `axis ${context.int('axis', 0)} of a tensor of rank ${data.length}`);
    return;
  }
  context.setTensor(0, dtype, [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)]);
  const known = context.content(0);
  const chosen = context.content(1);
  if (known === undefined || chosen === undefined || known.dims.length !== 1) return;
  const count = known.elements.length;
  const elements = chosen.elements.map((index) =>
    typeof index === 'number' ? known.elements[index < 0 ? index + count : index] : undefined,
  );
  context.setContent(0, content(known.dtype, chosen.dims, elements));
}

function inferGatherNd(context: InferenceContext): void {
  const data = context.shape(0);
  const indices = context.shape(1);
  const depth = indices?.at(-1);
  const batch = context.int('batch_dims', 0);
  context.setTensor(0, context.dtype(0));
  if (data === undefined || indices === undefined || typeof depth !== 'number' || batch < 0) return;
  if (batch + depth > data.length) {
    context.fail('infer/axis', `indices of depth ${depth} into a tensor of rank ${data.length}`);
    return;
  }
  context.setTensor(0, context.dtype(0), [...indices.slice(0, -1), ...data.slice(batch + depth)]);
}

export const gatherRules: InferenceRules = {
  Gather: inferGather,
  GatherElements: (context) => context.setTensor(0, context.dtype(0), context.shape(1)),
  GatherND: inferGatherNd,
  Scatter: sameAsInput,
  ScatterElements: sameAsInput,
  ScatterND: sameAsInput,
};
