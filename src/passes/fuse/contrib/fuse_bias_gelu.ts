// Gelu(x + bias) => com.microsoft.BiasGelu(x, bias), or FastGelu(x, bias) for the tanh form
// Needs: a bias along the last axis of x.
import { getString } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

const domain = 'com.microsoft';

export const fuseBiasGelu = defineRewrite<{ readonly x: Value; readonly bias: Value }>({
  name: 'fuse-bias-gelu',
  summary: 'Gelu(x + bias) => com.microsoft.BiasGelu(x, bias)',
  licence: 'reassociates',
  pattern: search('Gelu', (root, { inference }) => {
    const add = producerOf(root.inputs[0], 'Add');
    const [left = null, right = null] = add?.inputs ?? [];
    if (add === undefined || left === null || right === null) return 'its argument is no sum';
    const nodes = [add];
    if (isAlongLastAxis(right, left, inference)) return { captures: { x: left, bias: right }, nodes };
    if (isAlongLastAxis(left, right, inference)) return { captures: { x: right, bias: left }, nodes };
    return 'neither operand is known to lie along the last axis';
  }),
  check: ({ x }, context, root) => offerObstacle(root, { domain, opType: operatorFor(root), of: x }, context),
  rewrite: ({ x, bias }, build, _context, root) => [build.op(operatorFor(root), [x, bias], { domain })],
});

const operatorFor = (gelu: Node): string =>
  getString(gelu, 'approximate', 'none') === 'tanh' ? 'FastGelu' : 'BiasGelu';

/** Whether `value` has the one axis that is the last of `x`. */
export function isAlongLastAxis(value: Value, x: Value, inference: Inference): boolean {
  const [size, ...more] = inference.shapeOf(value) ?? [];
  const shape = inference.shapeOf(x);
  const last = shape?.at(-1);
  return more.length === 0 && shape !== undefined && size !== undefined && last !== undefined && dimEquals(size, last);
}
