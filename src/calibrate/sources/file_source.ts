import { basename } from 'node:path/posix';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { openNpy } from './array_reader.js';
import type { DataFile } from './file_bytes.js';
import type { ImageOptions } from './image_options.js';
import { imageSource } from './image_source.js';
import { isLabelName, withLabels, wrongLabels } from './labels.js';
import { type FileKind, fileKind, listFiles } from './list_files.js';
import { moduleSource } from './module_source.js';
import { npySource } from './npy_source.js';
import { npzSource } from './npz_source.js';
import { protoSource } from './proto_source.js';
import type { InputSpec, ReadLimits, SampleSource, Split } from './source.js';

export type FileSourceOptions = {
  /** What paths and globs start from; the process's folder unless told. */
  readonly cwd: string;
  readonly split: Split;
  readonly image: ImageOptions;
  readonly limits: ReadLimits;
};

/**
 * Samples from a file, a folder or a glob of files of one kind. Among several files, `labels.npy` (or `label.npy`),
 * unless an input has that name, labels the samples of all others in their order.
 * @throws DiagnosticError `data/mixed-kinds`, and the codes of `listFiles` and of the sources.
 */
export async function fileSource(
  spec: string,
  inputs: readonly InputSpec[],
  options: FileSourceOptions,
): Promise<SampleSource> {
  const { origin, files } = await listFiles(spec, options.cwd);
  const isLabels = ({ name }: DataFile): boolean => {
    const [, stem] = /^(.+)\.npy$/i.exec(basename(name)) ?? [];
    return origin !== 'file' && stem !== undefined && isLabelName(stem, inputs);
  };
  const [labelFile, second] = files.filter(isLabels);
  if (second !== undefined) throw wrongLabels(`a second array of labels beside ${labelFile?.name}`, second.name);
  const data = files.filter((file) => file !== labelFile);
  const [first] = data;
  if (first === undefined) {
    throw new DiagnosticError({
      code: 'data/empty',
      message: 'labels, but no samples',
      where: spec,
      help: 'Put the samples beside their labels',
    });
  }
  const source = await openKind(kindOf(data, spec), first, data, inputs, spec, labelFile !== undefined, options);
  return labelFile === undefined ? source : withLabels(source, await openNpy(labelFile, options.limits.maxBytes));
}

function kindOf(files: readonly DataFile[], spec: string): FileKind {
  const kinds = new Map(files.map((file) => [fileKind(file.path), file.name]));
  const [kind] = kinds.keys();
  if (kinds.size > 1 || kind === undefined) {
    throw new DiagnosticError({
      code: 'data/mixed-kinds',
      message: `files of several kinds: ${[...kinds.values()].join(', ')}`,
      where: spec,
      help: 'Choose one kind with a glob, such as data/**/*.npz',
    });
  }
  return kind;
}

async function openKind(
  kind: FileKind,
  first: DataFile,
  files: readonly DataFile[],
  inputs: readonly InputSpec[],
  spec: string,
  alwaysCount: boolean,
  options: FileSourceOptions,
): Promise<SampleSource> {
  const number = `${files.length} ${kind === 'image' ? 'image' : `.${kind}`} file${files.length === 1 ? '' : 's'}`;
  const description = `${number} of ${spec}`;
  switch (kind) {
    case 'npy':
      return npySource(files, inputs, description, { ...options, alwaysCount });
    case 'npz':
      return npzSource(files, inputs, description, options);
    case 'pb':
      return protoSource(files, inputs, description, options);
    case 'image':
      return imageSource(files, inputs, description, options);
    case 'module':
      return moduleSource(first, inputs);
  }
}
