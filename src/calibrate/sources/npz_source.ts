import { type ArrayReader, tensorReader } from './array_reader.js';
import { type DataFile, readFileBytes } from './file_bytes.js';
import { dealLabels, isLabelName, wrongLabels } from './labels.js';
import { decodeNpz, keyed } from './npz.js';
import type { InputSpec, ReadLimits, Sample, SampleSource, Split } from './source.js';
import { splitSamples } from './split_samples.js';

/**
 * Samples from `.npz` files: keys are input names, or any one key where the model has one input. A key `labels` or
 * `label` that is no input holds labels. Each file is one sample or is split into several by the rule of `Split`; its
 * labels are split with it. One archive is in memory at a time.
 */
export function npzSource(
  files: readonly DataFile[],
  inputs: readonly InputSpec[],
  description: string,
  options: { readonly split: Split; readonly limits: ReadLimits },
): SampleSource {
  async function* samples(): AsyncGenerator<Sample> {
    for (const file of files) {
      const { arrays, labels } = await openNpz(file, inputs, options.limits.maxBytes);
      const set = splitSamples(arrays, inputs, options.split);
      const labelsOf = labels && dealLabels(labels, set.count);
      for (let part = 0; part < set.count; part++) {
        const name = set.count === 1 ? file.name : `${file.name}[${part}]`;
        const feeds = await set.read(part);
        yield { name, feeds, ...(labelsOf && { labels: await labelsOf(part) }) };
      }
    }
  }
  return { description, ...(options.split === false && { count: files.length }), samples };
}

type Archive = { readonly arrays: Map<string, ArrayReader>; readonly labels: ArrayReader | undefined };

async function openNpz(file: DataFile, inputs: readonly InputSpec[], maxBytes: number): Promise<Archive> {
  const arrays = new Map<string, ArrayReader>();
  let labels: ArrayReader | undefined;
  for (const [key, tensor] of await decodeNpz(await readFileBytes(file, maxBytes), file.name, maxBytes)) {
    const reader = tensorReader(tensor, keyed(file.name, key));
    if (!isLabelName(key, inputs)) {
      arrays.set(key, reader);
      continue;
    }
    if (labels !== undefined) throw wrongLabels('a second array of labels', reader.where);
    labels = reader;
  }
  const [only] = inputs;
  const [array] = arrays.values();
  if (only !== undefined && array !== undefined && inputs.length === 1 && arrays.size === 1) {
    return { arrays: new Map([[only.name, array]]), labels };
  }
  return { arrays, labels };
}
