/**
 * Text in a model should be UTF-8, and some is not (names in GBK, comments in Latin-1). A byte that is no UTF-8 is
 * decoded to the lone surrogate U+DC00 + byte, which no text has, and encoded back from it: nothing gets lost and
 * different bytes give different strings.
 */
export function decodeText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  return text.includes('\uFFFD') ? decodeLossless(bytes.subarray(start, end)) : text;
}

const loneSurrogate = /\p{Surrogate}/u;

/** The bytes of a text that holds lone surrogates; undefined for any other, which is plain UTF-8. */
export function encodeLoneSurrogates(text: string): Uint8Array | undefined {
  if (!loneSurrogate.test(text)) return undefined;
  const parts = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character);
  });
  return Buffer.concat(parts);
}

function decodeLossless(bytes: Buffer): string {
  let text = '';
  let position = 0;
  while (position < bytes.length) {
    const length = sequenceLength(bytes, position);
    text +=
      length === 0
        ? String.fromCharCode(0xdc00 + bytes[position]!)
        : bytes.toString('utf8', position, position + length);
    position += Math.max(length, 1);
  }
  return text;
}

/** Bytes of the well-formed character at `position` (Unicode 3.9, table 3-7); 0 where there is none. */
function sequenceLength(bytes: Buffer, position: number): number {
  const first = bytes[position]!;
  if (first < 0x80) return 1;
  const length =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  const second = bytes[position + 1] ?? 0;
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (length === 0 || second < lowest || second > highest) return 0;
  for (let index = 2; index < length; index += 1) {
    const byte = bytes[position + index] ?? 0;
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return length;
}
