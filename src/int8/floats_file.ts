import fs from 'node:fs';
import { z } from 'zod';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { FloatNodes } from './int8_candidate.js';

const schema = z.object({
  format: z.literal('onnxopt-floats'),
  version: z.literal(1),
  floats: z.record(z.string(), z.string()),
});

/** JSON with the names sorted: the same decision gives the same text. */
export function formatFloats(floats: FloatNodes): string {
  const sorted = [...floats].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `${JSON.stringify({ format: 'onnxopt-floats', version: 1, floats: Object.fromEntries(sorted) }, null, 2)}\n`;
}

/**
 * Nodes that an earlier run left in float.
 * @throws DiagnosticError `quantize/bad-floats-file`.
 */
export function loadFloats(file: string): FloatNodes {
  let json: unknown;
  try {
    json = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (cause) {
    const message = `"${file}": it cannot be read, or is not JSON`;
    throw new DiagnosticError({ code: 'quantize/bad-floats-file', message }, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return new Map(Object.entries(parsed.data.floats));
  throw new DiagnosticError({
    code: 'quantize/bad-floats-file',
    message: `"${file}": ${z.prettifyError(parsed.error).replaceAll('\n', '; ')}`,
  });
}
