import { wrongLabels } from '../calibrate/sources/labels.js';
import { dataTypeKind } from '../ir/data_type.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { type Tensor, tensorData } from '../ir/tensor.js';
import { floatValues } from './output_error.js';

export type Hits = { readonly hits: number; readonly count: number };

/**
 * Counts the labels among the `k` largest scores of their row. Scores are `[rows, classes]` or `[classes]`, further axes
 * of size 1 aside; of equal scores the first counts as larger, as ArgMax has it.
 * @throws DiagnosticError `metric/wrong-output`, `data/wrong-labels`.
 */
export const topHits =
  (k: number) =>
  (scores: Tensor | undefined, labels: Tensor, output: string, sample: string): Hits => {
    const { rows, classes } = scoreShape(scores, output);
    const values = floatValues(scores!);
    const wanted = wholeNumbers(labels, sample);
    if (wanted.length !== rows) throw wrongLabels(`${wanted.length} labels for ${rows} rows of scores`, sample);
    let hits = 0;
    for (const [row, label] of wanted.entries()) {
      if (label < 0 || label >= classes) throw wrongLabels(`label ${label} of ${classes} classes`, sample);
      if (isAmongLargest(values.subarray(row * classes, (row + 1) * classes), label, k)) hits += 1;
    }
    return { hits, count: wanted.length };
  };

function isAmongLargest(scores: Float32Array | Float64Array, label: number, k: number): boolean {
  const own = scores[label]!;
  if (Number.isNaN(own)) return false;
  let before = 0;
  for (const [index, score] of scores.entries()) if (score > own || (score === own && index < label)) before += 1;
  return before < k;
}

function scoreShape(scores: Tensor | undefined, output: string): { rows: number; classes: number } {
  if (scores === undefined) throw wrongOutput(`the model has no output "${output}"`);
  let dims = scores.dims;
  while (dims.length > 2 && dims.at(-1) === 1) dims = dims.slice(0, -1);
  if (dataTypeKind(scores.dtype) !== 'float' || dims.length < 1 || dims.length > 2) {
    throw wrongOutput(`"${output}" is ${scores.dtype}[${scores.dims}], which are no scores of classes`);
  }
  return { rows: dims.length === 2 ? dims[0]! : 1, classes: dims.at(-1)! };
}

function wholeNumbers(labels: Tensor, where: string): number[] {
  if (labels.dtype === 'string') throw wrongLabels('labels are texts', where);
  const numbers = Array.from(tensorData(labels), Number);
  const odd = numbers.find((each) => !Number.isSafeInteger(each));
  if (odd !== undefined) throw wrongLabels(`label ${odd} is no class`, where);
  return numbers;
}

const wrongOutput = (message: string): DiagnosticError =>
  new DiagnosticError({
    code: 'metric/wrong-output',
    message,
    help: 'Name the output with --metric-output, or give a metric of your own',
  });
