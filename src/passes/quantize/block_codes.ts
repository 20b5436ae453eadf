import { codeOf, codeParameters } from './code_parameters.js';
import { halfQuadratic } from './half_quadratic.js';

export type BlockOptions = {
  readonly bits: 4 | 8;
  /** Weights along the sum that share a scale: a power of two, 16 to 256. */
  readonly blockSize: number;
  /**
   * `round`: to the nearest code; `hqq`: with the zero points that half-quadratic optimization finds, not whole ones;
   * `gptq`: so that errors make up for each other on the inputs that were seen.
   */
  readonly method: 'round' | 'hqq' | 'gptq';
  /** Zero point in the middle of the codes for all; not with `hqq`. */
  readonly symmetric: boolean;
  readonly negativeScales: boolean;
  readonly scales: 'range' | 'mse';
};

/**
 * A matrix of rows cut into blocks along them: weight ≈ (code − zeroPoint) · scale, each of a block. The last block of a
 * row is filled up with codes that mean 0.
 */
export type BlockCodes = {
  readonly rows: number;
  readonly columns: number;
  /** Blocks a row. */
  readonly blocks: number;
  readonly blockSize: number;
  readonly bits: 4 | 8;
  /** [rows, blocks · blockSize], one code an element. */
  readonly codes: Uint8Array;
  /** [rows, blocks] */
  readonly scales: Float32Array;
  /** [rows, blocks]; the middle code throughout where symmetric. */
  readonly zeroPoints: Float32Array;
};

export function emptyBlockCodes(
  rows: number,
  columns: number,
  { bits, blockSize }: Pick<BlockOptions, 'bits' | 'blockSize'>,
): BlockCodes {
  const blocks = Math.ceil(columns / blockSize);
  const codes = new Uint8Array(rows * blocks * blockSize);
  const [scales, zeroPoints] = [new Float32Array(rows * blocks), new Float32Array(rows * blocks)];
  return { rows, columns, blocks, blockSize, bits, codes, scales, zeroPoints };
}

/** Brings `weights`, [rows, columns], to block codes; for `gptq`, see `gptqCodes`. */
export function blockCodes(weights: Float32Array, rows: number, columns: number, options: BlockOptions): BlockCodes {
  const { bits, blockSize, symmetric, negativeScales, scales: search, method } = options;
  const highest = 2 ** bits - 1;
  const result = emptyBlockCodes(rows, columns, options);
  const { blocks, codes, scales, zeroPoints } = result;
  for (let row = 0; row < rows; row += 1) {
    for (let block = 0; block < blocks; block += 1) {
      const from = row * columns + block * blockSize;
      const group = weights.subarray(from, Math.min(from + blockSize, (row + 1) * columns));
      const rounded = codeParameters(group, { highest, symmetric, negativeScales, scales: search });
      const parameters = method === 'hqq' ? halfQuadratic(group, rounded, highest) : rounded;
      const index = row * blocks + block;
      scales[index] = parameters.scale;
      zeroPoints[index] = parameters.zeroPoint;
      const to = index * blockSize;
      for (let offset = 0; offset < group.length; offset += 1) {
        codes[to + offset] = codeOf(group[offset]!, parameters, highest);
      }
      codes.fill(Math.round(parameters.zeroPoint), to + group.length, to + blockSize);
    }
  }
  return result;
}

/** [rows, width] of codes in [rows, ceil(width · bits / 8)] bytes, the first code of a byte in its low bits. */
export function packRows(codes: ArrayLike<number>, rows: number, bits: 4 | 8): Uint8Array {
  if (bits === 8) return Uint8Array.from(codes);
  const width = rows === 0 ? 0 : codes.length / rows;
  const bytes = Math.ceil(width / 2);
  const packed = new Uint8Array(rows * bytes);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const at = row * bytes + (column >> 1);
      packed[at] = packed[at]! | (codes[row * width + column]! << (column % 2 === 0 ? 0 : 4));
    }
  }
  return packed;
}
