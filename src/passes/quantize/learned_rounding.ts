/** Rows of weights that are multiplied with the same inputs. */
export type RoundingRows = {
  /** [rows, columns] */
  readonly weights: Float32Array;
  /** [rows, columns], rounded to nearest; changed in place. */
  readonly codes: Int8Array;
  /** One a row: weight ≈ code · scale. */
  readonly scales: Float32Array;
  readonly columns: number;
  /** The largest magnitude of a code. */
  readonly limit: number;
};

/** Σ over rows and inputs of (row · x − rounded row · x)². */
export type RoundingError = { readonly nearest: number; readonly learned: number };

/** Share of the mean moment that is added to all: with few inputs it keeps weights that they tell little about. */
const damping = 0.01;

/** Rows that go through the moments together, so that these are fetched once for all of them. */
const rowsAtOnce = 16;

/**
 * Chooses for each weight between the integers below and above it what keeps the products with the inputs: the goal of
 * AdaRound (Nagel and others, 2020), eᵀ·H·e for the error e = code · scale − weight of a row and H = Σ x·xᵀ, [columns,
 * columns]. It is not relaxed: from nearest on, the one weight whose other integer lowers the error most is changed, until
 * there is none. So the result is the same each time and never worse than nearest on these inputs.
 * Takes about rows · columns² steps.
 */
export function learnRounding(rows: RoundingRows, moments: Float64Array): RoundingError {
  const { columns, scales } = rows;
  const work = new Rounding(rows, moments);
  let nearest = 0;
  let learned = 0;
  for (let first = 0; first < scales.length; first += rowsAtOnce) {
    const error = work.learn(first, Math.min(rowsAtOnce, scales.length - first), columns);
    nearest += error.nearest;
    learned += error.learned;
  }
  return { nearest, learned };
}

class Rounding {
  /** What is added to the diagonal of the moments. */
  private readonly added: number;

  constructor(
    private readonly rows: RoundingRows,
    private readonly moments: Float64Array,
  ) {
    const { columns } = rows;
    let sum = 0;
    for (let column = 0; column < columns; column += 1) sum += moments[column * (columns + 1)]!;
    this.added = (damping * sum) / columns;
  }

  learn(first: number, count: number, columns: number): { nearest: number; learned: number } {
    const { codes } = this.rows;
    const from = first * columns;
    const errors = this.errorsOf(first, count);
    const slopes = this.slopesOf(errors, count);
    const before = Array.from({ length: count }, (_, row) => this.error(errors, slopes, row));
    const given = codes.slice(from, from + count * columns);
    for (let row = 0; row < count; row += 1) {
      const part = [row * columns, (row + 1) * columns] as const;
      this.descend(first + row, errors.subarray(...part), slopes.subarray(...part));
    }
    // The slopes carry the rounding of many additions; what counts is what the codes give.
    const final = this.errorsOf(first, count);
    const finalSlopes = this.slopesOf(final, count);
    let nearest = 0;
    let learned = 0;
    for (const [row, own] of before.entries()) {
      const after = this.error(final, finalSlopes, row);
      if (!(after < own)) codes.set(given.subarray(row * columns, (row + 1) * columns), from + row * columns);
      nearest += own;
      learned += Math.min(after, own);
    }
    return { nearest, learned };
  }

  /** Changes the weight that gains most until none gains. */
  private descend(row: number, errors: Float64Array, slopes: Float64Array): void {
    const { codes, scales, columns, limit } = this.rows;
    const { moments, added } = this;
    const scale = scales[row]!;
    const start = row * columns;
    let error = 0;
    for (let column = 0; column < columns; column += 1) error += errors[column]! * slopes[column]!;
    const enough = -1e-9 * error;
    for (let moves = 0; moves < 4 * columns; moves += 1) {
      let best = -1;
      let least = enough;
      for (let column = 0; column < columns; column += 1) {
        const off = errors[column]!;
        const move = off > 0 ? -scale : scale;
        // An integer further away than the next one is where a saturated weight would go.
        if (off === 0 || (off > 0 ? off : -off) >= scale) continue;
        const gain = move * (2 * slopes[column]! + move * (moments[column * (columns + 1)]! + added));
        if (gain < least && Math.abs(codes[start + column]! + (off > 0 ? -1 : 1)) <= limit) {
          least = gain;
          best = column;
        }
      }
      if (best < 0) return;
      const move = errors[best]! > 0 ? -1 : 1;
      codes[start + best] = codes[start + best]! + move;
      const change = move * scale;
      errors[best] = errors[best]! + change;
      const line = best * columns;
      for (let column = 0; column < columns; column += 1) {
        slopes[column] = slopes[column]! + change * moments[line + column]!;
      }
      slopes[best] = slopes[best]! + change * added;
    }
  }

  /** code · scale − weight */
  private errorsOf(first: number, count: number): Float64Array {
    const { weights, codes, scales, columns } = this.rows;
    const errors = new Float64Array(count * columns);
    for (let row = 0; row < count; row += 1) {
      const scale = scales[first + row]!;
      const from = (first + row) * columns;
      for (let column = 0; column < columns; column += 1) {
        errors[row * columns + column] = codes[from + column]! * scale - weights[from + column]!;
      }
    }
    return errors;
  }

  /** (H + added) · e of each row. */
  private slopesOf(errors: Float64Array, count: number): Float64Array {
    const { columns } = this.rows;
    const { moments, added } = this;
    const slopes = errors.map((error) => error * added);
    for (let line = 0; line < columns; line += 1) {
      const from = line * columns;
      for (let row = 0; row < count; row += 1) {
        const start = row * columns;
        const error = errors[start + line]!;
        if (error === 0) continue;
        for (let column = 0; column < columns; column += 1) {
          slopes[start + column] = slopes[start + column]! + error * moments[from + column]!;
        }
      }
    }
    return slopes;
  }

  /** eᵀ·H·e of a row, without what is added to H. */
  private error(errors: Float64Array, slopes: Float64Array, row: number): number {
    const { columns } = this.rows;
    let sum = 0;
    for (let index = row * columns; index < (row + 1) * columns; index += 1) {
      const error = errors[index]!;
      sum += error * (slopes[index]! - error * this.added);
    }
    return sum;
  }
}
