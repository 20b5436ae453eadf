import { dimEquals, floorDiv, provablyDifferent, sub } from '../../dim.js';
import type { CostContext, CostRule, CostRules } from './cost.js';
import { elementsOf, outputElements, plus, times } from './extent.js';

/** A weighted sum of `taps` elements along each of `axes` axes: a product each, and a sum. Weights are not counted. */
const weightedSum = (taps: number, axes: number): number => 2 * taps ** axes - 1;

const maxAxes = 8;

/** Taps along one axis; 0 where elements are only picked, undefined for a mode we do not know. */
function tapsOf({ input }: CostContext, fallback: string): number | undefined {
  const mode = input.attributes.has('mode') ? input.string('mode', '?') : fallback;
  switch (mode) {
    case 'nearest':
      return 0;
    case 'linear':
    case 'bilinear':
      return 2;
    case 'cubic':
    case 'bicubic':
      return 4;
    default:
      return undefined;
  }
}

/** Interpolates along the axes whose size changes; without antialiasing, which widens the sum by the scale. */
const resize: CostRule = (context) => {
  const taps = tapsOf(context, 'nearest');
  if (taps === undefined) return { macs: 0, elementOps: undefined };
  if (taps === 0) return { macs: 0, elementOps: 0 };
  const before = context.input.shape(0);
  const after = context.output(0);
  const isWide = context.input.int('antialias', 0) !== 0;
  if (isWide || before === undefined || after === undefined || before.length > maxAxes) {
    return { macs: 0, elementOps: undefined };
  }
  let axes = 0;
  for (const [axis, size] of before.entries()) {
    if (provablyDifferent(size, after[axis])) axes += 1;
    else if (!dimEquals(size, after[axis])) return { macs: 0, elementOps: undefined };
  }
  return { macs: 0, elementOps: axes === 0 ? 0 : times(outputElements(context), weightedSum(taps, axes)) };
};

const gridSample: CostRule = (context) => {
  const taps = tapsOf(context, 'linear');
  const rank = context.input.rank(0) ?? context.input.rank(1);
  if (taps === undefined || rank === undefined || rank < 3 || rank > maxAxes) {
    return { macs: 0, elementOps: taps === 0 ? 0 : undefined };
  }
  return { macs: 0, elementOps: taps === 0 ? 0 : times(outputElements(context), weightedSum(taps, rank - 2)) };
};

/** Each point (…, 1) meets a matrix [d, d + 1]. */
const affineGrid: CostRule = (context) => {
  const theta = context.input.shape(0);
  return { macs: times(outputElements(context), theta?.[2]), elementOps: 0 };
};

/** `sampling_ratio`² samples between four elements for each result; without a ratio their number depends on the data. */
const roiAlign: CostRule = (context) => {
  const ratio = context.input.int('sampling_ratio', 0);
  if (ratio < 1) return { macs: 0, elementOps: undefined };
  const samples = times(ratio, ratio);
  return { macs: 0, elementOps: times(outputElements(context), samples, weightedSum(2, 2) + 1) };
};

/** Elimination without pivoting: Σ (n − k)² products, (n − k) quotients a step, and the product of the diagonal. */
const determinant: CostRule = (context) => {
  const shape = context.input.shape(0);
  const n = shape?.at(-1);
  const count = elementsOf(shape?.slice(0, -2));
  const before = sub(n, 1);
  const macs = floorDiv(times(n, before, plus(n, before)), 6);
  return { macs: times(count, macs), elementOps: times(count, plus(floorDiv(times(n, before), 2), before)) };
};

export const samplingCosts: CostRules = {
  Resize: resize,
  Upsample: resize,
  GridSample: gridSample,
  'com.microsoft:GridSample': gridSample,
  AffineGrid: affineGrid,
  RoiAlign: roiAlign,
  Det: determinant,
};
