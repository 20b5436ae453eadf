import fs from 'node:fs';
import path from 'node:path';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { int64Tensor, type Tensor } from '../../ir/tensor.js';
import { type ArrayReader, openNpy, tensorReader } from './array_reader.js';
import { withLabels, wrongLabels } from './labels.js';
import { defaultLimits, type Sample, type SampleSource } from './source.js';

/** One label for each sample, in the order in which samples are read: a file, numbers, or a tensor of as many rows. */
export type Labels = string | readonly number[] | Tensor;

/**
 * Opens labels. A `.npy` file is an array whose first axis counts samples; `.json` an array of whole numbers; any other
 * file has a label a line, the last field where a line has several (split at comma, semicolon or tab), below a heading
 * or none.
 * @throws DiagnosticError `data/unreadable`, `data/wrong-labels`, and what `openNpy` throws.
 */
export async function openLabels(labels: Labels, cwd: string = process.cwd()): Promise<ArrayReader> {
  if (typeof labels !== 'string') return 'kind' in labels ? tensorReader(labels, 'labels') : reader(labels, 'labels');
  const file = path.resolve(cwd, labels);
  if (file.endsWith('.npy')) return openNpy({ path: file, name: labels }, defaultLimits.maxBytes);
  const text = readText(file, labels);
  return reader(file.endsWith('.json') ? parseJson(text, labels) : parseLines(text, labels), labels);
}

/**
 * The source with its samples labelled. Where nobody knows beforehand how many there are, each has one row of the labels.
 * @throws DiagnosticError `data/wrong-labels`; of a source whose samples are not counted, when these are read.
 */
export function labelled(source: SampleSource, labels: ArrayReader): SampleSource {
  if (source.count !== undefined) return withLabels(source, labels);
  const rows = labels.dims[0] ?? 0;
  async function* samples(): AsyncGenerator<Sample> {
    let index = 0;
    for await (const sample of source.samples()) {
      if (index === rows) throw wrongLabels(`${rows} labels for more samples`, labels.where);
      yield { ...sample, labels: await labels.readRows(index, 1) };
      index += 1;
    }
    if (index < rows) throw wrongLabels(`${rows} labels for ${index} samples`, labels.where);
  }
  return { ...source, samples };
}

function reader(numbers: readonly unknown[], where: string): ArrayReader {
  const odd = numbers.findIndex((each) => !Number.isSafeInteger(each));
  if (odd !== -1) throw wrongLabels(`label ${odd + 1} is ${JSON.stringify(numbers[odd])}, no whole number`, where);
  return tensorReader(int64Tensor(numbers as readonly number[]), where);
}

function readText(file: string, name: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    const message = `it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new DiagnosticError({ code: 'data/unreadable', message, where: name }, { cause });
  }
}

function parseJson(text: string, where: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed)) return parsed;
  } catch (cause) {
    throw wrongLabels(cause instanceof Error ? cause.message : String(cause), where);
  }
  throw wrongLabels('the file holds no array', where);
}

function parseLines(text: string, where: string): readonly number[] {
  const fields = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) =>
      line
        .split(/[,;\t]/)
        .at(-1)!
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    );
  const isNumber = (field: string) => /^[+-]?\d+$/.test(field);
  const rows = fields[0] !== undefined && !isNumber(fields[0]) ? fields.slice(1) : fields;
  const odd = rows.find((field) => !isNumber(field));
  if (odd !== undefined) throw wrongLabels(`"${odd}" is no whole number`, where);
  return rows.map(Number);
}
