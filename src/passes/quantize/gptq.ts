import { type BlockCodes, type BlockOptions, emptyBlockCodes } from './block_codes.js';
import { codeParameters, nearest, saturated } from './code_parameters.js';
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
  for (let first = 0; first < rows; first += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - first);
    const work = Float64Array.from(weights.subarray(first * columns, (first + count) * columns));
    for (let column = 0; column < columns; column += 1) {
      const block = Math.floor(column / blockSize);
      for (let row = 0; row < count; row += 1) {
        const at = (first + row) * blocks + block;
        if (column % blockSize === 0) {
          const end = Math.min(column + blockSize, columns);
          const group = Float32Array.from(work.subarray(row * columns + column, row * columns + end));
          const found = codeParameters(group, { highest, symmetric, negativeScales, scales: search });
          scales[at] = found.scale;
          zeroPoints[at] = found.zeroPoint;
          codes.fill(found.zeroPoint, at * blockSize + group.length, (at + 1) * blockSize);
        }
        const [scale, zeroPoint] = [scales[at]!, zeroPoints[at]!];
        const weight = work[row * columns + column]!;
        const code = saturated(nearest(weight / scale, zeroPoint), highest);
        codes[at * blockSize + (column % blockSize)] = code;
        const error = weight - (code - zeroPoint) * scale;
        if (error !== 0) spread(work, row * columns, factor, column, columns, error);
      }
    }
  }
  return result;
}

/** Rows that go through the columns together, so that each row of the factor is fetched once for all of them. */
const rowsAtOnce = 16;

/** Takes the error of a column off those behind it. */
function spread(
  work: Float64Array,
  start: number,
  factor: Float64Array,
  column: number,
  columns: number,
  error: number,
): void {
  const from = column * columns;
  const share = error / factor[from + column]!;
  for (let behind = column + 1; behind < columns; behind += 1) {
    work[start + behind] = work[start + behind]! - share * factor[from + behind]!;
  }
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
