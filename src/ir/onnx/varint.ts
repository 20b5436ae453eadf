/**
 * How many varints a packed run holds; undefined where one does not end or is longer than the ten bytes that 64 bits
 * take.
 */
export function countVarints(bytes: Uint8Array): number | undefined {
  let count = 0;
  let length = 0;
  for (const byte of bytes) {
    length += 1;
    if (byte < 0x80) {
      count += 1;
      length = 0;
    } else if (length === 10) return undefined;
  }
  return length === 0 ? count : undefined;
}

/**
 * Hands each varint of a well-formed run (see `countVarints`), cut to its low 64 bits, to `write` with its position.
 * @returns how many there were.
 */
export function readVarints(
  bytes: Uint8Array,
  start: number,
  write: (index: number, low: number, high: number) => void,
): number {
  let index = start;
  let low = 0;
  let high = 0;
  let shift = 0;
  for (const byte of bytes) {
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high |= bits >> 4;
    } else high |= bits << (shift - 32);
    shift += 7;
    if (byte >= 0x80) continue;
    write(index, low >>> 0, high >>> 0);
    index += 1;
    low = 0;
    high = 0;
    shift = 0;
  }
  return index - start;
}

/** @param value up to 2^53 − 1. */
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
