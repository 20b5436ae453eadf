import { add, asDim, type Dim, type Expr, provablyDifferent } from '../../dim.js';
import type { Shape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';

function inferConcat(context: InferenceContext): void {
  const shapes = Array.from({ length: context.inputCount }, (_, index) => context.shape(index));
  const rank = shapes.find((shape) => shape !== undefined)?.length;
  context.setTensor(
    0,
    context.dtype(0),
    rank === undefined ? undefined : Array.from({ length: rank }, () => undefined),
  );
  if (rank === undefined) return;
  const axis = normalAxis(context.int('axis', 1), rank);
  if (axis === undefined || shapes.some((shape) => shape !== undefined && shape.length !== rank)) {
    context.fail('infer/axis', `inputs cannot be joined along axis ${context.int('axis', 1)}`);
    return;
  }
  const joined: (Dim | undefined)[] = [];
  for (let index = 0; index < rank; index += 1) {
    const dims = shapes.map((shape) => shape?.[index]);
    if (index === axis) joined.push(asDim(dims.reduce((sum: Expr | undefined, dim) => add(sum, dim), 0)));
    else {
      const known = dims.find((dim) => typeof dim === 'number') ?? dims.find((dim) => dim !== undefined);
      if (dims.some((dim) => typeof dim === 'number' && typeof known === 'number' && provablyDifferent(dim, known))) {
        context.fail('infer/concat', `inputs differ along axis ${index}`);
        return;
      }
      joined.push(known);
    }
  }
  context.setTensor(0, context.dtype(0), joined);
  const contents = shapes.map((_, index) => context.content(index));
  if (rank !== 1 || contents.every((each) => each === undefined)) return;
  const elements: (Expr | undefined)[] = [];
  for (const [index, each] of contents.entries()) {
    const size = shapes[index]?.[0];
    if (each !== undefined) elements.push(...each.elements);
    else if (typeof size === 'number' && size <= 64) elements.push(...Array.from({ length: size }, () => undefined));
    else return;
  }
  const dtype = context.dtype(0);
  if (dtype !== undefined) context.setContent(0, content(dtype, [elements.length], elements));
}

function inferSplit(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  const axis = shape && normalAxis(context.int('axis', 0), shape.length);
  const lengths = context.ints('split', undefined) ?? (context.has(1) ? context.numbers(1) : 'even');
  const sizes = axis === undefined ? undefined : splitSizes(context, shape?.[axis], lengths);
  for (let index = 0; index < context.outputCount; index += 1) {
    const part: Shape | undefined =
      axis === undefined ? undefined : shape?.map((dim, at) => (at === axis ? sizes?.[index] : dim));
    context.setTensor(index, dtype, part);
  }
  setSplitContents(context, sizes);
}

function splitSizes(
  context: InferenceContext,
  size: Dim | undefined,
  lengths: readonly number[] | 'even' | undefined,
): readonly (number | undefined)[] | undefined {
  if (lengths === undefined) return undefined;
  if (lengths !== 'even') return lengths;
  const parts = context.int('num_outputs', context.outputCount);
  if (typeof size !== 'number' || parts < 1 || parts > 1 << 20) return undefined;
  const each = Math.ceil(size / parts);
  return Array.from({ length: context.outputCount }, (_, index) => Math.max(0, Math.min(each, size - index * each)));
}

function setSplitContents(context: InferenceContext, sizes: readonly (number | undefined)[] | undefined): void {
  const known = context.content(0);
  if (known?.dims.length !== 1 || sizes === undefined) return;
  let start = 0;
  for (let index = 0; index < context.outputCount; index += 1) {
    const size = sizes[index];
    if (size === undefined) return;
    const elements = known.elements.slice(start, start + size);
    context.setContent(index, content(known.dtype, [elements.length], elements));
    start += size;
  }
}

export const concatSplitRules: InferenceRules = { Concat: inferConcat, Split: inferSplit };
