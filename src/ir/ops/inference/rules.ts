import { attentionRules } from './attention.js';
import { castRules } from './cast.js';
import { causalConvolutionRules } from './causal_convolution.js';
import { concatRules } from './concat.js';
import type { InferenceRule, InferenceRules } from './context.js';
import { controlFlowRules } from './control_flow.js';
import { convolutionRules } from './convolution.js';
import { transposedConvolutionRules } from './convolution_transposed.js';
import { determinantRules } from './determinant.js';
import { einsumRules } from './einsum.js';
import { elementwiseRules } from './elementwise.js';
import { expandRules } from './expand.js';
import { fusedAttentionRules } from './fused_attention.js';
import { fusedElementwiseRules } from './fused_elementwise.js';
import { fusedMatmulRules } from './fused_matmul.js';
import { fusedNormalizationRules } from './fused_normalization.js';
import { gatedAttentionRules } from './gated_attention.js';
import { gatherRules } from './gather.js';
import { generationRules } from './generation.js';
import { hashingRules } from './hashing.js';
import { lossRules } from './losses.js';
import { machineLearningRules } from './machine_learning.js';
import { matmulRules } from './matmul.js';
import { nonMaxSuppressionRules } from './non_max_suppression.js';
import { normalizationRules } from './normalization.js';
import { padRules } from './pad.js';
import { pairwiseRules } from './pairwise.js';
import { poolingRules } from './pooling.js';
import { projectedAttentionRules } from './projected_attention.js';
import { quantizationRules } from './quantization.js';
import { quantizedElementwiseRules } from './quantized_elementwise.js';
import { quantizedGatherRules } from './quantized_gather.js';
import { randomRules } from './random.js';
import { rangeRules } from './range.js';
import { recurrentRules } from './recurrent.js';
import { reduceRules } from './reduce.js';
import { reshapeRules } from './reshape.js';
import { resizeRules } from './resize.js';
import { sameShapeRules } from './same_shape.js';
import { samplingRules } from './sampling.js';
import { scatterRules } from './scatter.js';
import { selectRules } from './select.js';
import { sequenceRules } from './sequences.js';
import { shapeOfRules } from './shape_of.js';
import { signalRules } from './signal.js';
import { sliceRules } from './slice.js';
import { splitRules } from './split.js';
import { squeezeRules } from './squeeze.js';
import { stateSpaceRules } from './state_space.js';
import { textRules } from './text.js';
import { tokenPackingRules } from './token_packing.js';
import { trainingRules } from './training.js';
import { transposeRules } from './transpose.js';
import { unfoldRules } from './unfold.js';

/** One line a family of operators. */
const families: readonly InferenceRules[] = [
  elementwiseRules,
  lossRules,
  attentionRules,
  einsumRules,
  castRules,
  splitRules,
  squeezeRules,
  scatterRules,
  padRules,
  rangeRules,
  selectRules,
  sameShapeRules,
  sliceRules,
  shapeOfRules,
  resizeRules,
  reshapeRules,
  reduceRules,
  recurrentRules,
  quantizationRules,
  poolingRules,
  normalizationRules,
  matmulRules,
  gatherRules,
  expandRules,
  convolutionRules,
  transposeRules,
  concatRules,
  controlFlowRules,
  sequenceRules,
  randomRules,
  signalRules,
  textRules,
  machineLearningRules,
  samplingRules,
  stateSpaceRules,
  determinantRules,
  transposedConvolutionRules,
  fusedAttentionRules,
  projectedAttentionRules,
  fusedElementwiseRules,
  quantizedElementwiseRules,
  fusedMatmulRules,
  fusedNormalizationRules,
  nonMaxSuppressionRules,
  trainingRules,
  tokenPackingRules,
  causalConvolutionRules,
  gatedAttentionRules,
  generationRules,
  hashingRules,
  pairwiseRules,
  quantizedGatherRules,
  unfoldRules,
];

const rules = new Map<string, InferenceRule>(families.flatMap((family) => Object.entries(family)));

/** The rule of an operator; undefined where it has none, and its outputs stay unknown. */
export const inferenceRule = (domain: string, opType: string): InferenceRule | undefined =>
  rules.get(domain === '' || domain === 'ai.onnx' ? opType : `${domain}:${opType}`);
