import type { Diagnostic } from '../../ir/diagnostic.js';
import type { Tensor } from '../../ir/tensor.js';
import type { ValueType } from '../../ir/value_type.js';

/** What one run of the model is given: a tensor for every input name. */
export type Feeds = ReadonlyMap<string, Tensor>;

export type Sample = {
  /** The file, file and index, or position it came from; for messages. */
  readonly name: string;
  readonly feeds: Feeds;
  /** What the sample should be answered with; the first axis counts labelled items where the source is a file. */
  readonly labels?: Tensor;
};

/** Sample data. `samples()` starts anew at every call and holds one sample in memory at a time. */
export type SampleSource = {
  /** One line for people: what it is, and how it is read. */
  readonly description: string;
  /** How many samples `samples()` gives; absent where finding out means reading them. */
  readonly count?: number;
  samples(): AsyncIterable<Sample>;
};

/** A model input that needs feeding. */
export type InputSpec = { readonly name: string; readonly type: ValueType | undefined };

/**
 * Whether an array that holds many samples is cut along its first axis.
 *
 * - `'auto'` cuts an array only where the model could not take it whole: the input's first dimension is the number 1
 *   and the array's is larger, or the array has the input's shape behind one more axis.
 * - `true` also cuts under a symbolic, unknown or larger fixed first dimension: into rows of 1, or of the fixed size.
 * - `false` never cuts: an array is one sample.
 *
 * Once one array of a set gives N samples, one whose first dimension is symbolic is cut too where its length is N, and
 * an array that fits its input whole is part of every sample.
 */
export type Split = boolean | 'auto';

/** Limits that hold while data is read. */
export type ReadLimits = {
  /** Bytes of one file or array, and of all arrays of one `.npz` after decompression. */
  readonly maxBytes: number;
  /** Pixels of one image before it is resized. */
  readonly maxPixels: number;
};

export const defaultLimits: ReadLimits = { maxBytes: 2 ** 30, maxPixels: 2 ** 26 };

export type DiagnosticListener = (diagnostic: Diagnostic) => void;
