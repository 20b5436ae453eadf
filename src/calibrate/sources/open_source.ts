import { DiagnosticError } from '../../ir/diagnostic.js';
import { formatType } from '../../ir/value_type.js';
import { checkedSource } from './checked_source.js';
import { fileSource } from './file_source.js';
import type { ImageOptions } from './image_options.js';
import { isProvider, providerOf, providerSource, type SampleProvider } from './module_source.js';
import { type RandomOptions, randomSource } from './random_source.js';
import { type DiagnosticListener, defaultLimits, type InputSpec, type SampleSource, type Split } from './source.js';

export type OpenSourceOptions = {
  /** What relative paths and globs start from; the process's folder unless told. */
  readonly cwd?: string;
  /** `'auto'` unless told; for `.npy` and `.npz`. */
  readonly split?: Split;
  /** Convert element types where no value is lost, instead of refusing what is not the input's; false unless told. */
  readonly cast?: boolean;
  readonly image?: ImageOptions;
  readonly random?: Omit<RandomOptions, 'onDiagnostic'>;
  /** The largest file or array, in bytes; 1 GiB unless told. A `.npy` that is split may be larger. */
  readonly maxBytes?: number;
  /** The largest image, in pixels; 2^26 unless told. */
  readonly maxPixels?: number;
  readonly onDiagnostic?: DiagnosticListener;
};

/**
 * Where samples come from: a path, a glob or `'random'`; a source, which is checked as well; samples as JavaScript has
 * them; or the exports of a module that has been imported already.
 */
export type SourceSpec =
  | string
  | SampleSource
  | SampleProvider
  | { readonly samples: SampleProvider }
  | { readonly default: SampleProvider };

/**
 * Opens sample data for a model. A text is
 *
 * - `random`, and only this word: random samples, with a warning (`./random` is a file);
 * - a `.js`, `.mjs` or `.ts` file: a module, which is run; see `moduleSource`;
 * - a file, folder or glob of `.npy` (`npySource`), `.npz` (`npzSource`), `.pb` (`protoSource`) or images
 *   (`imageSource`), in natural order of the names; files found by folder or glob are never run.
 *
 * Every sample that comes out has exactly the inputs of the model, with their element types and shapes.
 * @param inputs the model's inputs that need feeding, in its order.
 * @throws DiagnosticError `data/…`, when the source is opened and, for what lies in the files, when it is read.
 */
export async function openSource(
  spec: SourceSpec,
  inputs: readonly InputSpec[],
  options: OpenSourceOptions = {},
): Promise<SampleSource> {
  for (const { name, type } of inputs) {
    if (type === undefined || type.kind === 'tensor') continue;
    throw new DiagnosticError({
      code: 'data/unsupported-input',
      message: `the input is ${formatType(type)}; samples hold tensors`,
      where: name,
      help: 'Only models whose inputs are tensors can be fed',
    });
  }
  return checkedSource(await openUnchecked(spec, inputs, options), inputs, options.cast ?? false);
}

async function openUnchecked(
  spec: SourceSpec,
  inputs: readonly InputSpec[],
  options: OpenSourceOptions,
): Promise<SampleSource> {
  if (spec === 'random') {
    return randomSource(inputs, {
      ...options.random,
      ...(options.onDiagnostic && { onDiagnostic: options.onDiagnostic }),
    });
  }
  if (typeof spec === 'string') {
    const { maxBytes = defaultLimits.maxBytes, maxPixels = defaultLimits.maxPixels } = options;
    return fileSource(spec, inputs, {
      cwd: options.cwd ?? process.cwd(),
      split: options.split ?? 'auto',
      image: options.image ?? {},
      limits: { maxBytes, maxPixels },
    });
  }
  if (isSource(spec)) return spec;
  const provider = isProvider(spec) ? spec : providerOf(spec);
  if (provider !== undefined) return providerSource(provider, inputs, 'samples of a program', 'samples');
  throw new DiagnosticError({
    code: 'data/bad-module',
    message: 'this gives no samples',
    help: 'Give a path, an array, or a function that returns an (async) iterable of { inputName: data }',
  });
}

const isSource = (spec: Exclude<SourceSpec, string>): spec is SampleSource =>
  'description' in spec &&
  typeof spec.description === 'string' &&
  'samples' in spec &&
  typeof spec.samples === 'function';
