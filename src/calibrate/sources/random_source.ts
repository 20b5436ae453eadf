import { type DataType, dataTypeBits, dataTypeKind } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { elementCount, type Tensor, type TypedData, tensorFromBytes } from '../../ir/tensor.js';
import { formatType } from '../../ir/value_type.js';
import { encodeElements } from './encode_elements.js';
import { requireBytes } from './file_bytes.js';
import { type DimBindings, randomDims } from './random_dims.js';
import { type DiagnosticListener, defaultLimits, type InputSpec, type Sample, type SampleSource } from './source.js';

export type RandomOptions = {
  /** The same seed gives the same samples, on every machine; 0 unless told. */
  readonly seed?: number;
  /** 8 unless told. */
  readonly count?: number;
  /** Sizes of symbolic dimensions, and of nameless ones under `input[axis]`. */
  readonly bind?: DimBindings;
  readonly onDiagnostic?: DiagnosticListener;
};

/**
 * Random samples. They show that a model runs, not how it behaves on real data; a warning says so.
 *
 * Floats have mean 0, variance 1 and lie between -6 and 6 (the sum of 12 uniform numbers, less 6); uint8 and int8 take
 * their whole range, as pixels do; wider integers and booleans are 0 or 1, which is a valid token, mask, index and
 * length alike. A first dimension that is open is 1 where `bind` does not say otherwise.
 * @throws DiagnosticError `data/open-dimension`, `data/unknown-symbol`, `data/unsupported-input`, `data/too-large`.
 */
export function randomSource(inputs: readonly InputSpec[], options: RandomOptions = {}): SampleSource {
  const { seed = 0, count = 8, bind = {} } = options;
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(count) || count < 1) {
    throw new DiagnosticError({
      code: 'data/bad-value',
      message: `random samples with seed ${seed} and count ${count}`,
      help: 'Give whole numbers, and a count of at least 1',
    });
  }
  const shapes = randomDims(inputs, bind);
  const plans = inputs.map(({ name, type }, position) => {
    const dtype = type?.kind === 'tensor' ? (type.dtype ?? 'float') : 'float';
    if (!isDrawn(dtype)) {
      throw new DiagnosticError({
        code: 'data/unsupported-input',
        message: `no random data are made for ${formatType(type)}`,
        where: name,
        help: 'Give real samples',
      });
    }
    const dims = shapes[position]!;
    requireBytes((elementCount(dims) * dataTypeBits(dtype)) / 8, defaultLimits.maxBytes, name);
    return { name, dtype, dims };
  });
  options.onDiagnostic?.({
    code: 'calibrate/random-data',
    severity: 'warning',
    message: 'the samples are random: ranges and accuracy measured with them say nothing about real data',
    help: 'Give samples of what the model will see',
  });
  async function* samples(): AsyncGenerator<Sample> {
    for (let index = 0; index < count; index++) {
      const feeds = new Map<string, Tensor>();
      for (const [position, { name, dtype, dims }] of plans.entries()) {
        feeds.set(name, randomTensor(dtype, dims, generator(seed, index, position)));
      }
      yield { name: `random[${index}]`, feeds };
    }
  }
  return { description: `${count} random samples, seed ${seed}`, count, samples };
}

const isDrawn = (dtype: DataType): boolean =>
  dataTypeKind(dtype) === 'bool' ||
  (dataTypeBits(dtype) >= 16 && dataTypeKind(dtype) !== 'string') ||
  dtype === 'uint8' ||
  dtype === 'int8';

function randomTensor(dtype: DataType, dims: readonly number[], next: () => number): Tensor {
  const data = randomElements(dtype, elementCount(dims), next);
  return tensorFromBytes(dtype, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function randomElements(dtype: DataType, count: number, next: () => number): TypedData {
  switch (dtype) {
    case 'uint8':
      return Uint8Array.from({ length: count }, () => next() & 0xff);
    case 'int8':
      return Int8Array.from({ length: count }, () => next() & 0xff);
    case 'complex64':
      return Float32Array.from({ length: 2 * count }, () => normal(next));
    case 'complex128':
      return Float64Array.from({ length: 2 * count }, () => normal(next));
    default: {
      const draw = dataTypeKind(dtype) === 'float' ? () => normal(next) : () => next() & 1;
      const values = Float64Array.from({ length: count }, draw);
      // 0, 1 and numbers between -6 and 6 are values of all types that are left.
      return encodeElements(dtype, values).data!;
    }
  }
}

/** Irwin-Hall: additions only, since logarithms and sines may differ in the last bit between machines. */
function normal(next: () => number): number {
  let sum = -6;
  for (let draw = 0; draw < 12; draw++) sum += next() / 2 ** 32;
  return sum;
}

/** 32 random bits a call (mulberry32), in a sequence of its own for each seed, sample and input. */
function generator(seed: number, sample: number, input: number): () => number {
  let state = [Math.floor(seed / 2 ** 32), sample, input].reduce((hash, part) => mix(hash ^ part), mix(seed | 0));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (bits ^ (bits >>> 14)) >>> 0;
  };
}

/** The finalizer of MurmurHash3: neighbouring numbers become unlike ones. */
function mix(value: number): number {
  let bits = value + 0x9e3779b9;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
