/**
 * Kullback–Leibler divergence of a histogram cut to [first, last) and quantized to `levels`, from the histogram itself.
 * What is cut off counts in the outermost bin left, as saturation puts it there; the quantized one gives each level's
 * mass evenly to those of its bins that hold anything. Infinite where mass is cut onto an empty bin.
 * (S. Migacz, "8-bit Inference with TensorRT", 2017.)
 */
export class Divergence {
  readonly counts: Float64Array;
  readonly total: number;
  // Sums before each bin, so that a candidate costs as much as it has levels, not bins.
  private readonly mass: Float64Array;
  private readonly filled: Uint32Array;
  private readonly entropy: Float64Array;

  constructor(counts: Float64Array) {
    const { length } = counts;
    this.counts = counts;
    this.mass = new Float64Array(length + 1);
    this.filled = new Uint32Array(length + 1);
    this.entropy = new Float64Array(length + 1);
    for (let bin = 0; bin < length; bin += 1) {
      const count = counts[bin]!;
      this.mass[bin + 1] = this.mass[bin]! + count;
      this.filled[bin + 1] = this.filled[bin]! + (count > 0 ? 1 : 0);
      this.entropy[bin + 1] = this.entropy[bin]! + weighted(count);
    }
    this.total = this.mass[length]!;
  }

  of(first: number, last: number, levels: number): number {
    const { counts, mass, filled, entropy, total } = this;
    const below = filled[first] === 0 ? 0 : mass[first]!;
    const above = filled[last] === filled[counts.length] ? 0 : total - mass[last]!;
    const atFirst = counts[first]!;
    const atLast = counts[last - 1]!;
    if ((below > 0 && atFirst === 0) || (above > 0 && atLast === 0)) return Number.POSITIVE_INFINITY;
    if (filled[first] === filled[last]) return Number.POSITIVE_INFINITY;
    const inside = mass[last]! - mass[first]!;
    let own = entropy[last]! - entropy[first]!;
    if (first === last - 1) own += weighted(atFirst + below + above) - weighted(atFirst);
    else own += weighted(atFirst + below) - weighted(atFirst) + weighted(atLast + above) - weighted(atLast);
    let cross = 0;
    for (let level = 0; level < levels; level += 1) {
      const start = first + Math.floor((level * (last - first)) / levels);
      const end = first + Math.floor(((level + 1) * (last - first)) / levels);
      const bins = filled[end]! - filled[start]!;
      if (bins === 0) continue;
      const sum = mass[end]! - mass[start]!;
      const added = (start === first ? below : 0) + (end === last ? above : 0);
      cross += (sum + added) * Math.log(sum / bins);
    }
    return (own - cross) / total + Math.log(inside / total);
  }
}

const weighted = (count: number): number => (count > 0 ? count * Math.log(count) : 0);
