import { pathToFileURL } from 'node:url';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { type TensorType, tensorType } from '../../ir/value_type.js';
import { checkNames } from './check_feeds.js';
import { type FeedValue, feedTensor } from './feed_values.js';
import type { DataFile } from './file_bytes.js';
import { isAsyncIterable, isIterable, isObject } from './js_values.js';
import { isLabelName, wrongLabels } from './labels.js';
import type { InputSpec, Sample, SampleSource } from './source.js';

/** One sample as JavaScript has it: a value for every input name; `labels` or `label`, where no input, holds labels. */
export type PlainFeeds = Readonly<Record<string, FeedValue>> | ReadonlyMap<string, FeedValue>;

type Several = Iterable<PlainFeeds> | AsyncIterable<PlainFeeds>;

/** Samples, or a function that gives them, now or later. It is called anew for every reading. */
export type SampleProvider = Several | (() => Several | Promise<Several>);

/**
 * Runs a module (`.js`, `.mjs`, `.ts`) and takes its export `samples`, or else its default export, as a
 * `SampleProvider`. The module has all the rights of this process.
 * @throws DiagnosticError `data/module-failed` where it cannot be run, `data/bad-module` where it exports no samples.
 */
export async function moduleSource(file: DataFile, inputs: readonly InputSpec[]): Promise<SampleSource> {
  const { createJiti } = await import('jiti');
  let exported: unknown;
  try {
    exported = await createJiti(import.meta.url, { fsCache: false }).import(pathToFileURL(file.path).href);
  } catch (cause) {
    throw moduleFailed(file.name, cause);
  }
  const provider = providerOf(exported);
  if (provider === undefined) throw badModule('the module exports no samples', file.name);
  return providerSource(provider, inputs, `samples of the module ${file.name}`, file.name);
}

/** The samples that a module's exports give, or undefined where there are none. */
export function providerOf(exported: unknown): SampleProvider | undefined {
  const candidates = isObject(exported)
    ? ['samples' in exported && exported.samples, 'default' in exported && exported.default]
    : [];
  return candidates.find(isProvider);
}

/** Whether the value gives several samples; what these are is looked at one by one. */
export const isProvider = (value: unknown): value is SampleProvider =>
  typeof value === 'function' || isAsyncIterable(value) || isIterable(value);

/**
 * Samples that JavaScript gives. `where` names the module, or the option, in messages.
 * @throws DiagnosticError when samples are read: `data/module-failed`, `data/bad-module`, `data/bad-value` and those of
 * `feedTensor`.
 */
export function providerSource(
  provider: SampleProvider,
  inputs: readonly InputSpec[],
  description: string,
  where: string,
): SampleSource {
  let started = false;
  async function* samples(): AsyncGenerator<Sample> {
    if (started && isOneShot(provider)) {
      throw badModule('the samples can be read only once, and are needed again', where);
    }
    started = true;
    let index = 0;
    for await (const plain of guarded(provider, where)) {
      const name = `${where}[${index++}]`;
      yield await attempt(name, async () => plainSample(plain, inputs, name));
    }
  }
  return { description, ...(Array.isArray(provider) && { count: provider.length }), samples };
}

/** A generator is its own iterator, and ends for good. */
function isOneShot(provider: SampleProvider): boolean {
  if (typeof provider === 'function') return false;
  return 'next' in provider && typeof provider.next === 'function';
}

/** What the provider gives, its exceptions told apart from ours. */
async function* guarded(provider: SampleProvider, where: string): AsyncGenerator<unknown> {
  const iterator = await attempt(where, async () =>
    iteratorOf(typeof provider === 'function' ? await provider() : provider, where),
  );
  let open = true;
  try {
    while (true) {
      open = false;
      const result = await attempt(where, async () => iterator.next());
      if (result.done) return;
      open = true;
      yield await attempt(where, async () => result.value);
    }
  } finally {
    if (open) await iterator.return?.();
  }
}

function iteratorOf(several: unknown, where: string): Iterator<unknown> | AsyncIterator<unknown> {
  if (isAsyncIterable(several)) return several[Symbol.asyncIterator]();
  if (isIterable(several)) return several[Symbol.iterator]();
  throw badModule('what should give the samples cannot be iterated', where);
}

async function attempt<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw cause instanceof DiagnosticError || cause instanceof InvariantError ? cause : moduleFailed(where, cause);
  }
}

function plainSample(plain: unknown, inputs: readonly InputSpec[], name: string): Sample {
  if (!isObject(plain) || (isIterable(plain) && !(plain instanceof Map))) {
    throw badModule('a sample is no object of input names and values', name);
  }
  const entries = new Map<unknown, unknown>(plain instanceof Map ? plain : Object.entries(plain));
  const keys = [...entries.keys()].map(String);
  const [labelKey, second] = keys.filter((key) => isLabelName(key, inputs));
  if (second !== undefined) throw wrongLabels(`both "${labelKey}" and "${second}"`, name);
  checkNames(
    keys.filter((key) => key !== labelKey),
    inputs,
    name,
  );
  const feeds = new Map(inputs.map((input) => [input.name, feedTensor(entries.get(input.name), input, name)]));
  if (labelKey === undefined) return { name, feeds };
  const labels = feedTensor(entries.get(labelKey), { name: labelKey, type: labelType(entries.get(labelKey)) }, name);
  return { name, feeds, labels };
}

/** Labels are 1-D unless they say otherwise, and whole numbers are int64. */
function labelType(value: unknown): TensorType {
  const whole = Array.isArray(value) ? value.every(Number.isSafeInteger) : Number.isSafeInteger(value);
  return tensorType(whole ? 'int64' : undefined, [undefined]);
}

const badModule = (message: string, where: string): DiagnosticError =>
  new DiagnosticError({
    code: 'data/bad-module',
    message,
    where,
    help: 'Export samples: an array, or a function that returns an (async) iterable of { inputName: data }',
  });

const moduleFailed = (where: string, cause: unknown): DiagnosticError =>
  new DiagnosticError(
    {
      code: 'data/module-failed',
      message: `the module threw: ${cause instanceof Error ? cause.message : String(cause)}`,
      where,
      help: 'Correct the module',
    },
    { cause },
  );
