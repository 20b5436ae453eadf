import { basename, dirname } from 'node:path/posix';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { inputFileNames, parseArrayName } from './array_names.js';
import { type ArrayReader, openNpy } from './array_reader.js';
import { listNames } from './check_feeds.js';
import type { DataFile } from './file_bytes.js';
import type { InputSpec, ReadLimits, Sample, SampleSource, Split } from './source.js';
import { type SampleSet, splitSamples } from './split_samples.js';

/** Up to so many groups of files, their headers are read to tell how many samples there are. */
const maxCounted = 1000;

type Group = { readonly name: string; readonly files: Map<string, DataFile> };

export type NpyOptions = {
  readonly split: Split;
  readonly limits: ReadLimits;
  /** Tell the number of samples, however many headers that takes reading. */
  readonly alwaysCount: boolean;
};

/**
 * Samples from `.npy` files.
 *
 * - A model with one input: every file is a sample, whatever its name.
 * - A model with more: the name says which input a file feeds, `<input>.npy` or `<sample>.<input>.npy`; files of one
 *   folder, or of one folder and `<sample>`, belong together. In a file name `_` may stand for a letter that file
 *   names cannot hold, such as `/` or `:`.
 * - Each file, or each group of files, is one sample or is split into several by the rule of `Split`.
 *
 * @throws DiagnosticError `data/unknown-input`, and what `openNpy` and `splitSamples` throw.
 */
export async function npySource(
  files: readonly DataFile[],
  inputs: readonly InputSpec[],
  description: string,
  options: NpyOptions,
): Promise<SampleSource> {
  const groups = groupFiles(files, inputs);
  const open = async ({ files }: Group): Promise<SampleSet> => {
    const arrays = new Map<string, ArrayReader>();
    for (const [input, file] of files) arrays.set(input, await openNpy(file, options.limits.maxBytes));
    return splitSamples(arrays, inputs, options.split);
  };
  const count = await countSamples(groups, open, options);

  async function* samples(): AsyncGenerator<Sample> {
    for (const group of groups) {
      const set = await open(group);
      for (let part = 0; part < set.count; part++) {
        const name = set.count === 1 ? group.name : `${group.name}[${part}]`;
        yield { name, feeds: await set.read(part) };
      }
    }
  }
  return { description, ...(count !== undefined && { count }), samples };
}

function groupFiles(files: readonly DataFile[], inputs: readonly InputSpec[]): Group[] {
  const [only] = inputs;
  if (only !== undefined && inputs.length === 1) {
    return files.map((file) => ({ name: file.name, files: new Map([[only.name, file]]) }));
  }
  const names = inputFileNames(inputs);
  const groups = new Map<string, Group>();
  for (const file of files) {
    const parsed = parseArrayName(basename(file.name).replace(/\.npy$/i, ''), names);
    if (parsed === undefined) throw unnamedFile(file, inputs);
    const folder = dirname(file.name);
    const key = folder === '.' ? parsed.sample : `${folder}/${parsed.sample}`;
    const group = groups.get(key) ?? { name: key.replace(/\/$/, ''), files: new Map() };
    const twin = group.files.get(parsed.input);
    if (twin !== undefined) {
      const message = `a second array for "${parsed.input}" beside ${twin.name}`;
      throw new DiagnosticError({ code: 'data/unknown-input', message, where: file.name, help: 'Remove one of them' });
    }
    group.files.set(parsed.input, file);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ name, files }) => ({
    // Files of the inputs' plain names have no sample name in common.
    name: name === '' ? [...files.values()].map((file) => file.name).join('+') : name,
    files,
  }));
}

const unnamedFile = (file: DataFile, inputs: readonly InputSpec[]): DiagnosticError =>
  new DiagnosticError({
    code: 'data/unknown-input',
    message: 'the file name names no input of the model',
    where: file.name,
    help: `Name the files <input>.npy, <sample>.<input>.npy or <sample>/<input>.npy; the inputs are ${listNames(inputs)}`,
  });

async function countSamples(
  groups: readonly Group[],
  open: (group: Group) => Promise<SampleSet>,
  { split, alwaysCount }: NpyOptions,
): Promise<number | undefined> {
  if (split === false) return groups.length;
  if (!alwaysCount && groups.length > maxCounted) return undefined;
  let count = 0;
  for (const group of groups) count += (await open(group)).count;
  return count;
}
