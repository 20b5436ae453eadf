import { asDim, type Dim, sub } from '../../dim.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { attributeSize } from './sizes.js';

/** ONNX Runtime's loops that write texts token by token, in com.microsoft. Their subgraphs state their own types. */
export const generationRules: InferenceRules = {
  'com.microsoft:BeamSearch': inferBeamSearch,
  'com.microsoft:WhisperBeamSearch': inferWhisperBeamSearch,
  'com.microsoft:GreedySearch': inferGreedySearch,
  'com.microsoft:Sampling': inferSampling,
  'com.microsoft:BifurcationDetector': inferBifurcation,
};

/** Tokens [batch, results, longest]; the scores of the results [batch, results]; those of each step and token. */
function inferBeamSearch(context: InferenceContext): void {
  const [batch, results] = [batchSize(context), sizeOf(context, 4)];
  // Both penalties are of the type of the scores.
  const scoreType = context.dtype(5) ?? context.dtype(6);
  context.setTensor(0, 'int32', [batch, results, sizeOf(context, 1)]);
  context.setTensor(1, scoreType, [batch, results]);
  context.setTensor(2, scoreType, [stepCount(context), batch, sizeOf(context, 3), vocabulary(context)]);
}

/** Beyond those of a beam search, the attention [batch, results, heads of layers, tokens, frames] and [batch]. */
function inferWhisperBeamSearch(context: InferenceContext): void {
  inferBeamSearch(context);
  const [batch, results] = [batchSize(context), sizeOf(context, 4)];
  const chosen = context.shape(12)?.[0];
  context.setTensor(3, 'float', [batch, results, chosen, undefined, undefined]);
  context.setTensor(4, context.dtype(5) ?? context.dtype(6), [batch]);
}

/** [batch, longest] */
function inferGreedySearch(context: InferenceContext): void {
  context.setTensor(0, 'int32', [batchSize(context), sizeOf(context, 1)]);
}

function inferSampling(context: InferenceContext): void {
  inferGreedySearch(context);
  context.setTensor(1, 'float', [batchSize(context), vocabulary(context)]);
}

/** Tokens of which the data say how many, and one index. */
function inferBifurcation(context: InferenceContext): void {
  context.setTensor(0, 'int64', [undefined]);
  context.setTensor(1, 'int64');
}

const batchSize = (context: InferenceContext): Dim | undefined => context.shape(0)?.[0];

/** The one element of an input as a size. */
function sizeOf(context: InferenceContext, index: number): Dim | undefined {
  const elements = context.content(index)?.elements;
  return elements?.length === 1 ? asDim(elements[0]) : undefined;
}

/** A decoder alone goes on from its prompt [batch, length]; with an encoder it starts from tokens of its own. */
function stepCount(context: InferenceContext): Dim | undefined {
  const prompt = context.shape(0);
  const isDecoderOnly = context.node.opType === 'BeamSearch' && context.int('model_type', 0) === 0;
  return isDecoderOnly && prompt?.length === 2 ? asDim(sub(sizeOf(context, 1), prompt[1])) : undefined;
}

/** By attribute; without one it is as large as the decoder's result. */
function vocabulary(context: InferenceContext): Dim | undefined {
  const size = context.int('vocab_size', -1);
  return size > 0 ? attributeSize(size) : undefined;
}
