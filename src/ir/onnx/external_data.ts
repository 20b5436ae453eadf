import fs from 'node:fs';
import path from 'node:path';
import { DiagnosticError } from '../diagnostic.js';
import type { TensorStorage } from '../tensor.js';
import type { EntryProto } from './messages.js';

/** The files beside a model that hold tensor data. Nothing is read before somebody asks. */
export type ExternalReader = {
  /**
   * The storage that `external_data` entries describe.
   * @throws DiagnosticError `load/external-data-escapes`, `-missing`, `-short`, `-malformed`; `load/tensor-size-mismatch`.
   */
  storage(entries: readonly EntryProto[], byteLength: number, where: string): TensorStorage;
};

/** Storage that knows its place, so that an encoder can copy file to file. */
export type ExternalStorage = TensorStorage & { readonly file: string; readonly offset: number };

/** Reads below `folder` only: a path that leaves it, through `..`, a link or being absolute, is refused. */
export function externalReader(folder: string): ExternalReader {
  const root = fs.realpathSync(folder);
  const sizes = new Map<string, { file: string; size: number }>();
  const locate = (location: string, where: string) => {
    const known = sizes.get(location);
    if (known !== undefined) return known;
    const file = resolveInside(root, location, where);
    const found = { file, size: fs.statSync(file).size };
    sizes.set(location, found);
    return found;
  };
  return {
    storage(entries, byteLength, where) {
      const fields = new Map(entries.map(({ key, value }) => [key ?? '', value ?? '']));
      const offset = byteCount(fields.get('offset') ?? '0', 'offset', where);
      const length = byteCount(fields.get('length') ?? String(byteLength), 'length', where);
      if (length !== byteLength) {
        throw new DiagnosticError({
          code: 'load/tensor-size-mismatch',
          message: `its type takes ${byteLength} bytes, the external data entry says ${length}`,
          where,
        });
      }
      const { file, size } = locate(fields.get('location') ?? '', where);
      if (offset + length > size) {
        throw new DiagnosticError({
          code: 'load/external-data-short',
          message: `${path.basename(file)} has ${size} bytes, the tensor ends at ${offset + length}`,
          where,
          help: 'Copy the data file again; it was cut off',
        });
      }
      return externalStorage(file, offset, length);
    },
  };
}

function byteCount(text: string, key: string, where: string): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new DiagnosticError({
    code: 'load/external-data-malformed',
    message: `${key} is "${text.slice(0, 40)}"`,
    where,
  });
}

function resolveInside(root: string, location: string, where: string): string {
  const escapes = () =>
    new DiagnosticError({
      code: 'load/external-data-escapes',
      message: `external data path "${location.slice(0, 200)}" leaves the folder of the model`,
      where,
      help: 'Place the data file beside the model',
    });
  const portable = location.replaceAll('\\', '/');
  const absolute = portable.startsWith('/') || /^[a-zA-Z]:/.test(portable);
  if (portable === '' || portable.includes('\0') || absolute || portable.split('/').includes('..')) throw escapes();
  let real: string;
  try {
    real = fs.realpathSync(path.join(root, location));
  } catch (cause) {
    throw new DiagnosticError(
      { code: 'load/external-data-missing', message: `no file "${location.slice(0, 200)}" beside the model`, where },
      { cause },
    );
  }
  if (!real.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) throw escapes();
  if (!fs.statSync(real).isFile()) {
    throw new DiagnosticError({ code: 'load/external-data-missing', message: `"${location}" is not a file`, where });
  }
  return real;
}

function externalStorage(file: string, offset: number, length: number): ExternalStorage {
  const read = (from: number, count: number): Uint8Array => {
    const bytes = Buffer.allocUnsafeSlow(count);
    const handle = fs.openSync(file, 'r');
    try {
      for (let done = 0; done < count; ) {
        const step = fs.readSync(handle, bytes, done, Math.min(count - done, 1 << 30), offset + from + done);
        if (step === 0) {
          throw new DiagnosticError({
            code: 'load/external-data-short',
            message: `${path.basename(file)} got shorter`,
          });
        }
        done += step;
      }
    } finally {
      fs.closeSync(handle);
    }
    return bytes;
  };
  return { kind: 'external', file, offset, bytes: () => read(0, length), range: read };
}

export const isExternalStorage = (storage: TensorStorage): storage is ExternalStorage =>
  storage.kind === 'external' && 'file' in storage;
