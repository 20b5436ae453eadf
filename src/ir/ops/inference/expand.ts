import { add, asDim, ceilDiv, type Dim, max, mul, sub } from '../../dim.js';
import { elementCount, tensorIntegers } from '../../tensor.js';
import { normalAxes, normalAxis } from './axes.js';
import { broadcastShapes } from './broadcast.js';
import { content, maxContentElements } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

function inferExpand(context: InferenceContext): void {
  const shape = context.shape(0);
  const target = context.content(1)?.elements;
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (shape === undefined || target === undefined) return;
  const result = broadcastShapes([shape, target.map(asDim)]);
  if (result === 'conflict') {
    context.fail('infer/broadcast', 'the input does not broadcast to the asked shape');
    return;
  }
  context.setTensor(0, dtype, result);
  setRepeated(context, result);
}

/** One known element spread over a small shape of numbers. */
function setRepeated(context: InferenceContext, shape: readonly (Dim | undefined)[] | undefined): void {
  const known = context.content(0);
  const dims = shape?.map((dim) => (typeof dim === 'number' ? dim : -1));
  if (known?.elements.length !== 1 || dims === undefined || dims.includes(-1)) return;
  const count = elementCount(dims);
  if (count <= maxContentElements) {
    context.setContent(
      0,
      content(
        known.dtype,
        dims,
        Array.from({ length: count }, () => known.elements[0]),
      ),
    );
  }
}

function inferConstantOfShape(context: InferenceContext): void {
  const value = context.tensorAttribute('value');
  const dtype = value?.dtype ?? 'float';
  const target = context.content(0)?.elements;
  const rank = context.shape(0)?.[0];
  if (target === undefined) {
    const open = typeof rank === 'number' && rank <= 64 ? Array.from({ length: rank }, () => undefined) : undefined;
    context.setTensor(0, dtype, open);
    return;
  }
  const shape = target.map(asDim);
  context.setTensor(0, dtype, shape);
  const dims = shape.map((dim) => (typeof dim === 'number' && dim >= 0 ? dim : -1));
  const fill = value === undefined ? undefined : tensorIntegers(value)?.[0];
  if (dims.includes(-1) || fill === undefined || elementCount(dims) > maxContentElements) return;
  const element = fill >= -(2n ** 53n) && fill <= 2n ** 53n ? Number(fill) : fill;
  context.setContent(
    0,
    content(
      dtype,
      dims,
      Array.from({ length: elementCount(dims) }, () => element),
    ),
  );
}

function inferTile(context: InferenceContext): void {
  const shape = context.shape(0);
  const repeats = context.opset < 6 ? undefined : context.content(1)?.elements;
  const fits = repeats !== undefined && repeats.length === shape?.length;
  context.setTensor(
    0,
    context.dtype(0),
    shape?.map((dim, axis) => (fits ? asDim(mul(dim, repeats[axis])) : undefined)),
  );
}

function inferRange(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype, [undefined]);
  const [start, limit, delta] = [0, 1, 2].map((index) => context.content(index)?.elements[0]);
  if (typeof delta !== 'number' || delta === 0 || dtype === undefined) return;
  const span = delta > 0 ? sub(limit, start) : sub(start, limit);
  const count = max(ceilDiv(span, Math.abs(delta)), 0);
  context.setTensor(0, dtype, [asDim(count)]);
  if (typeof count !== 'number' || count > maxContentElements) return;
  context.setContent(
    0,
    content(
      dtype,
      [count],
      Array.from({ length: count }, (_, index) => add(start, index * delta)),
    ),
  );
}

/** Pads as attribute (before 11) or input 1, for all axes or, since 18, those of input 3. */
function inferPad(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(
    0,
    dtype,
    shape?.map(() => undefined),
  );
  if (shape === undefined) return;
  const pads = context.ints('pads', undefined) ?? context.ints('paddings', undefined) ?? context.content(1)?.elements;
  const given = context.has(3) ? context.numbers(3) : shape.map((_, axis) => axis);
  const axes = given && normalAxes(given, shape.length);
  if (pads === undefined || axes === undefined || pads.length !== 2 * axes.length) return;
  const result: (Dim | undefined)[] = [...shape];
  for (const [index, axis] of axes.entries()) {
    const padded = asDim(add(add(shape[axis], pads[index]), pads[index + axes.length]));
    result[axis] = typeof padded === 'number' && padded < 0 ? undefined : padded;
  }
  context.setTensor(0, dtype, result);
}

function inferOneHot(context: InferenceContext): void {
  const indices = context.shape(0);
  const depth = asDim(context.content(1)?.elements[0]);
  const axis = indices && normalAxis(context.int('axis', -1), indices.length + 1);
  const shape = axis === undefined ? undefined : [...indices!.slice(0, axis), depth, ...indices!.slice(axis)];
  context.setTensor(0, context.dtype(2), shape);
}

export const expandRules: InferenceRules = {
  Expand: inferExpand,
  ConstantOfShape: inferConstantOfShape,
  Tile: inferTile,
  Range: inferRange,
  Pad: inferPad,
  OneHot: inferOneHot,
  NonZero: (context) => context.setTensor(0, 'int64', [context.rank(0), undefined]),
  Compress: (context) =>
    context.setTensor(
      0,
      context.dtype(0),
      context.ints('axis', undefined) === undefined && context.int('axis', undefined) === undefined
        ? [undefined]
        : context.shape(0)?.map(() => undefined),
    ),
  ReverseSequence: sameAsInput,
};
