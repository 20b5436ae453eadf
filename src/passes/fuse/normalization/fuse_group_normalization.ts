// Reshape(InstanceNormalization(Reshape(x, [N, G, …]), 1, 0)) => GroupNormalization(x, 1, 0), num_groups = G
// Needs: x is [N, C, …], N kept by the view, C and G known, and the outer view undoes the inner one. LayerNormalization
// along all but the first two axes of the view is the same.
import { floatAttribute, getFloat, getInt, intAttribute } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { shapesEqual } from '../../../ir/value_type.js';
import { floatsOf } from '../../legalize/opset/scalar_tensor.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { isFilledWith } from './filled.js';

type Match = { readonly x: Value; readonly channels: number; readonly groups: number; readonly epsilon: number };

const since = 21;

export const fuseGroupNormalization = defineRewrite<Match>({
  name: 'fuse-group-normalization',
  summary: 'Reshape(InstanceNormalization(Reshape(x, [N, G, …]))) => GroupNormalization(x)',
  licence: 'reassociates',
  opset: since,
  pattern: search('Reshape', (root, { inference }) => find(root, inference)),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'GroupNormalization', since, of: x }, context),
  rewrite({ x, channels, groups, epsilon }, build, { inference }) {
    const filled = (value: number, name: string): Value =>
      build.constant(floatsOf(inference.dtypeOf(x)!, [channels], value)!, name);
    const attributes = [intAttribute('num_groups', groups), floatAttribute('epsilon', epsilon)];
    return [build.op('GroupNormalization', [x, filled(1, 'scale'), filled(0, 'bias')], { attributes })];
  },
});

function find(root: Node, inference: Inference): Finding<Match> | string {
  const norm = producerOf(root.inputs[0], 'InstanceNormalization', 'LayerNormalization');
  const view = producerOf(norm?.inputs[0], 'Reshape');
  const x = view?.inputs[0];
  if (norm === undefined || view === undefined || x == null) return 'it is no view of a normalized view';
  const shape = inference.shapeOf(x);
  const flat = inference.shapeOf(view.outputs[0]!);
  if (shape === undefined || flat === undefined || shape.length < 3 || flat.length < 3) return 'a shape is not known';
  const [batch, channels] = shape;
  const [first, groups] = flat;
  if (batch === undefined || first === undefined || !dimEquals(batch, first)) return 'the view changes the batch';
  if (typeof channels !== 'number' || typeof groups !== 'number' || groups < 1 || channels % groups !== 0) {
    return 'how many channels and groups there are is not known';
  }
  if (!shapesEqual(shape, inference.shapeOf(root.outputs[0]!))) return 'the result has another shape than x';
  const axis = norm.opType === 'LayerNormalization' ? normalAxis(getInt(norm, 'axis', -1), flat.length) : 2;
  if (axis !== 2) return 'it is not along all axes of a group';
  const [, scale, bias] = norm.inputs;
  if (!isFilledWith(scale, 1) || (bias != null && !isFilledWith(bias, 0))) return 'groups have scales of their own';
  const epsilon = getFloat(norm, 'epsilon', 1e-5);
  return { captures: { x, channels, groups, epsilon }, nodes: [norm, view] };
}
