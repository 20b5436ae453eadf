import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Tensor } from '../../ir/tensor.js';
import { requireBytes } from './file_bytes.js';
import { decodeNpy } from './npy.js';

const maxEntries = 4096;

/**
 * The arrays of an NPZ file by key: a zip archive of `<key>.npy`, stored or deflated, zip64 included. Keys are never
 * taken for paths. Checksums are not compared; sizes are.
 * @param maxBytes of all arrays together, which the archive's directory announces: no byte is unpacked beyond what was
 * announced, and none at all where that is more.
 * @throws DiagnosticError `data/malformed-npz`, `data/malformed-npy` for an array in it, `data/too-large`.
 */
export async function decodeNpz(bytes: Uint8Array, where: string, maxBytes: number): Promise<Map<string, Tensor>> {
  const sizes = new Map<string, number>();
  let total = 0;
  let entries = 0;
  const { unzipSync } = await import('fflate');
  const unpack = (): Record<string, Uint8Array> =>
    unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        if (++entries > maxEntries) throw malformedNpz(`more than ${maxEntries} entries`, where);
        if (!name.endsWith('.npy')) throw malformedNpz(`an entry "${name}" that is no .npy array`, where);
        if (sizes.has(name)) throw malformedNpz(`two entries "${name}"`, where);
        sizes.set(name, originalSize);
        total += originalSize;
        requireBytes(total, maxBytes, where);
        return true;
      },
    });
  let files: Record<string, Uint8Array>;
  try {
    files = unpack();
  } catch (cause) {
    if (cause instanceof DiagnosticError) throw cause;
    throw malformedNpz(`no readable zip archive: ${cause instanceof Error ? cause.message : cause}`, where, cause);
  }
  const arrays = new Map<string, Tensor>();
  for (const [name, size] of sizes) {
    const file = files[name]!;
    if (file.length !== size) throw malformedNpz(`"${name}" unpacks to ${file.length} bytes, not to ${size}`, where);
    const key = name.slice(0, -'.npy'.length);
    arrays.set(key, decodeNpy(file, keyed(where, key)));
  }
  return arrays;
}

/** How messages call one array of an archive. */
export const keyed = (where: string, key: string): string => `${where}[${JSON.stringify(key)}]`;

const malformedNpz = (message: string, where: string, cause?: unknown): DiagnosticError =>
  new DiagnosticError(
    { code: 'data/malformed-npz', message, where, help: 'Write the file again with numpy.savez' },
    { cause },
  );
