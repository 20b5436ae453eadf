// x < 0 ? α · (exp(x) − 1) : x => Elu(x), however the comparison is turned
// x < 0 ? γ · α · (exp(x) − 1) : γ · x => Selu(x), also as γ · Elu(x)
// α · Elu(x / α) => Celu(x)
// Needs: constants of one element.
import { floatAttribute, getFloat } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { affineOf } from '../../rewrite/affine.js';
import { numberCasesOf } from '../../rewrite/cases.js';
import { clampOf } from '../../rewrite/clamp.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type NodePattern, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { isClose } from '../../rewrite/scalar.js';

/** gamma · (x above 0, alpha · (exp(x) − 1) below) */
type Match = { readonly x: Value; readonly alpha: number; readonly gamma: number };

const tolerance = 1e-6;

const eluPattern: NodePattern<Match> = search('Where', (root, { inference }) => {
  const cases = numberCasesOf(root, inference);
  if (cases?.threshold !== 0) return 'it does not compare with 0';
  const above = affineOf(cases.above, inference, new Set([cases.x]));
  const below = expLessOne(cases.below, cases.x, inference);
  if (above.x !== cases.x || above.offset !== 0 || above.factor === 0) return 'above 0 it is not x scaled';
  if (below === undefined) return 'below 0 it is not exp(x) − 1 scaled';
  const captures = { x: cases.x, gamma: above.factor, alpha: below.factor / above.factor };
  return { captures, nodes: [...cases.nodes, ...above.nodes, ...below.nodes] };
});

export const fuseElu = defineRewrite<Match>({
  name: 'fuse-elu',
  summary: 'x < 0 ? α · (exp(x) − 1) : x => Elu(x)',
  licence: 'reassociates',
  opset: 6,
  pattern: eluPattern,
  check: ({ x, gamma }, context, root) =>
    gamma === 1 ? offerObstacle(root, { opType: 'Elu', since: 6, of: x }, context) : 'it is scaled above 0 as well',
  rewrite: ({ x, alpha }, build) => [build.op('Elu', [x], { attributes: [floatAttribute('alpha', alpha)] })],
});

const selu = { licence: 'reassociates', opset: 6 } as const;

export const fuseSelu = defineRewrite<Match>({
  ...selu,
  name: 'fuse-selu',
  summary: 'x < 0 ? γ · α · (exp(x) − 1) : γ · x => Selu(x)',
  pattern: eluPattern,
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Selu', since: 6, of: x }, context),
  rewrite: ({ x, alpha, gamma }, build) => [
    build.op('Selu', [x], { attributes: [floatAttribute('alpha', alpha), floatAttribute('gamma', gamma)] }),
  ],
});

export const fuseScaledElu = defineRewrite<Match & { readonly before: number }>({
  ...selu,
  name: 'fuse-scaled-elu',
  summary: 'γ · Elu(x) => Selu(x), α · Elu(x / α) => Celu(x)',
  opset: 12,
  pattern: search(['Mul', 'Div'], (root, { inference }) => {
    const outer = affineOf(root.outputs[0]!, inference);
    const elu = producerOf(outer.x, 'Elu');
    const [argument = null] = elu?.inputs ?? [];
    if (elu === undefined || argument === null || outer.offset !== 0) return 'it is no scaled Elu';
    const alpha = getFloat(elu, 'alpha', 1);
    const gamma = outer.factor;
    const inner = affineOf(argument, inference);
    const isCelu =
      argument.uses.size === 1 && alpha === 1 && inner.offset === 0 && isClose(inner.factor * gamma, 1, tolerance);
    const nodes = [...outer.nodes, elu];
    if (isCelu)
      return { captures: { x: inner.x, alpha, gamma, before: inner.factor }, nodes: [...nodes, ...inner.nodes] };
    return { captures: { x: argument, alpha, gamma, before: 1 }, nodes };
  }),
  check({ x, gamma, before }, context, root) {
    const opType = before === 1 ? 'Selu' : 'Celu';
    if (gamma <= 0) return 'the scale is not positive';
    return offerObstacle(root, { opType, since: opType === 'Celu' ? 12 : 6, of: x }, context);
  },
  rewrite({ x, alpha, gamma, before }, build) {
    if (before !== 1) return [build.op('Celu', [x], { attributes: [floatAttribute('alpha', gamma)] })];
    return [build.op('Selu', [x], { attributes: [floatAttribute('alpha', alpha), floatAttribute('gamma', gamma)] })];
  },
});

/** factor · (exp(x) − 1) */
function expLessOne(
  value: Value,
  x: Value,
  inference: Inference,
): { factor: number; nodes: readonly Node[] } | undefined {
  const { x: power, factor, offset, nodes } = affineOf(value, inference);
  const exp = producerOf(power, 'Exp');
  if (exp?.inputs[0] == null || factor === 0 || !isClose(offset, -factor, tolerance)) return undefined;
  const argument = exp.inputs[0];
  if (argument === x) return { factor, nodes: [...nodes, exp] };
  // Where x is above 0, this branch is not taken: what exp gets there is made harmless by some.
  const clamp = clampOf(argument, inference);
  if (clamp.x === x && clamp.high === 0 && clamp.low === Number.NEGATIVE_INFINITY) {
    return { factor, nodes: [...nodes, exp, ...clamp.nodes] };
  }
  const where = producerOf(argument, 'Where');
  const cases = where === undefined ? undefined : numberCasesOf(where, inference);
  const isSafe = cases?.x === x && cases.threshold === 0 && cases.below === x;
  return isSafe ? { factor, nodes: [...nodes, exp, ...cases.nodes] } : undefined;
}
