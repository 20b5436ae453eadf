import { fuseClipClip, fuseMinMaxClip, fuseWhereClip } from './activation/fuse_clip.js';
import { fuseElu, fuseScaledElu, fuseSelu } from './activation/fuse_elu.js';
import { fuseGelu, fuseTanhGelu } from './activation/fuse_gelu.js';
import { fuseHardGate, fuseHardSigmoid, fuseHardSwish } from './activation/fuse_hard_sigmoid.js';
import { fuseLeakyRelu, fuseMaxLeakyRelu, fusePrelu, fuseReluPrelu } from './activation/fuse_leaky_relu.js';
import {
  fuseLogOfSoftmax,
  fuseLogSoftmax,
  fusePlainLogSoftmax,
  fusePlainSoftmax,
  fuseSoftmax,
} from './activation/fuse_softmax.js';
import {
  fuseMish,
  fuseSoftplus,
  fuseSoftsign,
  fuseStableSoftplus,
  fuseThresholdSoftplus,
} from './activation/fuse_softplus.js';
import { fuseQuickGelu, fuseSigmoid, fuseSwish } from './activation/fuse_swish.js';
import { fuseRelu, fuseShrink, fuseThresholdedRelu } from './activation/fuse_thresholds.js';
import { fuseAttentionBias } from './attention/fuse_attention_bias.js';
import { fuseMultiHeadAttention } from './attention/fuse_multi_head_attention.js';
import { fuseRotaryEmbedding } from './attention/fuse_rotary_embedding.js';
import { fuseStandardAttention } from './attention/fuse_standard_attention.js';
import { fuseStandardRotary } from './attention/fuse_standard_rotary.js';
import { fuseAttentionGroups, fuseAttentionHeads, fuseAttentionPast } from './attention/reshape_attention.js';
import { fuseNotOrder, fuseOrEqual } from './comparison/fuse_or_equal.js';
import { fuseBiasGelu } from './contrib/fuse_bias_gelu.js';
import { fuseMatmulAlpha, fuseMatmulTranspose } from './contrib/fuse_matmul_transpose.js';
import { fuseSkipNormalization } from './contrib/fuse_skip_normalization.js';
import { keepResidualApart } from './contrib/keep_residual_apart.js';
import { fuseConvActivation, fuseConvSum, fuseConvSumActivation } from './convolution/fuse_conv_activation.js';
import { foldGemmScalars } from './matmul/fold_gemm_scalars.js';
import { fuseGemmActivation } from './matmul/fuse_gemm_activation.js';
import { fuseMatmulAdd } from './matmul/fuse_matmul_add.js';
import { fuseTransposeGemm } from './matmul/fuse_transpose_gemm.js';
import { rewriteEinsum } from './matmul/rewrite_einsum.js';
import { unwrapGemmRows } from './matmul/unwrap_gemm_rows.js';
import { fuseGroupNormalization } from './normalization/fuse_group_normalization.js';
import { fuseInstanceNormalization } from './normalization/fuse_instance_normalization.js';
import {
  fuseLayerNormalization,
  fuseRmsNormalization,
  fuseScatteredLayerNormalization,
} from './normalization/fuse_layer_normalization.js';
import { fuseMeanVarianceNormalization } from './normalization/fuse_mean_variance_normalization.js';
import { fuseNormalizationBias, fuseNormalizationScale } from './normalization/fuse_normalization_affine.js';
import { fuseNormalizationCasts } from './normalization/fuse_normalization_casts.js';
import { fuseNormalizationViews } from './normalization/fuse_normalization_views.js';
import {
  fuseReduceL1,
  fuseReduceL2,
  fuseReduceLogSum,
  fuseReduceLogSumExp,
  fuseReduceSumSquare,
} from './reduction/fuse_reductions.js';
import { fuseDepthToSpaceCrd, fuseDepthToSpaceDcr, fuseSpaceToDepth } from './spatial/fuse_depth_to_space.js';
import { fuseFocus, fuseFocusConv } from './spatial/fuse_focus.js';
import { fuseAffineIntoLayer, fuseBatchnormIntoLayer, fuseLeftAffineIntoLayer } from './weights/fuse_affine_layer.js';
import { fuseAffineBatchnorm, fuseBatchnormAffine } from './weights/fuse_batchnorm_affine.js';
import { fuseAffineConv, fuseConvAffine } from './weights/fuse_conv_affine.js';
import { fuseConvBatchnorm } from './weights/fuse_conv_batchnorm.js';
import { fuseGemmBatchnorm } from './weights/fuse_gemm_batchnorm.js';
import {
  fuseAffineGemm,
  fuseGemmAffine,
  fuseMatmulBiasScale,
  fuseMatmulScale,
  fuseScaleMatmul,
  fuseScaleMatmulBias,
} from './weights/fuse_matmul_affine.js';
import { fusePadAveragePool, fusePadConv, fusePadMaxPool } from './weights/fuse_pad_window.js';
import {
  mergeConstantFactors,
  mergeConstantTerms,
  mergeLeftConstantFactors,
  mergeLeftConstantTerms,
  mergeLeftScaledShift,
  mergeScaledShift,
} from './weights/merge_affine_chains.js';

// Rules in the order in which they are tried at a node: where two can start there, the one that takes more comes first.

/** Matrix products in other words, as MatMul and Gemm. */
export const productRules = [rewriteEinsum, unwrapGemmRows, fuseMatmulAdd, fuseTransposeGemm, foldGemmScalars] as const;

/** Pixels moved between space and channels. */
export const spatialRules = [
  fuseDepthToSpaceDcr,
  fuseDepthToSpaceCrd,
  fuseSpaceToDepth,
  fuseFocus,
  fuseFocusConv,
] as const;

/** Constants behind a layer, into its weights. */
export const weightRules = [
  fuseConvBatchnorm,
  fuseConvAffine,
  fuseAffineConv,
  fuseGemmBatchnorm,
  fuseGemmAffine,
  fuseAffineGemm,
  fuseMatmulScale,
  fuseScaleMatmul,
  fuseMatmulBiasScale,
  fuseScaleMatmulBias,
  fuseBatchnormAffine,
  fuseAffineBatchnorm,
  fusePadConv,
  fusePadAveragePool,
  fusePadMaxPool,
] as const;

/** What these take may be a part of a function that `fuseOperators` looks for: a gain, a bias, a constant inside. */
export const nextWeightRules = [
  mergeConstantFactors,
  mergeLeftConstantFactors,
  mergeConstantTerms,
  mergeLeftConstantTerms,
  mergeScaledShift,
  mergeLeftScaledShift,
  fuseBatchnormIntoLayer,
  fuseAffineIntoLayer,
  fuseLeftAffineIntoLayer,
] as const;

/** One operator of the standard for several that spell it. */
export const operatorRules = [
  fuseGelu,
  fuseTanhGelu,
  fuseSigmoid,
  fuseHardSwish,
  fuseHardGate,
  fuseHardSigmoid,
  fuseSwish,
  fuseMish,
  fuseStableSoftplus,
  fuseThresholdSoftplus,
  fuseSoftplus,
  fuseSoftsign,
  fuseElu,
  fuseSelu,
  fuseScaledElu,
  fuseLeakyRelu,
  fuseMaxLeakyRelu,
  fusePrelu,
  fuseReluPrelu,
  fuseShrink,
  fuseThresholdedRelu,
  fuseMinMaxClip,
  fuseWhereClip,
  fuseClipClip,
  fuseRelu,
  fuseSoftmax,
  fusePlainSoftmax,
  fuseLogSoftmax,
  fusePlainLogSoftmax,
  fuseLogOfSoftmax,
  fuseScatteredLayerNormalization,
  fuseInstanceNormalization,
  fuseLayerNormalization,
  fuseRmsNormalization,
  fuseMeanVarianceNormalization,
  fuseNormalizationScale,
  fuseNormalizationBias,
  fuseNormalizationCasts,
  fuseNormalizationViews,
  fuseGroupNormalization,
  fuseReduceL2,
  fuseReduceL1,
  fuseReduceLogSumExp,
  fuseReduceLogSum,
  fuseReduceSumSquare,
  fuseOrEqual,
  fuseNotOrder,
] as const;

/** Attention of the standard, what it takes up around it, and rotated positions. */
export const standardAttentionRules = [
  fuseStandardRotary,
  fuseStandardAttention,
  fuseAttentionGroups,
  fuseAttentionPast,
  fuseAttentionHeads,
] as const;

/** Rules that make operators of a target's own; they come last, since what else rewrites knows the standard ones. */
export const attentionRules = [fuseMultiHeadAttention, fuseRotaryEmbedding] as const;

/** The same, of what attention did not take. */
export const ownOperatorRules = [
  fuseAttentionBias,
  fuseConvSumActivation,
  fuseConvActivation,
  fuseConvSum,
  fuseGemmActivation,
  fuseQuickGelu,
  fuseBiasGelu,
  fuseSkipNormalization,
  fuseMatmulTranspose,
  fuseMatmulAlpha,
  keepResidualApart,
] as const;
