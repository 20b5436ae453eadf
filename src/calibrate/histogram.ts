import { InvariantError } from '../ir/diagnostic.js';
import { decodeHalf } from '../ir/half_float.js';
import { type Tensor, tensorData } from '../ir/tensor.js';

/**
 * How often numbers occurred, by the high 16 bits of their float32: sign, exponent and 7 bits of mantissa. The bins need
 * no range, are 0.4 to 0.8 % of their value wide at every magnitude, and counts add exactly, in any order.
 * Bins ascend by value; −0 counts as 0.
 */
export type Histogram = {
  /** High halves of floats. */
  readonly bins: Uint16Array;
  /** Whole numbers, as long as there are no more than 2^53. */
  readonly counts: Float64Array;
};

const signBit = 0x8000;
const binCount = 0x10000;
/** High halves from here on (sign aside) are infinities and NaN. */
const firstNonFinite = 0x7f80;
const mostPending = 2 ** 32 - 1;

/** Position of a bin by value. */
export const binRank = (bin: number): number => (bin & signBit ? signBit - (bin & 0x7fff) : signBit + bin);

export const binOfRank = (rank: number): number => (rank < signBit ? signBit | (signBit - rank) : rank - signBit);

/** Whether a bin of numbers is there. */
export const isBinRank = (rank: number): boolean => Math.abs(rank - signBit) < firstNonFinite;

/** What one tensor added: its extremes (infinite and the wrong way round where it is empty), whether all were numbers. */
export type Extremes = { readonly min: number; readonly max: number; readonly finite: boolean };

/** Counts the elements of tensors; 512 KiB, of which only the pages that are counted in are ever touched. */
export class HistogramCounter {
  // Neighbours often fall into one bin; in turn in two arrays, an addition need not wait for the one before it.
  private readonly even = new Uint32Array(binCount);
  private readonly odd = new Uint32Array(binCount);
  private carried: Float64Array | undefined;
  private pending = 0;
  private readonly carryAfter: number;

  /** @param carryAfter elements after which counts move to where they cannot overflow. */
  constructor(carryAfter = mostPending) {
    this.carryAfter = carryAfter;
  }

  /** Counts a tensor of float, double, float16 or bfloat16 elements; doubles are rounded to float first. */
  add(tensor: Tensor): Extremes {
    const values = floatElements(tensor);
    // No bin can overflow before this many elements.
    if (values.length > mostPending) throw new InvariantError(`${values.length} elements in one tensor`);
    if (this.pending + values.length > this.carryAfter) this.carry();
    this.pending += values.length;
    const { min, max } = count(values, this.even, this.odd);
    return { min, max, finite: this.isFinite() };
  }

  private isFinite(): boolean {
    const { even, odd } = this;
    for (const sign of [0, signBit]) {
      for (let bin = sign | firstNonFinite; bin <= (sign | 0x7fff); bin += 1)
        if (even[bin] !== 0 || odd[bin] !== 0) return false;
    }
    return true;
  }

  private carry(): void {
    const { even, odd } = this;
    this.carried ??= new Float64Array(binCount);
    for (let bin = 0; bin < binCount; bin += 1) this.carried[bin]! += even[bin]! + odd[bin]!;
    even.fill(0);
    odd.fill(0);
    this.pending = 0;
  }

  histogram(): Histogram {
    const { even, odd, carried } = this;
    const bins: number[] = [];
    const counts: number[] = [];
    const take = (bin: number, total: number) => {
      if (total === 0) return;
      bins.push(bin);
      counts.push(total);
    };
    const total = (bin: number) => even[bin]! + odd[bin]! + (carried?.[bin] ?? 0);
    for (let bin = binCount - 1; bin > signBit; bin -= 1) take(bin, total(bin));
    take(0, total(0) + total(signBit));
    for (let bin = 1; bin < signBit; bin += 1) take(bin, total(bin));
    return { bins: Uint16Array.from(bins), counts: Float64Array.from(counts) };
  }
}

function count(values: Float32Array, even: Uint32Array, odd: Uint32Array): { min: number; max: number } {
  if (values.length === 0) return { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
  const halves = new Uint16Array(values.buffer, values.byteOffset, values.length * 2);
  // From one element on, no element can be both a new minimum and a new maximum.
  let min = values[0]!;
  let max = min;
  const whole = values.length & ~3;
  for (let index = 0; index < whole; index += 4) {
    const a = values[index]!;
    const b = values[index + 1]!;
    const c = values[index + 2]!;
    const d = values[index + 3]!;
    const half = 2 * index + 1;
    even[halves[half]!]! += 1;
    odd[halves[half + 2]!]! += 1;
    even[halves[half + 4]!]! += 1;
    odd[halves[half + 6]!]! += 1;
    if (a < min) min = a;
    else if (a > max) max = a;
    if (b < min) min = b;
    else if (b > max) max = b;
    if (c < min) min = c;
    else if (c > max) max = c;
    if (d < min) min = d;
    else if (d > max) max = d;
  }
  for (let index = whole; index < values.length; index += 1) {
    const last = values[index]!;
    even[halves[2 * index + 1]!]! += 1;
    if (last < min) min = last;
    else if (last > max) max = last;
  }
  // Adding 0 makes −0 into 0.
  return { min: min + 0, max: max + 0 };
}

function floatElements(tensor: Tensor): Float32Array {
  const { dtype } = tensor;
  switch (dtype) {
    case 'float':
      return tensorData(tensor) as Float32Array;
    case 'double':
      return Float32Array.from(tensorData(tensor) as Float64Array);
    case 'float16':
    case 'bfloat16':
      return decodeHalf(dtype, tensorData(tensor) as Uint16Array);
    default:
      throw new InvariantError(`${dtype} has no histogram`);
  }
}

/** The histogram of all that two histograms counted. */
export function mergeHistograms(a: Histogram, b: Histogram): Histogram {
  const bins: number[] = [];
  const counts: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.bins.length || j < b.bins.length) {
    const left = i < a.bins.length ? binRank(a.bins[i]!) : binCount;
    const right = j < b.bins.length ? binRank(b.bins[j]!) : binCount;
    bins.push(left <= right ? a.bins[i]! : b.bins[j]!);
    counts.push((left <= right ? a.counts[i]! : 0) + (right <= left ? b.counts[j]! : 0));
    if (left <= right) i += 1;
    if (right <= left) j += 1;
  }
  return { bins: Uint16Array.from(bins), counts: Float64Array.from(counts) };
}

/** Bin i holds `counts[i]` numbers from `low[i]` to `high[i]`, ascending. The outermost end at the exact extremes. */
export type BinnedValues = {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly counts: Float64Array;
  readonly total: number;
  readonly min: number;
  readonly max: number;
};

/** The bins as intervals; that of 0 is the point 0: what else lies in it is smaller than 1e-40. */
export function binnedValues({ bins, counts }: Histogram, min: number, max: number): BinnedValues {
  const within = (value: number) => Math.min(max, Math.max(min, value));
  const low = new Float64Array(bins.length);
  const high = new Float64Array(bins.length);
  for (const [index, bin] of bins.entries()) {
    if (bin === 0) continue;
    const near = highHalf(bin & 0x7fff);
    const far = highHalf((bin & 0x7fff) + 1);
    low[index] = within(bin & signBit ? -far : near);
    high[index] = within(bin & signBit ? -near : far);
  }
  return { low, high, counts, total: counts.reduce((sum, each) => sum + each, 0), min, max };
}

/** The float with these high bits and zeros below; what would be infinity is the number that comes after the largest. */
function highHalf(bits: number): number {
  const exponent = bits >> 7;
  const fraction = (bits & 0x7f) / 128;
  return exponent === 0 ? fraction * 2 ** -126 : (1 + fraction) * 2 ** (exponent - 127);
}
