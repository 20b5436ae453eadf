import { binnedValues } from '../histogram.js';
import type { Calibrator } from './calibrator.js';

/**
 * For float8 E4M3FN: the scale that gives the tensor the standard deviation of that type's own numbers, so that its
 * levels are dense where the tensor's values are; scale = deviation(x) / deviation(finite E4M3FN), as the range
 * ±448 · scale. After ONNX Runtime's `DistributionCalibrater`, scenario "same". A tensor without negative numbers
 * starts at 0.
 */
export const distribution: Calibrator = ({ histogram, min, max }) => {
  const { low, high, counts, total } = binnedValues(histogram, min, max);
  const middle = (index: number) => (low[index]! + high[index]!) / 2;
  let sum = 0;
  for (const [index, count] of counts.entries()) sum += count * middle(index);
  const mean = sum / total;
  let squares = 0;
  for (const [index, count] of counts.entries()) squares += count * (middle(index) - mean) ** 2;
  const deviation = Math.sqrt(squares / total);
  if (deviation === 0) return { min, max };
  const reach = (largestE4m3 * deviation) / e4m3Deviation();
  return { min: min >= 0 ? 0 : -reach, max: reach };
};

const largestE4m3 = 448;

/** Of all finite E4M3FN numbers, each bit pattern once (0 is two); their mean is 0. */
function e4m3Deviation(): number {
  let squares = 0;
  let patterns = 0;
  for (let bits = 0; bits < 0x7f; bits += 1) {
    const exponent = bits >> 3;
    const fraction = (bits & 7) / 8;
    const value = exponent === 0 ? fraction * 2 ** -6 : (1 + fraction) * 2 ** (exponent - 7);
    squares += value ** 2;
    patterns += 1;
  }
  return Math.sqrt(squares / patterns);
}
