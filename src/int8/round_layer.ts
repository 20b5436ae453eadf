import type { PatchStatistics } from '../calibrate/observe_patches.js';
import { constantTensor } from '../ir/constant.js';
import { tensorData, tensorFromData } from '../ir/tensor.js';
import type { ComputeNode } from '../passes/quantize/compute_node.js';
import { layerRows } from '../passes/quantize/layer_rows.js';
import { learnRounding, type RoundingError } from '../passes/quantize/learned_rounding.js';
import type { QuantizedWeight } from '../passes/quantize/weights.js';

/**
 * Learned rounding of a layer, a group of outputs at a time. Where its bias is corrected as well, what an error does to
 * the mean of the outputs costs nothing, so that products count around their mean.
 */
export function roundLayer(
  layer: ComputeNode,
  nearest: QuantizedWeight,
  { mean, moments, count }: PatchStatistics,
  limit: number,
  corrects: boolean,
): { weight: QuantizedWeight; error: RoundingError } {
  const { outputs, products, groups, at } = layerRows(layer.node, layer.weightDims);
  const data = tensorData(constantTensor(layer.weight)!) as Float32Array;
  const codes = Int8Array.from(tensorData(nearest.quantized) as Int8Array);
  const rows = outputs / groups;
  const error = { nearest: 0, learned: 0 };
  for (let group = 0; group < groups; group += 1) {
    const index = Uint32Array.from({ length: rows * products }, (_, position) =>
      at(group * rows + Math.floor(position / products), position % products),
    );
    const part = Int8Array.from(index, (position) => codes[position]!);
    const own = moments.subarray(group * products ** 2, (group + 1) * products ** 2);
    const found = learnRounding(
      {
        weights: Float32Array.from(index, (position) => data[position]!),
        codes: part,
        scales: Float32Array.from({ length: rows }, (_, row) =>
          nearest.scales.length === 1 ? nearest.scales[0]! : nearest.scales[group * rows + row]!,
        ),
        columns: products,
        limit,
      },
      corrects ? centred(own, mean.subarray(group * products, (group + 1) * products), count) : own,
    );
    for (const [at, position] of index.entries()) codes[position] = part[at]!;
    error.nearest += found.nearest;
    error.learned += found.learned;
  }
  return { weight: { ...nearest, quantized: tensorFromData('int8', layer.weightDims, codes) }, error };
}

/** Σ (x − mean)·(x − mean)ᵀ of Σ x·xᵀ over `count` inputs. */
function centred(moments: Float64Array, mean: Float64Array, count: number): Float64Array {
  const size = mean.length;
  const result = moments.slice();
  for (let row = 0; row < size; row += 1) {
    const share = count * mean[row]!;
    for (let column = 0; column < size; column += 1) {
      const at = row * size + column;
      result[at] = result[at]! - share * mean[column]!;
    }
  }
  return result;
}
