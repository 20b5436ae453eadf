import { createHash } from 'node:crypto';
import type { Tensor } from '../../ir/tensor.js';

/** Tensors in files of their own are compared up to this size: beyond, reading them costs more than it saves. */
const maxExternalBytes = 1 << 20;

/** Tensors up to this size are described in full by their signature; of longer ones, both ends are. */
const signatureBytes = 64;

/**
 * A short text that equal tensors share; undefined where comparing is not worth it.
 * Cheap: reads no more than `signatureBytes` of what is in memory.
 */
export function tensorSignature(tensor: Tensor): string | undefined {
  if (!isComparable(tensor)) return undefined;
  const head = `${tensor.dtype}[${tensor.dims}]${tensor.byteLength}`;
  if (tensor.strings !== undefined) {
    const hash = createHash('sha256');
    for (const text of tensor.strings) hash.update(`${text.byteLength}:`).update(text);
    return `${head}:${hash.digest('base64')}`;
  }
  const bytes = tensor.storage.bytes();
  const half = signatureBytes / 2;
  const ends = bytes.byteLength <= signatureBytes ? [bytes] : [bytes.subarray(0, half), bytes.subarray(-half)];
  return `${head}:${ends.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64'))}`;
}

/** Whether two tensors have the same type, shape and bytes. −0 and 0 differ, and so do two NaNs of other bits. */
export function tensorsEqual(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || a.byteLength !== b.byteLength || a.dims.length !== b.dims.length) return false;
  if (a.dims.some((dim, axis) => dim !== b.dims[axis])) return false;
  if (!isComparable(a) || !isComparable(b)) return false;
  if (a.strings !== undefined || b.strings !== undefined) {
    return a.strings?.every((text, index) => bytesEqual(text, b.strings?.[index])) ?? false;
  }
  return bytesEqual(a.storage.bytes(), b.storage.bytes());
}

const isComparable = ({ storage, byteLength }: Tensor): boolean =>
  storage.kind === 'memory' || byteLength <= maxExternalBytes;

const bytesEqual = (a: Uint8Array, b: Uint8Array | undefined): boolean => b !== undefined && Buffer.compare(a, b) === 0;
