import { DiagnosticError } from '../ir/diagnostic.js';
import type { Range } from '../passes/quantize/ranges.js';

/** Version, then the calibrator's name: `TRT-8601-EntropyCalibration2`. */
const header = /^TRT-\S+-\w+$/;

/** The bits of a float, highest first; zeros in front may be missing. */
const line = /^(.+): ([0-9a-f]{1,8})$/i;

export const isTensorrtCache = (text: string): boolean => header.test(text.split('\n', 1)[0]!.trimEnd());

/**
 * The ranges of a calibration cache as TensorRT writes it: ±127 times the scale of each tensor.
 * @throws DiagnosticError `calibrate/bad-ranges-file`.
 */
export function parseTensorrtCache(text: string, file: string): Map<string, Range> {
  const fail = (number: number, message: string) =>
    new DiagnosticError({ code: 'calibrate/bad-ranges-file', message: `"${file}": line ${number}: ${message}` });
  const ranges = new Map<string, Range>();
  for (const [index, row] of text.split('\n').entries()) {
    if (index === 0 || row.trim() === '') continue;
    const [, name, bits] = line.exec(row.trimEnd()) ?? [];
    if (name === undefined || bits === undefined)
      throw fail(index + 1, 'not a name and the eight hexadecimal digits of a scale');
    if (ranges.has(name)) throw fail(index + 1, `"${name}" for the second time`);
    const scale = new Float32Array(Uint32Array.of(Number.parseInt(bits, 16)).buffer)[0]!;
    if (!Number.isFinite(scale) || scale < 0) throw fail(index + 1, `${bits} is no scale`);
    ranges.set(name, { min: -127 * scale, max: 127 * scale });
  }
  if (ranges.size === 0) throw fail(1, 'no scale follows');
  return ranges;
}
