import { add, asDim, provablyAtLeast } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { inferBroadcast } from './elementwise.js';

/** Drops stop words, and where that leaves nothing gives one empty string. [C] => [C'], [1, C] => [1, C'] */
function stringNormalizer(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, 'string');
  if (shape === undefined) return;
  if (shape.length !== 1 && shape.length !== 2) {
    context.fail('infer/rank', `StringNormalizer takes [C] or [1, C], not ${formatShape(shape)}`);
    return;
  }
  const words = shape.at(-1);
  const stopwords = context.attributes.get('stopwords');
  const keepsAll = stopwords === undefined || (stopwords.kind === 'strings' && stopwords.value.length === 0);
  const kept = keepsAll && provablyAtLeast(words, 1) ? words : undefined;
  context.setTensor(0, 'string', shape.length === 1 ? [kept] : [1, kept]);
}

/** The parts of each string along an axis of their own, and how many there are. */
function stringSplit(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, 'string', shape && [...shape, undefined]);
  context.setTensor(1, 'int64', shape);
}

/** [C] => [n], [N, C] => [N, n] where n is the greatest of `ngram_indexes` and 1 more */
function tfIdfVectorizer(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, 'float');
  if (shape === undefined) return;
  if (shape.length > 2) {
    context.fail('infer/rank', `TfIdfVectorizer takes [C] or [N, C], not ${formatShape(shape)}`);
    return;
  }
  const indexes = context.ints('ngram_indexes', undefined);
  if (shape.length === 0) return;
  const greatest = indexes?.reduce((left, right) => Math.max(left, right), -1);
  const size = greatest !== undefined && greatest >= 0 ? asDim(add(greatest, 1)) : undefined;
  context.setTensor(0, 'float', shape.length === 1 ? [size] : [shape[0], size]);
}

/** [C] => [C, n], [N, C] => [N, C, n] where n tokens are the most of any string. Without strings the shape stays. */
function tokenizer(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, 'string');
  if (shape === undefined) return;
  if (shape.length !== 1 && shape.length !== 2) {
    context.fail('infer/rank', `Tokenizer takes [C] or [N, C], not ${formatShape(shape)}`);
  } else if (shape.every((size) => provablyAtLeast(size, 1))) context.setTensor(0, 'string', [...shape, undefined]);
}

/** Words of characters [words, characters] by kernels [size, 1, window, characters' size] => [words, size] */
function wordEmbedding(context: InferenceContext): void {
  const dtype = context.dtype(1);
  const words = context.shape(0);
  const kernels = context.shape(1);
  context.setTensor(0, dtype);
  if ((words !== undefined && words.length !== 2) || (kernels !== undefined && kernels.length !== 4)) {
    context.fail('infer/rank', `kernels ${formatShape(kernels)} do not fit words ${formatShape(words)}`);
  } else context.setTensor(0, dtype, [words?.[0], kernels?.[0]]);
}

export const textRules: InferenceRules = {
  StringConcat: (context) => inferBroadcast(context, 'string'),
  StringNormalizer: stringNormalizer,
  StringSplit: stringSplit,
  RegexFullMatch: (context) => context.setTensor(0, 'bool', context.shape(0)),
  TfIdfVectorizer: tfIdfVectorizer,
  'com.microsoft:Tokenizer': tokenizer,
  'com.microsoft:WordConvEmbedding': wordEmbedding,
};
