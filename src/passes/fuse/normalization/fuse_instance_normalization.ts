// (x − mean) / √(variance + epsilon) along the spatial axes · scale => InstanceNormalization(x, scale, 0)
// Needs: [N, C, …] with a scale of one element a channel; without one, C known and more than one spatial axis, or a
// scale that follows: along one axis it is as well a LayerNormalization.
import { floatAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import type { Shape } from '../../../ir/value_type.js';
import { floatsOf } from '../../legalize/opset/scalar_tensor.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { isOperator } from '../../rewrite/operator.js';
import { isLastAxes } from '../../rewrite/reduction.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { alongAxes } from './along_axes.js';
import { normalizationPattern } from './fuse_layer_normalization.js';

const channels = { from: 1, to: 2 } as const;

export const fuseInstanceNormalization = defineRewrite({
  name: 'fuse-instance-normalization',
  summary: '(x − mean) / √(variance + ε) along the spatial axes · scale => InstanceNormalization(x, scale, 0)',
  licence: 'reassociates',
  pattern: normalizationPattern,
  check({ normalized }, context, root) {
    const { x, axes, rank, isCentred, scales, coefficient } = normalized;
    const { inference } = context;
    if (normalized.castTo !== undefined) return 'it is cast in between';
    if (!isCentred) return 'the mean is not taken away';
    if (rank < 3 || axes.length !== rank - 2 || !isLastAxes(axes, rank)) return 'it is not along all spatial axes';
    if (scales.length > 1 || (scales.length === 1 && coefficient !== 1)) return 'it is scaled more than once';
    const shape = inference.shapeOf(x)!;
    if (typeof shape[1] !== 'number') return 'how many channels there are is not known';
    const [scale] = scales;
    if (scale !== undefined && alongAxes(scale, shape, channels, inference) === undefined) {
      return `"${scale.name}" is not known to have just the channels`;
    }
    if (scale === undefined && rank === 3 && !isScaledBehind(root, shape, inference)) return 'it is along one axis';
    return offerObstacle(root, { opType: 'InstanceNormalization', since: 6, of: x }, context);
  },
  opset: 6,
  rewrite({ normalized }, build, { inference }) {
    const { x, epsilon, scales, coefficient } = normalized;
    const shape = inference.shapeOf(x)!;
    const filled = (value: number, name: string): Value =>
      build.constant(floatsOf(inference.dtypeOf(x)!, [shape[1] as number], value)!, name);
    const [scale] = scales;
    const factor =
      scale === undefined ? filled(coefficient, 'scale') : alongAxes(scale, shape, channels, inference)!(build);
    const attributes = [floatAttribute('epsilon', epsilon)];
    return [build.op('InstanceNormalization', [x, factor, filled(0, 'bias')], { attributes })];
  },
});

/** Whether all that reads it is a product with one element a channel. */
function isScaledBehind(root: Node, x: Shape, inference: Inference): boolean {
  const [result] = root.outputs;
  const [use, ...more] = result?.uses ?? [];
  if (use?.kind !== 'node' || more.length > 0 || !isOperator(use.user, 'Mul')) return false;
  const other = use.user.inputs.find((input) => input !== result);
  const shape = other == null ? undefined : inference.shapeOf(other);
  // One element alone says nothing about axes.
  const isOne = shape?.every((size) => size === 1) ?? true;
  return other != null && !isOne && alongAxes(other, x, channels, inference) !== undefined;
}
