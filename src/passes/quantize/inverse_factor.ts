import { DiagnosticError } from '../../ir/diagnostic.js';

/**
 * The upper triangular U with Uᵀ·U = H⁻¹, for a symmetric positive definite H of [size, size]. H = M·Mᵀ with M upper
 * triangular is Cholesky's factorization from the last row up, and U = M⁻¹.
 * @throws DiagnosticError `quantize/singular-moments` where H is not positive definite.
 */
export function inverseFactor(matrix: Float64Array, size: number): Float64Array {
  return invertUpper(upperFactor(matrix, size), size);
}

function upperFactor(matrix: Float64Array, size: number): Float64Array {
  // Row `row` of the result from its diagonal on, last row first: only rows below are read.
  const result = new Float64Array(size * size);
  for (let column = size - 1; column >= 0; column -= 1) {
    for (let row = column; row >= 0; row -= 1) {
      let sum = matrix[row * size + column]!;
      for (let index = column + 1; index < size; index += 1) {
        sum -= result[row * size + index]! * result[column * size + index]!;
      }
      if (row < column) result[row * size + column] = sum / result[column * size + column]!;
      else if (sum > 0) result[row * size + column] = Math.sqrt(sum);
      else throw notDefinite();
    }
  }
  return result;
}

function notDefinite(): DiagnosticError {
  return new DiagnosticError({
    code: 'quantize/singular-moments',
    message: 'the moments of a layer’s inputs cannot be inverted',
    help: 'Give more samples',
  });
}

function invertUpper(upper: Float64Array, size: number): Float64Array {
  const result = new Float64Array(size * size);
  for (let row = size - 1; row >= 0; row -= 1) {
    const from = row * size;
    const pivot = 1 / upper[from + row]!;
    result[from + row] = pivot;
    // Row of the inverse = −pivot · Σ upper[row, index] · (row `index` of the inverse).
    for (let index = row + 1; index < size; index += 1) {
      const factor = upper[from + index]! * pivot;
      if (factor === 0) continue;
      const other = index * size;
      for (let column = index; column < size; column += 1) {
        result[from + column] = result[from + column]! - factor * result[other + column]!;
      }
    }
  }
  return result;
}
