import { asDim, type Dim, type Expr, floorDiv, formatDim, mod, product, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { unknownShape } from './rank.js';
import { agreedSize, attributeSize } from './sizes.js';

/** Operators that read images at places that other tensors name, or put patches back there. */
export const samplingRules: InferenceRules = {
  AffineGrid: affineGrid,
  GridSample: gridSample,
  Col2Im: col2Im,
  RoiAlign: roiAlign,
  MaxRoiPool: maxRoiPool,
  'com.microsoft:GridSample': gridSample,
  'com.microsoft:CropAndResize': cropAndResize,
};

/** [N, d, d + 1] and the size [N, C, …] => [N, …, d] for d = 2 or 3 */
function affineGrid(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const theta = context.shape(0);
  context.setTensor(0, dtype);
  const size = context.content(1)?.elements.map((element) => asDim(element));
  const length = size?.length ?? context.shape(1)?.[0];
  const axes = typeof length === 'number' ? length - 2 : theta?.[1];
  if (theta !== undefined && theta.length !== 3) {
    context.fail('infer/rank', `AffineGrid takes matrices [N, d, d + 1], not ${formatShape(theta)}`);
    return;
  }
  if (typeof axes !== 'number') return;
  if (axes < 2 || axes > 3 || provablyDifferent(theta?.[1], axes)) {
    context.fail('infer/rank', `AffineGrid cannot make a grid of ${axes} axes from ${formatShape(theta)}`);
    return;
  }
  const batch = agreedSize([theta?.[0], size?.[0]]);
  if (batch === 'conflict') {
    context.fail('infer/batch', 'AffineGrid is asked for another batch than it has matrices');
    return;
  }
  context.setTensor(0, dtype, [batch, ...(size?.slice(2) ?? unknownShape(axes) ?? []), axes]);
}

/** [N, C, …] read at [N, …′, d] => [N, C, …′] */
function gridSample(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const image = context.shape(0);
  const grid = context.shape(1);
  const rank = image?.length ?? grid?.length;
  context.setTensor(0, dtype);
  if (rank === undefined) return;
  if (rank < 3 || (grid !== undefined && (grid.length !== rank || provablyDifferent(grid.at(-1), rank - 2)))) {
    context.fail('infer/rank', `a grid ${formatShape(grid)} does not fit ${formatShape(image)}`);
    return;
  }
  const batch = agreedSize([image?.[0], grid?.[0]]);
  if (batch === 'conflict') context.fail('infer/batch', 'the grid has another batch than the images');
  else {
    const spatial = grid?.slice(1, -1) ?? image?.slice(2).map(() => undefined) ?? [];
    context.setTensor(0, dtype, [batch, image?.[1], ...spatial]);
  }
}

/** [N, C·(product of the block), L] => [N, C, …image] */
function col2Im(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const columns = context.shape(0);
  context.setTensor(0, dtype);
  const axes = agreedSize([vectorLength(context, 1), vectorLength(context, 2)]);
  const isVector = (index: number) => (context.rank(index) ?? 1) === 1;
  if (axes === 'conflict' || !isVector(1) || !isVector(2) || (columns !== undefined && columns.length !== 3)) {
    const blocks = `blocks of ${formatShape(context.shape(2))} and images of ${formatShape(context.shape(1))} axes`;
    context.fail('infer/rank', `${blocks} do not fit columns ${formatShape(columns)}`);
    return;
  }
  const block = context.content(2);
  const patch = block && product(block.elements);
  if (patch !== undefined && (patch === 0 || provablyDifferent(mod(columns?.[1], patch), 0))) {
    context.fail('infer/block', `blocks of ${formatDim(patch)} elements do not divide ${formatShape(columns)}`);
    return;
  }
  const image = context.content(1)?.elements.map((element) => asDim(element));
  const sizes = image ?? unknownShape(axes);
  if (sizes === undefined) return;
  context.setTensor(0, dtype, [columns?.[0], asDim(floorDiv(columns?.[1], patch)), ...sizes]);
}

/** How many elements an input of rank 1 has. */
function vectorLength(context: InferenceContext, index: number): Dim | undefined {
  const shape = context.shape(index);
  return shape?.length === 1 ? shape[0] : undefined;
}

/** [N, C, H, W] at [R, 4] => [R, C, output_height, output_width] */
function roiAlign(context: InferenceContext): void {
  indexedRegions(context, [context.int('output_height', 1), context.int('output_width', 1)]);
}

/** [N, C, H, W] at [R, 4], each resized to the two elements of input 3 => [R, C, height, width] */
function cropAndResize(context: InferenceContext): void {
  const size = context.content(3)?.elements;
  if (size !== undefined && size.length !== 2) {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/rank', `crops have a height and a width, not ${size.length} sizes`);
  } else indexedRegions(context, size);
}

/** Input 2 says of which image each region is. */
function indexedRegions(context: InferenceContext, pooled: Pooled | undefined): void {
  const regions = agreedSize([context.shape(1)?.[0], context.shape(2)?.[0]]);
  if (regions === 'conflict') {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/batch', 'there are not as many regions as indices of their images');
  } else pooledRegions(context, regions, pooled);
}

/** [N, C, H, W] at [R, 5] => [R, C, …pooled_shape] */
function maxRoiPool(context: InferenceContext): void {
  pooledRegions(context, context.shape(1)?.[0], context.ints('pooled_shape', undefined));
}

type Pooled = readonly (Expr | undefined)[];

function pooledRegions(context: InferenceContext, regions: Dim | undefined, pooled: Pooled | undefined): void {
  const dtype = context.dtype(0);
  const image = context.shape(0);
  const areas = context.shape(1);
  context.setTensor(0, dtype);
  if (pooled !== undefined && (pooled.length !== 2 || pooled.some((size) => typeof size === 'number' && size < 0))) {
    context.fail('infer/negative-size', 'regions are pooled to two sizes, none of them below 0');
    return;
  }
  if ((image !== undefined && image.length !== 4) || (areas !== undefined && areas.length !== 2)) {
    context.fail('infer/rank', `regions ${formatShape(areas)} do not fit ${formatShape(image)}`);
    return;
  }
  context.setTensor(0, dtype, [regions, image?.[1], ...pooledShape(pooled)]);
}

const pooledShape = (pooled: Pooled | undefined): Shape =>
  pooled?.map((size) => (typeof size === 'number' ? attributeSize(size) : asDim(size))) ?? [undefined, undefined];
