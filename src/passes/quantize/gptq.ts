import { type BlockCodes, type BlockOptions, emptyBlockCodes } from './block_codes.js';
import { codeOf, codeParameters } from './code_parameters.js';
import { inverseFactor } from './inverse_factor.js';

/** Share of the mean moment that is added to all, so that the factorization is well defined: that of the publication. */
const damping = 0.01;

/**
 * Block codes of `weights`, [rows, columns], that keep weights · x rather than each weight (GPTQ: Frantar and others,
 * 2023). `moments` is Σ x·xᵀ over the inputs, [columns, columns]. Columns are rounded one after another; with
 * H⁻¹ = Uᵀ·U, U upper triangular, the error of column i over U[i, i], times row i of U, is taken off the columns behind it.
 * The scale of a block is found when its first column is reached. Takes rows · columns² / 2 steps.
 */
export function gptqCodes(
  weights: Float32Array,
  rows: number,
  columns: number,
  options: BlockOptions,
  moments: Float64Array,
): BlockCodes {
  const result = emptyBlockCodes(rows, columns, options);
  const { codes, scales, zeroPoints, blocks, blockSize } = result;
  const { symmetric, negativeScales, scales: search, bits } = options;
  const highest = 2 ** bits - 1;
  const factor = inverseFactor(damped(moments, columns), columns);
  const row = new Float64Array(columns);
  for (let index = 0; index < rows; index += 1) {
    row.set(weights.subarray(index * columns, (index + 1) * columns));
    for (let block = 0; block < blocks; block += 1) {
      const start = block * blockSize;
      const end = Math.min(start + blockSize, columns);
      const group = Float32Array.from(row.subarray(start, end));
      const parameters = codeParameters(group, { highest, symmetric, negativeScales, scales: search });
      const at = index * blocks + block;
      scales[at] = parameters.scale;
      zeroPoints[at] = parameters.zeroPoint;
      for (let column = start; column < end; column += 1) {
        const code = codeOf(row[column]!, parameters, highest);
        codes[at * blockSize + column - start] = code;
        const from = column * columns;
        const error = (row[column]! - (code - parameters.zeroPoint) * parameters.scale) / factor[from + column]!;
        if (error === 0) continue;
        for (let behind = column + 1; behind < columns; behind += 1) {
          row[behind] = row[behind]! - error * factor[from + behind]!;
        }
      }
      codes.fill(parameters.zeroPoint, at * blockSize + end - start, (at + 1) * blockSize);
    }
  }
  return result;
}

/** A copy with `damping` added; an input that was always 0 tells nothing, and its weights are rounded as they are. */
function damped(moments: Float64Array, size: number): Float64Array {
  const result = moments.slice();
  let sum = 0;
  for (let index = 0; index < size; index += 1) sum += result[index * (size + 1)]!;
  const added = (damping * sum) / size;
  for (let index = 0; index < size; index += 1) {
    const at = index * (size + 1);
    const own = result[at]! + added;
    result[at] = own > 0 ? own : 1;
  }
  return result;
}
