import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { npyTypes } from '../../../src/calibrate/sources/npy_header.js';
import type { InputSpec, Sample, SampleSource } from '../../../src/calibrate/sources/source.js';
import type { DataType } from '../../../src/ir/data_type.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { type Dim, symbol } from '../../../src/ir/dim.js';
import { type Tensor, tensorData } from '../../../src/ir/tensor.js';
import { tensorType } from '../../../src/ir/value_type.js';

/** Call inside `describe`: gives a function that writes files into a fresh folder, which goes away after the test. */
export function temporaryFolders(): (files: Record<string, Uint8Array | string>) => Promise<string> {
  const made: string[] = [];
  afterEach(async () => {
    for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
  });
  return async (files) => {
    const folder = await mkdtemp(join(tmpdir(), 'onnxopt-samples-'));
    made.push(folder);
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    return folder;
  };
}

/** A text is a symbolic dimension, undefined an unknown one. */
export const input = (
  name: string,
  dims?: readonly (number | string | Dim | undefined)[],
  dtype: DataType = 'float',
): InputSpec => ({
  name,
  type: tensorType(
    dtype,
    dims?.map((dim) => (typeof dim === 'string' ? symbol(dim) : dim)),
  ),
});

export async function collect(source: SampleSource): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of source.samples()) samples.push(sample);
  return samples;
}

export const values = (tensor: Tensor | undefined): (number | bigint)[] =>
  tensor === undefined ? [] : Array.from<number | bigint>(tensorData(tensor));

/** `name: input dims values; …` for each sample, which reads well in an expectation. */
export const lines = (samples: readonly Sample[]): string[] =>
  samples.map(
    ({ name, feeds, labels }) =>
      `${name}: ${[...feeds].map(([key, tensor]) => `${key}[${tensor.dims}] ${values(tensor)}`).join('; ')}${
        labels === undefined ? '' : ` = [${labels.dims}] ${values(labels)}`
      }`,
  );

/** What the diagnostic says, of work that must end in one. */
export async function diagnosticOf(work: Promise<unknown> | (() => unknown)): Promise<DiagnosticError['diagnostic']> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostic;
    throw error;
  }
  return expect.fail('no diagnostic');
}

/** An NPY file of any header, as text after the magic bytes: what `writeNpy` would refuse to write. */
export function rawNpy(header: string, data: Uint8Array | readonly number[] = [], version = [1, 0]): Uint8Array {
  const size = version[0] === 1 ? Buffer.alloc(2) : Buffer.alloc(4);
  if (version[0] === 1) size.writeUInt16LE(header.length);
  else size.writeUInt32LE(header.length);
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, ...version]);
  return Buffer.concat([magic, size, Buffer.from(header, 'latin1'), Buffer.from(data)]);
}

export const npyDtypes: readonly DataType[] = [...npyTypes.values()];
