import fs from 'node:fs';
import path from 'node:path';
import { DiagnosticError } from '../diagnostic.js';
import type { Model } from '../graph.js';
import type { Tensor } from '../tensor.js';
import { modelGraphs } from '../traversal.js';
import { decodeModel } from './decode.js';
import { encodeModelChunks } from './encode.js';
import { isExternalStorage } from './external_data.js';
import type { ExternalPlacement } from './tensor_codec.js';

/** protobuf's own limit: a message is smaller than 2 GiB. */
const maxFileBytes = 2 ** 31 - 1;

/** Tensors below this stay in the model file, as shapes and scalars are read with it. */
const minExternalBytes = 1024;

/** ONNX asks for offsets that can be memory-mapped. */
const alignment = 4096;

/**
 * Reads a model file; external data is looked for in its folder and read when asked for.
 * @throws DiagnosticError `load/…`.
 */
export function loadModel(file: string): Model {
  let bytes: Uint8Array;
  try {
    const stats = fs.statSync(file);
    if (!stats.isFile()) throw new DiagnosticError({ code: 'load/not-a-file', message: `"${file}" is not a file` });
    if (stats.size > maxFileBytes) {
      throw new DiagnosticError({
        code: 'load/too-large',
        message: `"${file}" has ${stats.size} bytes; a model file holds less than 2 GiB`,
        help: 'Weights beyond that belong in external data',
      });
    }
    bytes = fs.readFileSync(file);
  } catch (cause) {
    if (cause instanceof DiagnosticError) throw cause;
    throw new DiagnosticError(
      { code: 'load/unreadable', message: `cannot read "${file}": ${reasonOf(cause)}` },
      { cause },
    );
  }
  return decodeModel(bytes, { folder: path.dirname(path.resolve(file)) });
}

export type SaveOptions = {
  /**
   * Where weights go: `keep` leaves each where it was read from (a data file, where it came from one); `always` moves
   * all of 1 KiB and more into one data file; `never` puts all into the model. A model that would pass 2 GiB takes the
   * data file whatever was asked. Default `keep`.
   */
  readonly externalData?: 'keep' | 'always' | 'never';
  /** What the name of the data file has behind that of the model. Default `.data`. */
  readonly dataSuffix?: string;
};

/** What was written, beside each other. */
export type SavedFiles = { readonly model: string; readonly data: string | undefined; readonly bytes: number };

/**
 * Writes `model` into `folder` as `name`, with a data file beside it where data goes outside. Overwrites; callers that
 * replace something good write elsewhere first and move (`replaceFiles`).
 * @throws DiagnosticError `save/failed`.
 */
export function saveModelInto(model: Model, folder: string, name: string, options: SaveOptions = {}): SavedFiles {
  const mode = options.externalData ?? 'keep';
  const target = path.join(folder, name);
  const dataName = `${name}${options.dataSuffix ?? '.data'}`;
  try {
    let reused = mode === 'keep' ? reusableDataFile(model) : undefined;
    let plan = planExternal(dataName, mode, reused);
    let chunks = encodeModelChunks(model, plan.placement);
    if (totalBytes(chunks) > maxFileBytes) {
      reused = undefined;
      plan = planExternal(dataName, 'always');
      chunks = encodeModelChunks(model, plan.placement);
    }
    if (totalBytes(chunks) > maxFileBytes) {
      throw new DiagnosticError({ code: 'save/too-large', message: 'the model passes 2 GiB without its weights' });
    }
    writeChunks(target, chunks);
    const data = plan.tensors.length > 0 ? path.join(folder, dataName) : undefined;
    if (data !== undefined) writeExternal(data, plan.tensors, reused);
    return {
      model: target,
      data,
      bytes: totalBytes(chunks) + plan.tensors.reduce((sum, { tensor }) => sum + tensor.byteLength, 0),
    };
  } catch (cause) {
    if (cause instanceof DiagnosticError) throw cause;
    throw saveFailed(target, cause);
  }
}

/**
 * Writes a model to `file` so that a failure leaves what was there: into a folder beside it first, then moved.
 * @throws DiagnosticError `save/failed`.
 */
export function saveModel(model: Model, file: string, options: SaveOptions = {}): SavedFiles {
  const staging = openStaging(file);
  try {
    const saved = saveModelInto(model, staging.folder, path.basename(file), options);
    return staging.commit(saved);
  } finally {
    staging.close();
  }
}

/** A folder beside the output: what lands there is moved into place in the end, or vanishes. */
export type Staging = { readonly folder: string; commit(saved: SavedFiles): SavedFiles; close(): void };

export function openStaging(file: string): Staging {
  const target = path.resolve(file);
  let folder: string;
  try {
    if (fs.existsSync(target) && !fs.statSync(target).isFile()) throw new Error('it is not a file');
    folder = fs.mkdtempSync(path.join(path.dirname(target), `.${path.basename(target)}.`));
  } catch (cause) {
    throw saveFailed(file, cause);
  }
  // A signal ends the program past every `finally`; its handler lets exit listeners run.
  const remove = () => fs.rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  return {
    folder,
    commit(saved) {
      try {
        const data = saved.data === undefined ? undefined : path.join(path.dirname(target), path.basename(saved.data));
        if (saved.data !== undefined && data !== undefined) fs.renameSync(saved.data, data);
        fs.renameSync(saved.model, target);
        return { ...saved, model: target, data };
      } catch (cause) {
        throw saveFailed(file, cause);
      }
    },
    close() {
      process.off('exit', remove);
      remove();
    },
  };
}

const saveFailed = (file: string, cause: unknown): DiagnosticError =>
  new DiagnosticError(
    {
      code: 'save/failed',
      message: `cannot write "${file}": ${reasonOf(cause)}`,
      help: 'Check the folder, its permissions and the space left',
    },
    { cause },
  );

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = (cause as NodeJS.ErrnoException).code;
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or folder',
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left on the device',
    EISDIR: 'it is a folder',
    ENOTDIR: 'part of the path is not a folder',
  };
  return (code !== undefined && reasons[code]) || cause.message;
}

const totalBytes = (chunks: readonly Uint8Array[]): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0);

/** A data file whose tensors are nearly all still there: it is copied whole, every tensor staying where it lies. */
function reusableDataFile(model: Model): string | undefined {
  let file: string | undefined;
  let bytes = 0;
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) {
      if (initializer?.kind !== 'dense' || !isExternalStorage(initializer.storage)) continue;
      if (file !== undefined && file !== initializer.storage.file) return undefined;
      file = initializer.storage.file;
      bytes += initializer.byteLength;
    }
  }
  const mostOfIt = 0.9;
  return file !== undefined && bytes >= mostOfIt * fs.statSync(file).size ? file : undefined;
}

type Placed = { readonly tensor: Tensor; readonly offset: number };

function planExternal(
  dataName: string,
  mode: 'keep' | 'always' | 'never',
  reused: string | undefined = undefined,
): { placement: ExternalPlacement; tensors: Placed[] } {
  const tensors: Placed[] = [];
  let end = reused === undefined ? 0 : fs.statSync(reused).size;
  const placement: ExternalPlacement = {
    place(tensor) {
      const outside =
        mode === 'keep'
          ? tensor.storage.kind === 'external'
          : mode === 'always' && tensor.byteLength >= minExternalBytes;
      if (!outside) return undefined;
      const stays = reused !== undefined && isExternalStorage(tensor.storage) && tensor.storage.file === reused;
      const offset = stays ? tensor.storage.offset : Math.ceil(end / alignment) * alignment;
      if (!stays) end = offset + tensor.byteLength;
      tensors.push({ tensor, offset });
      return [
        { key: 'location', value: dataName },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(tensor.byteLength) },
      ];
    },
  };
  return { placement, tensors };
}

function writeChunks(file: string, chunks: readonly Uint8Array[]): void {
  const handle = fs.openSync(file, 'w');
  try {
    for (let at = 0; at < chunks.length; at += 512) writeAll(handle, chunks.slice(at, at + 512));
  } finally {
    fs.closeSync(handle);
  }
}

/** writev may write less than asked, on a full disk or past 2 GiB. */
function writeAll(handle: number, chunks: readonly Uint8Array[]): void {
  let pending = chunks.filter((chunk) => chunk.length > 0);
  while (pending.length > 0) {
    let written = fs.writevSync(handle, pending);
    if (written === 0) throw Object.assign(new Error('nothing could be written'), { code: 'ENOSPC' });
    let done = 0;
    while (done < pending.length && written >= pending[done]!.length) {
      written -= pending[done]!.length;
      done += 1;
    }
    pending = pending.slice(done);
    if (written > 0) pending[0] = pending[0]!.subarray(written);
  }
}

const blockBytes = 8 * 2 ** 20;

function writeExternal(file: string, tensors: readonly Placed[], reused: string | undefined): void {
  // The kernel copies a whole file in half the time of reading and writing it.
  if (reused !== undefined) fs.copyFileSync(reused, file, fs.constants.COPYFILE_FICLONE);
  const handle = fs.openSync(file, reused === undefined ? 'w' : 'r+');
  const block = Buffer.allocUnsafeSlow(blockBytes);
  try {
    for (const { tensor, offset } of tensors) {
      if (!isExternalStorage(tensor.storage)) writeStorage(handle, tensor, offset);
      else if (tensor.storage.file !== reused) {
        copyRange(tensor.storage.file, tensor.storage.offset, handle, offset, tensor.byteLength, block);
      }
    }
  } finally {
    fs.closeSync(handle);
  }
}

/** What lies outside is read a block at a time, as it may be larger than memory. */
function writeStorage(handle: number, { storage, byteLength }: Tensor, offset: number): void {
  if (storage.kind === 'memory') writeAt(handle, storage.bytes(), offset);
  else {
    for (let at = 0; at < byteLength; at += blockBytes) {
      writeAt(handle, storage.range(at, Math.min(blockBytes, byteLength - at)), offset + at);
    }
  }
}

function copyRange(source: string, from: number, target: number, to: number, length: number, block: Buffer): void {
  const handle = fs.openSync(source, 'r');
  try {
    for (let done = 0; done < length; ) {
      const step = fs.readSync(handle, block, 0, Math.min(block.length, length - done), from + done);
      if (step === 0) {
        throw new DiagnosticError({
          code: 'load/external-data-short',
          message: `${path.basename(source)} got shorter`,
        });
      }
      writeAt(target, block.subarray(0, step), to + done);
      done += step;
    }
  } finally {
    fs.closeSync(handle);
  }
}

function writeAt(handle: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const step = fs.writeSync(handle, bytes, done, bytes.length - done, offset + done);
    if (step === 0) throw Object.assign(new Error('nothing could be written'), { code: 'ENOSPC' });
    done += step;
  }
}
