import { type BlockOptions, blockCodes } from '../block_codes.js';

/** Activations that layers read, over the samples. */
export type ChannelActivations = {
  /** Σ |x| of each channel. */
  readonly sum: Float64Array;
  /** Σ x·xᵀ, [channels, channels]. */
  readonly moments: Float64Array;
};

/** Exponents that are tried: 0, where nothing is scaled, to 1. */
const steps = 20;

/** Outputs that errors are measured on; all have the same factors, and a few dozen tell which are good. */
const mostRows = 64;

/** A channel counts as at least this share of the mean: of what was hardly seen, little is known. */
const smallestShare = 1 / 256;

/**
 * Activation-aware factors (AWQ: Lin and others, 2024): weights of channels with large activations are multiplied before
 * they are rounded, so that their rounding weighs less, s = mean|x|^α over √(max s · min s), with the α in 0, 1/20 … 1 of
 * the least error of the layers' outputs, Σ d·(Σ x·xᵀ)·dᵀ with d = Q(w · s) / s − w for rows w of the weights.
 * `layers` are [outputs, channels] each. Undefined where no α is better than 0. Takes 20 · 64 · channels² steps.
 */
export function awqFactors(
  layers: readonly Float32Array[],
  { sum, moments }: ChannelActivations,
  options: BlockOptions,
): Float64Array | undefined {
  const channels = sum.length;
  const rows = sampledRows(layers, channels);
  const mean = sum.reduce((total, each) => total + each, 0) / channels;
  if (!(mean > 0)) return undefined;
  const sizes = sum.map((each) => Math.max(each / mean, smallestShare));
  let best: Float64Array | undefined;
  let least = outputError(rows, new Float64Array(channels).fill(1), moments, options);
  for (let step = 1; step <= steps; step += 1) {
    const factors = centred(sizes.map((size) => size ** (step / steps)));
    const error = outputError(rows, factors, moments, options);
    if (error >= least) continue;
    least = error;
    best = factors;
  }
  return best;
}

function centred(factors: Float64Array): Float64Array {
  const most = factors.reduce((a, b) => Math.max(a, b));
  const fewest = factors.reduce((a, b) => Math.min(a, b));
  const centre = Math.sqrt(most * fewest);
  return factors.map((factor) => factor / centre);
}

/** Rows at equal distances, as many of each layer, one after another. */
function sampledRows(layers: readonly Float32Array[], channels: number): Float32Array {
  const share = Math.ceil(mostRows / layers.length);
  const taken = layers.flatMap((weights) => {
    const outputs = weights.length / channels;
    const count = Math.min(share, outputs);
    return Array.from({ length: count }, (_, index) => {
      const row = Math.floor((index * outputs) / count);
      return weights.subarray(row * channels, (row + 1) * channels);
    });
  });
  const rows = new Float32Array(taken.length * channels);
  for (const [index, row] of taken.entries()) rows.set(row, index * channels);
  return rows;
}

function outputError(rows: Float32Array, factors: Float64Array, moments: Float64Array, options: BlockOptions): number {
  const channels = factors.length;
  const count = rows.length / channels;
  const scaled = rows.map((weight, index) => weight * factors[index % channels]!);
  const { codes, scales, zeroPoints, blocks, blockSize } = blockCodes(scaled, count, channels, options);
  const difference = new Float64Array(channels);
  let error = 0;
  for (let row = 0; row < count; row += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const block = row * blocks + Math.floor(channel / blockSize);
      const code = codes[row * blocks * blockSize + channel]!;
      const restored = ((code - zeroPoints[block]!) * scales[block]!) / factors[channel]!;
      difference[channel] = restored - rows[row * channels + channel]!;
    }
    error += quadratic(difference, moments);
  }
  return error;
}

/** d·M·dᵀ of a symmetric M, of which the half above the diagonal is read. */
function quadratic(difference: Float64Array, moments: Float64Array): number {
  const size = difference.length;
  let total = 0;
  for (let row = 0; row < size; row += 1) {
    const own = difference[row]!;
    if (own === 0) continue;
    const from = row * size;
    let sum = (moments[from + row]! * own) / 2;
    for (let column = row + 1; column < size; column += 1) sum += moments[from + column]! * difference[column]!;
    total += 2 * own * sum;
  }
  return total;
}
