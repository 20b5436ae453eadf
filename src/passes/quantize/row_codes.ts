import { type CodeOptions, codeOf, codeParameters } from './code_parameters.js';

export type RowOptions = {
  /** `int8`: around zero, at most ±limit. `uint8`: from 0 to 255 with a zero point for each row. */
  readonly dtype: 'int8' | 'uint8';
  readonly limit: 127 | 64;
  readonly scales: CodeOptions['scales'];
};

/** weight ≈ (code − zeroPoint) · scale, scale and zero point those of the row; all zero points are 0 for int8. */
export type RowCodes = {
  readonly codes: Int8Array | Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Int8Array | Uint8Array;
};

/** Brings `weights`, [rows, columns], to 8 bits with a scale for each row. */
export function rowCodes(weights: Float32Array, rows: number, columns: number, options: RowOptions): RowCodes {
  const { dtype, limit, scales: search } = options;
  const signed = dtype === 'int8';
  const highest = signed ? 2 * limit : 255;
  const codes = signed ? new Int8Array(rows * columns) : new Uint8Array(rows * columns);
  const zeroPoints = signed ? new Int8Array(rows) : new Uint8Array(rows);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const from = row * columns;
    const group = weights.subarray(from, from + columns);
    const parameters = codeParameters(group, { highest, symmetric: signed, scales: search });
    const shift = signed ? limit : 0;
    scales[row] = parameters.scale;
    zeroPoints[row] = parameters.zeroPoint - shift;
    for (let column = 0; column < columns; column += 1) {
      codes[from + column] = codeOf(group[column]!, parameters, highest) - shift;
    }
  }
  return { codes, scales, zeroPoints };
}

/** [rows, columns] => [columns, rows] */
export function turned<T extends Int8Array | Uint8Array>(codes: T, rows: number, columns: number): T {
  const result = codes.slice() as T;
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) result[column * rows + row] = codes[row * columns + column]!;
  }
  return result;
}
