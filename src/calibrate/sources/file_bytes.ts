import { type FileHandle, open, stat } from 'node:fs/promises';
import { DiagnosticError } from '../../ir/diagnostic.js';

/** A file with sample data: where it is, and what messages call it. */
export type DataFile = { readonly path: string; readonly name: string };

/**
 * All bytes of a file.
 * @throws DiagnosticError `data/unreadable`, `data/too-large`.
 */
export const readFileBytes = (file: DataFile, maxBytes: number): Promise<Uint8Array> =>
  withFile(file, async (handle, size) => {
    requireBytes(size, maxBytes, file.name);
    return readFully(handle, 0, size);
  });

/**
 * Opens the file for as long as `use` takes.
 * @throws DiagnosticError `data/unreadable` where the system refuses, or `use` meets the end of the file.
 */
export async function withFile<T>(file: DataFile, use: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    // Asked before it is opened: opening a pipe would wait for whoever writes to it.
    if (!(await stat(file.path)).isFile()) throw unreadable(file, 'not a regular file');
    handle = await open(file.path, 'r');
    return await use(handle, (await handle.stat()).size);
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw unreadable(file, cause.message, cause);
    throw cause;
  } finally {
    await handle?.close();
  }
}

/** What one call to the system may ask for. */
const maxRead = 2 ** 30;

/** `length` bytes from `offset`, or those up to the end of the file where it is shorter. */
export async function readFully(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(length - filled, maxRead), offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** @throws DiagnosticError `data/too-large`. */
export function requireBytes(bytes: number, maxBytes: number, where: string): void {
  if (bytes <= maxBytes) return;
  throw new DiagnosticError({
    code: 'data/too-large',
    message: `${bytes} bytes in memory at once, more than the limit of ${maxBytes}`,
    where,
    help: 'Save the samples in smaller files, or raise the limit (maxBytes)',
  });
}

const unreadable = (file: DataFile, reason: string, cause?: Error): DiagnosticError =>
  new DiagnosticError(
    { code: 'data/unreadable', message: `cannot be read: ${reason}`, where: file.name, help: 'Check path and access' },
    { cause },
  );
