import { type DataType, dataTypeKind } from '../ir/data_type.js';
import { InvariantError } from '../ir/diagnostic.js';
import { decodeHalf } from '../ir/half_float.js';
import { type Tensor, tensorData } from '../ir/tensor.js';

/** How far one output is from its reference, over all samples together. */
export type OutputError = {
  /** Largest |candidate − reference|. */
  readonly maxAbsolute: number;
  /** Largest |candidate − reference| / max(|reference|, 1e-6 of the largest |reference|). */
  readonly maxRelative: number;
  /** Cosine of the angle between both as one vector; 1 where both are zero. */
  readonly cosine: number;
  /** 10·log10(Σ reference² / Σ (candidate − reference)²) in dB; Infinity where they are equal. */
  readonly sqnr: number;
  /** Largest |reference|. */
  readonly peak: number;
  /** Elements where one side is NaN or infinite and the other is not the same. */
  readonly nonFiniteMismatches: number;
  /** Elements of integers, bools or strings that differ. */
  readonly discreteMismatches: number;
  readonly elements: number;
};

/** Gathers errors sample by sample, without keeping the tensors. */
export class ErrorAccumulator {
  private maxAbsolute = 0;
  private maxRelative = 0;
  private dot = 0;
  private referenceSquares = 0;
  private candidateSquares = 0;
  private errorSquares = 0;
  private peak = 0;
  private nonFiniteMismatches = 0;
  private discreteMismatches = 0;
  private elements = 0;

  /** Both of one type and shape; the caller has checked. */
  add(reference: Tensor, candidate: Tensor): void {
    if (reference.dtype === 'string') this.addStrings(reference, candidate);
    else if (dataTypeKind(reference.dtype) === 'float' && isReadable(reference.dtype))
      this.addFloats(reference, candidate);
    else this.addBits(reference, candidate);
  }

  result(): OutputError {
    const norm = Math.sqrt(this.referenceSquares) * Math.sqrt(this.candidateSquares);
    const bothZero = this.referenceSquares === 0 && this.candidateSquares === 0;
    return {
      maxAbsolute: this.maxAbsolute,
      maxRelative: this.maxRelative,
      cosine: bothZero ? 1 : norm === 0 ? 0 : Math.min(1, this.dot / norm),
      sqnr:
        this.errorSquares === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(this.referenceSquares / this.errorSquares),
      peak: this.peak,
      nonFiniteMismatches: this.nonFiniteMismatches,
      discreteMismatches: this.discreteMismatches,
      elements: this.elements,
    };
  }

  private addStrings(reference: Tensor, candidate: Tensor): void {
    const other = candidate.strings ?? [];
    for (const [index, text] of (reference.strings ?? []).entries()) {
      this.elements += 1;
      if (other[index] === undefined || Buffer.compare(text, other[index]) !== 0) this.discreteMismatches += 1;
    }
  }

  private addBits(reference: Tensor, candidate: Tensor): void {
    const a = reference.storage.bytes();
    const b = candidate.storage.bytes();
    const size = Math.max(
      1,
      a.length /
        Math.max(
          1,
          reference.dims.reduce((n, d) => n * d, 1),
        ),
    );
    this.elements += Math.round(a.length / size);
    if (Buffer.compare(a, b) === 0) return;
    for (let start = 0; start < a.length; start += size) {
      if (Buffer.compare(a.subarray(start, start + size), b.subarray(start, start + size)) !== 0) {
        this.discreteMismatches += 1;
      }
    }
  }

  private addFloats(reference: Tensor, candidate: Tensor): void {
    const a = floatValues(reference);
    const b = floatValues(candidate);
    let peak = 0;
    for (const value of a) if (Math.abs(value) > peak && Number.isFinite(value)) peak = Math.abs(value);
    this.peak = Math.max(this.peak, peak);
    const smallest = Math.max(peak * 1e-6, 1e-30);
    for (let index = 0; index < a.length; index += 1) {
      const x = a[index]!;
      const y = b[index]!;
      this.elements += 1;
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        if (!Object.is(x, y)) this.nonFiniteMismatches += 1;
        continue;
      }
      const error = Math.abs(y - x);
      if (error > this.maxAbsolute) this.maxAbsolute = error;
      const relative = error / Math.max(Math.abs(x), smallest);
      if (relative > this.maxRelative) this.maxRelative = relative;
      this.dot += x * y;
      this.referenceSquares += x * x;
      this.candidateSquares += y * y;
      this.errorSquares += error * error;
    }
  }
}

const isReadable = (dtype: DataType): boolean =>
  dtype === 'float' || dtype === 'double' || dtype === 'float16' || dtype === 'bfloat16';

/** Floating-point elements as numbers, exactly. */
export function floatValues(tensor: Tensor): Float32Array | Float64Array {
  const data = tensorData(tensor);
  if (data instanceof Uint16Array) return decodeHalf(tensor.dtype === 'bfloat16' ? 'bfloat16' : 'float16', data);
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new InvariantError(`${tensor.dtype} has no floating-point elements to read`);
}
