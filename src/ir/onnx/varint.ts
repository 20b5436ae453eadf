import { DiagnosticError } from '../diagnostic.js';

/**
 * Packed varints, each cut to its low 64 bits, handed to `write` with its position.
 * @returns how many there were.
 * @throws DiagnosticError `load/truncated` where the last one does not end.
 */
export function readVarints(
  bytes: Uint8Array,
  start: number,
  write: (index: number, low: number, high: number) => void,
): number {
  let index = start;
  let position = 0;
  while (position < bytes.length) {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      if (position >= bytes.length || shift > 63) {
        throw new DiagnosticError({ code: 'load/truncated', message: 'tensor data ends inside a number' });
      }
      const byte = bytes[position]!;
      position += 1;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
      shift += 7;
    }
    write(index, low >>> 0, high >>> 0);
    index += 1;
  }
  return index - start;
}

/** How many varints a packed run holds: bytes without the continuation bit. */
export function countVarints(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte < 0x80) count += 1;
  return count;
}

export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Splits an unknown field as protobufjs keeps it into its number and its payload. */
export function splitRawField(raw: Uint8Array): { id: number; wireType: number; payload: Uint8Array } {
  let end = 0;
  while (end < raw.length && raw[end]! >= 0x80) end += 1;
  let tag = 0;
  for (let index = Math.min(end, 4); index >= 0; index -= 1) tag = tag * 0x80 + (raw[index]! & 0x7f);
  return { id: Math.floor(tag / 8), wireType: tag % 8, payload: raw.subarray(end + 1) };
}
