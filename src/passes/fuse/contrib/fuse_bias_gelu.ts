// Gelu(x + bias) => com.microsoft.BiasGelu(x, bias), or FastGelu(x, bias) for the tanh form
// Needs: a bias along the last axis of x.
import { getString } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { any, commuted, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

const domain = 'com.microsoft';

export const fuseBiasGelu = defineRewrite({
  name: 'fuse-bias-gelu',
  summary: 'Gelu(x + bias) => com.microsoft.BiasGelu(x, bias)',
  licence: 'reassociates',
  pattern: op('gelu', 'Gelu', [commuted('Add', [any('x'), any('bias')])]),
  check({ gelu, x, bias }, context, root) {
    if (!isAlongLastAxis(bias, x, context.inference)) return `"${bias.name}" is not known to lie along the last axis`;
    return offerObstacle(root, { domain, opType: operatorFor(gelu), of: x }, context);
  },
  rewrite: ({ gelu, x, bias }, build) => [build.op(operatorFor(gelu), [x, bias], { domain })],
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
