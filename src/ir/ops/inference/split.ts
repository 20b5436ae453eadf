import { asDim, ceilDiv, type Dim, type Expr, floorDiv, mul, provablyDifferent, sub } from '../../dim.js';
import { formatShape, staticShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';

export const splitRules: InferenceRules = { Split: inferSplit };

function inferSplit(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  for (let index = 0; index < context.outputCount; index += 1) context.setTensor(index, dtype);
  if (shape === undefined) return;
  const given = context.int('axis', 0);
  const axis = normalAxis(given, shape.length);
  if (axis === undefined) {
    context.fail('infer/axis', `axis ${given} of a tensor of rank ${shape.length}`);
    return;
  }
  const sizes = partSizes(context, shape[axis]);
  if (sizes === 'conflict') {
    context.fail('infer/split', `${formatShape(shape)} has no such ${context.outputCount} parts along axis ${axis}`);
    return;
  }
  for (let index = 0; index < context.outputCount; index += 1) {
    context.setTensor(index, dtype, shape.with(axis, sizes?.[index]));
  }
  setPartContents(context, axis);
}

type Sizes = readonly (Dim | undefined)[];

/** The size of each output along the axis; undefined where nothing is known of any. */
function partSizes(context: InferenceContext, size: Dim | undefined): Sizes | undefined | 'conflict' {
  const given = context.opset < 13 ? context.ints('split', undefined) : undefined;
  if (given !== undefined) return givenSizes(context, size, given);
  const isInput = context.opset < 2 || context.opset >= 13;
  if (!isInput || !context.has(1)) return evenSizes(context, size);
  const elements = context.content(1)?.elements;
  return elements && givenSizes(context, size, elements);
}

function givenSizes(
  context: InferenceContext,
  size: Dim | undefined,
  lengths: readonly (Expr | undefined)[],
): Sizes | undefined | 'conflict' {
  // No lengths at all: runtimes split evenly, the standard leaves it open.
  if (lengths.length === 0) return undefined;
  if (lengths.length !== context.outputCount) return 'conflict';
  if (lengths.some((length) => typeof length !== 'object' && length !== undefined && length < 0)) return 'conflict';
  // What all parts together lack is the one that is not known.
  const known = lengths.filter((length) => length !== undefined);
  const rest = known.reduce((left: Expr | undefined, length) => sub(left, length), size);
  if (known.length === lengths.length) return provablyDifferent(rest, 0) ? 'conflict' : lengths.map(asDim);
  return lengths.map((length) => asDim(length ?? (known.length === lengths.length - 1 ? rest : undefined)));
}

/** Equal parts, and since 18 a last one that may be smaller. */
function evenSizes(context: InferenceContext, size: Dim | undefined): Sizes | undefined | 'conflict' {
  const { outputCount } = context;
  const asked = context.opset < 18 ? undefined : context.int('num_outputs', undefined);
  if (asked !== undefined && asked !== outputCount) return 'conflict';
  if (outputCount === 0 || size === undefined) return undefined;
  const part = asked === undefined ? floorDiv(size, outputCount) : ceilDiv(size, outputCount);
  const last = sub(size, mul(part, outputCount - 1));
  if (asked === undefined && provablyDifferent(last, part)) return 'conflict';
  // Where parts of that size leave less than nothing for the last, runtimes and the reference do not agree.
  if (typeof last === 'number' && last < 0) return undefined;
  return context.types.map((_, index) => asDim(index === outputCount - 1 && asked !== undefined ? last : part));
}

function setPartContents(context: InferenceContext, axis: number): void {
  const known = context.anyContent(0);
  if (known === undefined || axis >= known.dims.length) return;
  let start = 0;
  for (const [index, type] of context.types.entries()) {
    const dims = type?.kind === 'tensor' ? staticShape(type.shape) : undefined;
    if (dims === undefined) return;
    const from = start;
    const part = buildContent(known.dtype, dims, (coordinate) =>
      elementOf(known, coordinate.with(axis, coordinate[axis]! + from)),
    );
    context.setContent(index, part);
    start += dims[axis]!;
  }
}
