import type { Dim } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { agreedSize, attributeSize } from './sizes.js';

/** ONNX Runtime's hashes of elements and of sequences, in com.microsoft. */
export const hashingRules: InferenceRules = {
  'com.microsoft:MurmurHash3': inferMurmurHash,
  'com.microsoft:NGramHashMapping': inferSequenceHashes,
};

function inferMurmurHash(context: InferenceContext): void {
  context.setTensor(0, context.int('positive', 1) === 1 ? 'uint32' : 'int32', context.shape(0));
}

/**
 * Ids [batch, length] => hashes [batch, length, (n − 1) · heads] for sequences of 2 to n ids, and the last n − 1 ids
 * [batch, n − 1].
 */
function inferSequenceHashes(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const ids = context.shape(0);
  const past = context.shape(3);
  for (const index of [0, 1]) context.setTensor(index, dtype);
  const batch = agreedSize([ids?.[0], past?.[0]]);
  const lengths = positive(context, 'max_ngram_size', -1);
  const heads = positive(context, 'n_head_per_ngram', 0);
  const isMatrix = [ids, past].every((shape) => shape === undefined || shape.length === 2);
  if (!isMatrix || batch === 'conflict' || lengths === 'conflict' || heads === 'conflict') {
    context.fail('infer/sequence', `ids ${formatShape(ids)} after ${formatShape(past)} have no such hashes`);
    return;
  }
  const kept = agreedSize([lengths, past?.[1]]);
  const hashes = agreedSize([
    lengths !== undefined && heads !== undefined ? attributeSize(lengths * heads) : undefined,
    context.shape(2)?.length === 1 ? context.shape(2)![0] : undefined,
  ]);
  if (kept === 'conflict' || hashes === 'conflict') {
    context.fail('infer/sequence', 'max_ngram_size and n_head_per_ngram do not fit the ids before or the sizes');
    return;
  }
  context.setTensor(0, dtype, [batch, ids?.[1], hashes]);
  context.setTensor(1, dtype, [batch, kept]);
}

/** An attribute of at least one, once `added` to; undefined where it is not given or saturated. */
function positive(context: InferenceContext, name: string, added: number): number | undefined | 'conflict' {
  const value = context.int(name, undefined);
  if (value === undefined) return undefined;
  if (value + added < 1) return 'conflict';
  const size: Dim | undefined = attributeSize(value);
  return size === undefined ? undefined : value + added;
}
