// 1 / (1 + exp(−x)) => Sigmoid(x)
// x · sigmoid(α · x) => Swish(x), or com.microsoft.QuickGelu(x) where the target gains by it
// Needs: the constants of the formula and a target that has the operator for x's type.
import { floatAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { affineOf } from '../../rewrite/affine.js';
import { monomialOf } from '../../rewrite/monomial.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, type NodePattern, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { onePlus } from './one_plus.js';

type Match = { readonly x: Value; readonly alpha: number };

export const fuseSigmoid = defineRewrite<{ readonly x: Value }>({
  name: 'fuse-sigmoid',
  summary: '1 / (1 + exp(−x)) => Sigmoid(x)',
  licence: 'reassociates',
  opset: 6,
  pattern: search(['Div', 'Reciprocal'], (root, { inference }) => {
    const { coefficient, powers, nodes } = monomialOf(root.outputs[0]!, inference);
    const [only, ...more] = powers;
    if (only?.exponent !== -1 || more.length > 0 || coefficient !== 1) return 'it is no reciprocal';
    const sum = onePlus(only.value, inference);
    const exp = producerOf(sum?.rest, 'Exp');
    const negated = exp?.inputs[0] == null ? undefined : affineOf(exp.inputs[0], inference);
    if (sum === undefined || exp === undefined || negated?.factor !== -1 || negated.offset !== 0) {
      return 'it is not 1 + exp(−x) below the line';
    }
    return { captures: { x: negated.x }, nodes: [...nodes, sum.node, exp, ...negated.nodes] };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Sigmoid', since: 6, of: x }, context),
  rewrite: ({ x }, build) => [build.op('Sigmoid', [x])],
});

const swishPattern: NodePattern<Match> = search(['Mul', 'Div'], find);

export const fuseSwish = defineRewrite<Match>({
  name: 'fuse-swish',
  summary: 'x · sigmoid(α · x) => Swish(x)',
  licence: 'reassociates',
  opset: 24,
  pattern: swishPattern,
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Swish', since: 24, of: x }, context),
  rewrite: ({ x, alpha }, build) => [build.op('Swish', [x], { attributes: [floatAttribute('alpha', alpha)] })],
});

export const fuseQuickGelu = defineRewrite<Match>({
  name: 'fuse-quick-gelu',
  summary: 'x · sigmoid(α · x) => com.microsoft.QuickGelu(x)',
  licence: 'reassociates',
  pattern: swishPattern,
  check: ({ x }, context, root) =>
    offerObstacle(root, { domain: 'com.microsoft', opType: 'QuickGelu', of: x }, context),
  rewrite: ({ x, alpha }, build) => [
    build.op('QuickGelu', [x], { domain: 'com.microsoft', attributes: [floatAttribute('alpha', alpha)] }),
  ],
});

function find(root: Node, { inference }: { readonly inference: Inference }): Finding<Match> | string {
  const { coefficient, powers, nodes } = monomialOf(root.outputs[0]!, inference);
  const [first, second, ...more] = powers;
  if (first === undefined || second === undefined || more.length > 0 || coefficient !== 1)
    return 'it is no x · gate(x)';
  for (const [x, gate] of [
    [first, second],
    [second, first],
  ] as const) {
    const sigmoid = producerOf(gate.value, 'Sigmoid');
    const argument = sigmoid?.inputs[0];
    if (x.exponent !== 1 || gate.exponent !== 1 || sigmoid === undefined || argument == null) continue;
    const scaled = argument === x.value ? undefined : affineOf(argument, inference, new Set([x.value]));
    if (scaled !== undefined && (scaled.x !== x.value || scaled.offset !== 0)) continue;
    const captures = { x: x.value, alpha: scaled?.factor ?? 1 };
    return { captures, nodes: [...nodes, sigmoid, ...(scaled?.nodes ?? [])] };
  }
  return 'neither factor is the sigmoid of the other';
}
