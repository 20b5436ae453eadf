import { raiseOpset } from './fuse/raise_opset.js';
import {
  attentionRules,
  nextWeightRules,
  operatorRules,
  ownOperatorRules,
  productRules,
  spatialRules,
  standardAttentionRules,
  weightRules,
} from './fuse/rules.js';
import { legalizeForTarget } from './legalize/legalize_for_target.js';
import { unfuseOperators } from './legalize/unfuse_operators.js';
import type { Pass } from './pass.js';
import type { PipelineStep } from './pipeline.js';
import { qdqToQoperator } from './quantize/qoperator/qdq_to_qoperator.js';
import { qoperatorToQdq } from './quantize/qoperator/qoperator_to_qdq.js';
import { rewritePass } from './rewrite/driver.js';
import { constantsToInitializers } from './simplify/constants_to_initializers.js';
import { demoteConstantInputs } from './simplify/demote_constant_inputs.js';
import { dropEmptyConcatInputs } from './simplify/drop_empty_concat_inputs.js';
import { eliminateDeadNodes } from './simplify/eliminate_dead_nodes.js';
import { eliminateIdentities } from './simplify/eliminate_identities.js';
import { eliminateUnusedImports } from './simplify/eliminate_unused_imports.js';
import { eliminateUnusedInitializers } from './simplify/eliminate_unused_initializers.js';
import { eliminateUnusedOutputs } from './simplify/eliminate_unused_outputs.js';
import { eliminateUnusedSubgraphOutputs } from './simplify/eliminate_unused_subgraph_outputs.js';
import { foldConstants } from './simplify/fold_constants.js';
import { hoistLoopInvariants } from './simplify/hoist_loop_invariants.js';
import { inlineConstantIf } from './simplify/inline_constant_if.js';
import { inlineFunctions } from './simplify/inline_functions.js';
import { mergeChains } from './simplify/merge_chains.js';
import { mergeCommonSubexpressions } from './simplify/merge_common_subexpressions.js';
import { mergeDuplicateInitializers } from './simplify/merge_duplicate_initializers.js';
import { slicesToSplit } from './simplify/merges/slices_to_split.js';
import { transposesToReshapes } from './simplify/merges/transposes_to_reshapes.js';
import { plainOperators } from './simplify/plain_operators.js';
import { pushTransposes } from './simplify/push_transposes.js';
import { readSizesFromInputs } from './simplify/read_sizes_from_inputs.js';
import { reuseShapeValues } from './simplify/reuse_shape_values.js';
import { simplifyShapeOperands } from './simplify/simplify_shape_operands.js';
import { unrollConstantLoop } from './simplify/unroll_constant_loop.js';

const chooseProductForms = rewritePass(
  'choose-product-forms',
  'matrix products in other words => MatMul and Gemm',
  productRules,
);

const fuseSpatial = rewritePass(
  'fuse-spatial',
  'pixels moved between space and channels => SpaceToDepth, DepthToSpace',
  spatialRules,
);

const fuseIntoWeights = rewritePass(
  'fuse-into-weights',
  'a constant scale and shift behind a layer => its weights and bias',
  weightRules,
);

const fuseIntoNextWeights = rewritePass(
  'fuse-into-next-weights',
  'a constant scale and shift in front of a layer => its weights and bias',
  nextWeightRules,
);

const fuseOperators = rewritePass(
  'fuse-operators',
  'operators that spell a known function => that function',
  operatorRules,
);

const fuseStandardAttention = rewritePass(
  'use-standard-attention',
  'attention spelled out => the operator of the standard',
  standardAttentionRules,
);

const fuseAttention = rewritePass(
  'fuse-attention',
  "attention spelled out => an operator of the target's own",
  attentionRules,
);

const fuseOwnOperators = rewritePass(
  'fuse-own-operators',
  'operators that the target has one operator of its own for => that',
  ownOperatorRules,
);

const usePlainOperators = rewritePass(
  'use-plain-operators',
  'operators that have a plainer spelling of as many nodes => that',
  plainOperators,
);

const raiseOpsetForFusion = raiseOpset(operatorRules);

const moveNoData = rewritePass('move-no-data', 'Transpose that moves only axes of size 1 => Reshape', [
  transposesToReshapes,
]);

const wrapUp: readonly PipelineStep[] = [
  { pass: eliminateUnusedOutputs, reason: 'what nobody reads need not be computed' },
  {
    pass: mergeDuplicateInitializers,
    reason: 'folding leaves equal constants; shared weights would block fusions before',
  },
  { pass: eliminateUnusedInitializers, reason: 'the bytes of constants that nobody reads any more' },
  { pass: eliminateUnusedImports, reason: 'functions that were inlined, domains without nodes' },
];

/** Fewer nodes, the same results, in operators of the standard. */
export const standardPipeline: readonly PipelineStep[] = [
  { pass: demoteConstantInputs, reason: 'weights of old models are constants to what follows' },
  { pass: inlineFunctions, reason: 'what follows looks into bodies where they are called' },
  { pass: unfuseOperators, reason: 'what the target has no operator for is simplified with the rest' },
  {
    repeat: [
      { pass: constantsToInitializers, reason: 'one form of constants for what follows; inlined branches bring more' },
      { pass: eliminateIdentities, reason: 'patterns see through to the real producers' },
      { pass: usePlainOperators, reason: 'constants that take the type of another value become constants' },
      { pass: mergeCommonSubexpressions, reason: 'what repeats itself is folded and fused once' },
      { pass: foldConstants, reason: 'what a weight is computed from becomes the weight' },
      { pass: inlineConstantIf, reason: 'folded conditions take a branch; patterns see past it' },
      { pass: unrollConstantLoop, reason: 'folded counts; iteration numbers become constants' },
      { pass: constantsToInitializers, reason: 'what the branch or the body that was inlined gave back' },
      { pass: hoistLoopInvariants, reason: 'loops that stay compute the same thing once' },
      { pass: simplifyShapeOperands, reason: 'shapes that constants can say need not be computed' },
      { pass: reuseShapeValues, reason: 'what is left of shape arithmetic is done once' },
      { pass: readSizesFromInputs, reason: 'activations lose readers that fusions would have to respect' },
      { pass: eliminateDeadNodes, reason: 'shape arithmetic that nobody reads any more reads nothing either' },
      { pass: dropEmptyConcatInputs, reason: 'leaves fewer operands to join' },
      { pass: chooseProductForms, reason: 'before a Reshape around a product becomes a part of the next' },
      { pass: fuseSpatial, reason: 'before the Reshapes and Slices it looks for merge with others' },
      { pass: mergeChains, reason: 'one operator in the place of two of its kind' },
      { pass: pushTransposes, reason: 'Transposes meet and cancel, after neighbours are merged' },
      { pass: raiseOpsetForFusion, reason: 'only what the rules found asks for it' },
      { pass: fuseOperators, reason: 'on what the steps before have cleaned up' },
      { pass: eliminateUnusedSubgraphOutputs, reason: 'what fed them dies with them' },
      { pass: fuseIntoWeights, reason: 'only what is no part of a known function' },
      { pass: fuseIntoNextWeights, reason: 'what no layer in front took' },
      { pass: eliminateDeadNodes, reason: 'what was replaced, and what it read' },
    ],
    atMost: 8,
    reason: 'a folded constant can make an identity, and a fused weight a constant',
  },
  { pass: slicesToSplit, reason: 'one node for many; after all that looks for Slice' },
  { pass: moveNoData, reason: 'a Reshape no longer cancels a Transpose' },
  { pass: mergeChains, reason: 'those Reshapes among their neighbours' },
  { pass: eliminateDeadNodes, reason: 'what the last merges replaced' },
  ...wrapUp,
];

/** Operators of the target's own, where it prefers them. After quantization, which places its pairs around standard ones. */
export const ownOperatorsPipeline: readonly PipelineStep[] = [
  {
    repeat: [
      { pass: fuseStandardAttention, reason: 'takes masks as they are, where operators of the target may be slower' },
      { pass: fuseAttention, reason: 'on a graph that is simplified already' },
      { pass: mergeChains, reason: 'fused operators take values in other shapes' },
      { pass: eliminateIdentities, reason: 'and those may be the ones there are' },
      { pass: mergeCommonSubexpressions, reason: 'several may need the same mask or angles' },
      { pass: eliminateDeadNodes, reason: 'what was replaced, and what it read' },
    ],
    atMost: 4,
    reason: 'a fused operator can be part of a larger one',
  },
  { pass: fuseOwnOperators, reason: 'smaller ones, of what attention did not take' },
  { pass: legalizeForTarget, reason: 'after all that makes operators' },
  { pass: eliminateDeadNodes, reason: 'what was replaced, and what it read' },
  ...wrapUp,
];

/** Fewer nodes, the same results, in the operators that the target prefers. */
export const simplifyPipeline: readonly PipelineStep[] = [...standardPipeline, ...ownOperatorsPipeline];

/** What follows the choice of 16-bit floats, which comes after all fusions: they would not see past the casts. */
export const afterCastPipeline: readonly PipelineStep[] = [
  { pass: legalizeForTarget, reason: 'operators of another type may need another spelling' },
  { pass: eliminateDeadNodes, reason: 'casts that nobody reads any more' },
  ...wrapUp,
];

/** What follows the insertion of Q/DQ pairs. */
export const afterQuantizationPipeline: readonly PipelineStep[] = [
  { pass: foldConstants, reason: 'quantized constants are stored as integers' },
  { pass: eliminateDeadNodes, reason: 'activations that saturation replaced' },
  { pass: eliminateUnusedInitializers, reason: 'the float weights' },
];

/** What comes before 8 bits are placed in a model that has some already. */
export const spelledInFloatsPipeline: readonly PipelineStep[] = [
  { pass: qoperatorToQdq, reason: 'one form of 8-bit layers for what follows' },
  { pass: eliminateUnusedInitializers, reason: 'scales that became scalars' },
];

/** What follows where operators on integers were asked for. */
export const integerOperatorsPipeline: readonly PipelineStep[] = [
  { pass: qdqToQoperator, reason: 'pairs stand around everything that runs on 8 bits' },
  { pass: eliminateDeadNodes, reason: 'what dequantized their operands' },
  { pass: eliminateUnusedInitializers, reason: 'its scales' },
];

/** Every pass of the pipeline once, where it first stands. */
export const allPasses: readonly Pass[] = [...new Set(passesOf(simplifyPipeline))];

function passesOf(steps: readonly PipelineStep[]): Pass[] {
  return steps.flatMap((step) => ('pass' in step ? [step.pass] : passesOf(step.repeat)));
}
