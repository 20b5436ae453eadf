import { asDim, type Dim, maxOf, minOf, product } from '../../dim.js';
import { normalAxes, normalAxis } from './axes.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';

/** Axes as an attribute, or since 13 (ReduceSum) and 18 (the others) as input 1. */
function inferReduce(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  const keep = context.int('keepdims', 1) !== 0;
  const given = context.ints('axes', undefined) ?? (context.has(1) ? context.numbers(1) : []);
  context.setTensor(0, dtype);
  if (shape === undefined) return;
  if (given === undefined) {
    if (keep)
      context.setTensor(
        0,
        dtype,
        shape.map(() => undefined),
      );
    return;
  }
  if (given.length === 0 && context.int('noop_with_empty_axes', 0) !== 0) {
    context.setTensor(0, dtype, shape);
    return;
  }
  const axes = given.length === 0 ? shape.map((_, axis) => axis) : normalAxes(given, shape.length);
  if (axes === undefined) {
    context.fail('infer/axis', `axes ${given.slice(0, 8)} of a tensor of rank ${shape.length}`);
    return;
  }
  const reduced = shape.flatMap((dim, axis): (Dim | undefined)[] => (!axes.includes(axis) ? [dim] : keep ? [1] : []));
  context.setTensor(0, dtype, reduced);
  setReducedContent(context, axes.length === shape.length, keep);
}

function setReducedContent(context: InferenceContext, isFull: boolean, keep: boolean): void {
  const known = context.content(0);
  if (known === undefined || !isFull || known.elements.length === 0) return;
  const { opType } = context.node;
  const value =
    opType === 'ReduceProd'
      ? product(known.elements)
      : opType === 'ReduceMax'
        ? maxOf(known.elements)
        : opType === 'ReduceMin'
          ? minOf(known.elements)
          : undefined;
  if (value !== undefined) context.setContent(0, content(known.dtype, keep ? known.dims.map(() => 1) : [], [value]));
}

function inferArg(context: InferenceContext): void {
  const shape = context.shape(0);
  const axis = shape && normalAxis(context.int('axis', 0), shape.length);
  const keep = context.int('keepdims', 1) !== 0;
  const reduced =
    axis === undefined ? undefined : shape?.flatMap((dim, index) => (index !== axis ? [dim] : keep ? [1] : []));
  context.setTensor(0, 'int64', reduced);
}

function inferTopK(context: InferenceContext): void {
  const shape = context.shape(0);
  const axis = shape && normalAxis(context.int('axis', -1), shape.length);
  const k = asDim(context.opset < 10 ? context.int('k', undefined) : context.content(1)?.elements[0]);
  const chosen = axis === undefined ? undefined : shape?.map((dim, index) => (index === axis ? k : dim));
  context.setTensor(0, context.dtype(0), chosen);
  context.setTensor(1, 'int64', chosen);
}

const reductions = ['Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'];

export const reduceRules: InferenceRules = {
  ...Object.fromEntries(reductions.map((name): [string, InferenceRule] => [`Reduce${name}`, inferReduce])),
  ArgMax: inferArg,
  ArgMin: inferArg,
  TopK: inferTopK,
};
