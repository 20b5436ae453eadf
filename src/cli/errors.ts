import { CheckFailedError } from '../evaluate/check.js';
import { DiagnosticError, formatDiagnostic } from '../ir/diagnostic.js';

/** Says what went wrong in one line on stderr and gives the exit code. */
export function reportError(error: unknown): number {
  if (error instanceof DiagnosticError) {
    process.stderr.write(`error ${oneLine(formatDiagnostic(error.diagnostic))}\n`);
    if (error instanceof CheckFailedError || error.diagnostic.code.endsWith('/accuracy-not-reached')) return 3;
    return error.diagnostic.code.startsWith('usage/') ? 2 : 1;
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`internal error, please report it: ${message}\n`);
  return 1;
}

/** File names and messages of the runtime may hold line breaks and control characters. */
const oneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  text.replace(/[\u0000-\u001f\u007f]+/g, ' ');
