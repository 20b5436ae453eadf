import fs from 'node:fs';
import { z } from 'zod';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { Ranges } from '../passes/quantize/ranges.js';
import { isTensorrtCache, parseTensorrtCache } from './tensorrt_cache.js';

const schema = z.object({
  format: z.literal('onnxopt-ranges'),
  version: z.literal(1),
  samples: z.number().int().nonnegative(),
  ranges: z.record(z.string(), z.object({ min: z.number(), max: z.number() })),
});

/** Ranges as a file holds them. */
export type SavedRanges = { readonly samples: number; readonly ranges: Ranges };

/** JSON with the names sorted: the same ranges give the same text. */
export function formatRanges({ samples, ranges }: SavedRanges): string {
  const sorted = [...ranges].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const file = { format: 'onnxopt-ranges', version: 1, samples, ranges: Object.fromEntries(sorted) };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Ranges that were saved, or those of a TensorRT calibration cache.
 * @throws DiagnosticError `calibrate/bad-ranges-file`.
 */
export function loadRanges(file: string): SavedRanges {
  const fail = (message: string, cause?: unknown) =>
    new DiagnosticError({ code: 'calibrate/bad-ranges-file', message: `"${file}": ${message}` }, { cause });
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw fail('it cannot be read', cause);
  }
  if (isTensorrtCache(text)) return { samples: 0, ranges: parseTensorrtCache(text, file) };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw fail('it is neither JSON nor a TensorRT calibration cache', cause);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw fail(z.prettifyError(parsed.error).replaceAll('\n', '; '));
  const wrong = Object.entries(parsed.data.ranges).find(([, { min, max }]) => min > max);
  if (wrong !== undefined) throw fail(`the range [${wrong[1].min}, ${wrong[1].max}] of "${wrong[0]}"`);
  return { samples: parsed.data.samples, ranges: new Map(Object.entries(parsed.data.ranges)) };
}
