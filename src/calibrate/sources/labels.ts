import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Tensor } from '../../ir/tensor.js';
import type { ArrayReader } from './array_reader.js';
import type { InputSpec, Sample, SampleSource } from './source.js';

/** Names under which arrays hold labels, unless an input of the model has that name. */
const labelNames = ['labels', 'label'];

export const isLabelName = (name: string, inputs: readonly InputSpec[]): boolean =>
  labelNames.includes(name) && !inputs.some((input) => input.name === name);

/**
 * Deals the rows of a label array out to `count` samples in their order, the same number to each: the labels of sample i
 * have the array's shape with the first axis `rows / count`.
 * @throws DiagnosticError `data/wrong-labels` where the rows cannot be dealt out evenly.
 */
export function dealLabels(labels: ArrayReader, count: number): (index: number) => Promise<Tensor> {
  const rows = labels.dims[0];
  if (count === 1) return () => labels.readAll();
  if (rows === undefined || rows === 0 || rows % count !== 0) {
    throw wrongLabels(`labels of shape [${labels.dims.join(', ')}] for ${count} samples`, labels.where);
  }
  const each = rows / count;
  return (index) => labels.readRows(index * each, each);
}

/**
 * The source with labels dealt out to its samples.
 * @throws DiagnosticError `data/wrong-labels`, also where nobody knows how many samples the source has.
 */
export function withLabels(source: SampleSource, labels: ArrayReader): SampleSource {
  if (source.count === undefined) throw wrongLabels('the number of samples is not known beforehand', labels.where);
  const labelsOf = dealLabels(labels, source.count);
  async function* samples(): AsyncGenerator<Sample> {
    let index = 0;
    for await (const sample of source.samples()) yield { ...sample, labels: await labelsOf(index++) };
  }
  return { ...source, samples };
}

export const wrongLabels = (message: string, where: string): DiagnosticError =>
  new DiagnosticError({
    code: 'data/wrong-labels',
    message,
    where,
    help: 'Give one array whose first axis counts the samples, in the order in which they are read',
  });
