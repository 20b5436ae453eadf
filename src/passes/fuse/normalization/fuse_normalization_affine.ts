// LayerNormalization(x, 1) · scale => LayerNormalization(x, scale), and the other normalizations alike
// LayerNormalization(x, scale) + bias => LayerNormalization(x, scale, bias)
// Needs: a scale or bias of just the axes that the operator has them for.
import { getInt } from '../../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { any, commuted, op } from '../../rewrite/pattern.js';
import { defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { alongAxes, type Fitted } from './along_axes.js';
import { isFilledWith } from './filled.js';

const scaled = ['LayerNormalization', 'RMSNormalization', 'InstanceNormalization', 'GroupNormalization'] as const;
const shifted = ['LayerNormalization', 'InstanceNormalization', 'GroupNormalization'] as const;

const notAlong = 'the operand is not known to have just the axes of a scale';

export const fuseNormalizationScale = defineRewrite({
  name: 'fuse-normalization-scale',
  summary: 'LayerNormalization(x, 1) · scale => LayerNormalization(x, scale)',
  licence: 'reassociates',
  pattern: commuted('Mul', [op('norm', scaled, [any('x'), any('ones')], { moreInputs: true }), any('operand')]),
  check({ norm, operand, ones }, { inference }) {
    if (!hasNoBias(norm)) return 'a bias is added first';
    if (!isFilledWith(ones, 1)) return 'it has a scale';
    return fitted(norm, operand, inference) === undefined ? notAlong : undefined;
  },
  replacesInner: ({ norm }) => statisticsOf(norm),
  rewrite: ({ norm, operand }, build, { inference }) =>
    withInputs(norm, norm.inputs.with(1, fitted(norm, operand, inference)!(build)), build),
});

export const fuseNormalizationBias = defineRewrite({
  name: 'fuse-normalization-bias',
  summary: 'LayerNormalization(x, scale) + bias => LayerNormalization(x, scale, bias)',
  licence: 'reassociates',
  pattern: commuted('Add', [op('norm', shifted, [any('x'), any('scale')], { moreInputs: true }), any('operand')]),
  check({ norm, operand }, { inference }) {
    if (!hasNoBias(norm)) return 'it has a bias';
    return fitted(norm, operand, inference) === undefined ? notAlong : undefined;
  },
  replacesInner: ({ norm }) => statisticsOf(norm),
  rewrite: ({ norm, x, scale, operand }, build, { inference }) =>
    withInputs(norm, [x, scale, fitted(norm, operand, inference)!(build)], build),
});

/** Mean and inverse deviation, where it gives them. */
const statisticsOf = ({ outputs }: Node): readonly Value[] => outputs.slice(1).filter((value) => value !== null);

function withInputs(norm: Node, inputs: readonly (Value | null)[], build: ReplacementBuilder): readonly Value[] {
  const outputs = norm.outputs.map((value) => value && {});
  const node = build.node(norm.opType, inputs, { attributes: [...norm.attributes.values()], outputs });
  return node.outputs.filter((value) => value !== null);
}

const hasNoBias = ({ inputs }: Node): boolean => inputs[2] == null || isFilledWith(inputs[2], 0);

/** An operand as the normalization would take it: along the normalized axes, or the channels. */
function fitted(norm: Node, operand: Value, inference: Inference): Fitted | undefined {
  const shape = inference.shapeOf(norm.inputs[0]!);
  if (shape === undefined || operand.producer === norm) return undefined;
  if (norm.opType === 'InstanceNormalization') return alongAxes(operand, shape, { from: 1, to: 2 }, inference);
  if (norm.opType === 'GroupNormalization') {
    // Before 21 it has a scale for each group.
    const isPerChannel = (opsetVersion(norm.graph, '') ?? 1) >= 21;
    return isPerChannel ? alongAxes(operand, shape, { from: 1, to: 2 }, inference) : undefined;
  }
  const from = normalAxis(getInt(norm, 'axis', -1), shape.length);
  return from === undefined ? undefined : alongAxes(operand, shape, { from }, inference);
}
