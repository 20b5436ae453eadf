// log(1 + exp(x)) => Softplus(x), also as max(x, 0) + log(1 + exp(−|x|))
// x · tanh(softplus(x)) => Mish(x), the softplus written out or not
// x / (1 + |x|) => Softsign(x)
// Needs: the constants of the formula and a target that has the operator for x's type.
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { numberCasesOf } from '../../rewrite/cases.js';
import { clampOf } from '../../rewrite/clamp.js';
import { monomialOf } from '../../rewrite/monomial.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { onePlus } from './one_plus.js';

type Match = { readonly x: Value };

type Found = { readonly x: Value; readonly nodes: readonly Node[] };

export const fuseSoftplus = defineRewrite<Match>({
  name: 'fuse-softplus',
  summary: 'log(1 + exp(x)) => Softplus(x)',
  // exp(x) overflows where softplus(x) is x.
  licence: 'assumes-finite',
  pattern: search('Log', (root, { inference }) => {
    const found = logOnePlusExp(root.outputs[0], inference);
    return found === undefined ? 'it is not log(1 + exp(x))' : { captures: { x: found.x }, nodes: found.nodes };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Softplus', of: x }, context),
  rewrite: ({ x }, build) => [build.op('Softplus', [x])],
});

export const fuseStableSoftplus = defineRewrite<Match>({
  name: 'fuse-stable-softplus',
  summary: 'max(x, 0) + log(1 + exp(−|x|)) => Softplus(x)',
  licence: 'reassociates',
  pattern: search('Add', (root, { inference }) => {
    for (const [left, right] of [root.inputs, [...root.inputs].reverse()]) {
      const clamp = left == null ? undefined : clampOf(left, inference);
      const log = softplusOf(right, inference);
      const negated = producerOf(log?.x, 'Neg');
      const absolute = producerOf(negated?.inputs[0], 'Abs');
      if (clamp === undefined || log === undefined || negated === undefined || absolute === undefined) continue;
      if (clamp.low !== 0 || clamp.high !== Number.POSITIVE_INFINITY || absolute.inputs[0] !== clamp.x) continue;
      return { captures: { x: clamp.x }, nodes: [...clamp.nodes, ...log.nodes, negated, absolute] };
    }
    return 'it is not max(x, 0) + log(1 + exp(−|x|))';
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Softplus', of: x }, context),
  rewrite: ({ x }, build) => [build.op('Softplus', [x])],
});

/** From here on float's nearest number to softplus(x) is x. */
const farOut = 17;

export const fuseThresholdSoftplus = defineRewrite<Match & { readonly softplus: Value }>({
  name: 'fuse-threshold-softplus',
  summary: 'x > 20 ? x : Softplus(x) => Softplus(x)',
  licence: 'reassociates',
  pattern: search('Where', (root, { inference }) => {
    const cases = numberCasesOf(root, inference);
    const softplus = producerOf(cases?.below, 'Softplus');
    if (cases === undefined || softplus?.inputs[0] !== cases.x || cases.above !== cases.x)
      return 'it is no softplus of x';
    if (cases.threshold < farOut) return `at ${cases.threshold} x is not softplus(x) yet`;
    return { captures: { x: cases.x, softplus: softplus.outputs[0]! }, nodes: cases.nodes };
  }),
  check: ({ x }, { inference }) => (inference.dtypeOf(x) === 'double' ? 'in double they differ' : undefined),
  rewrite: ({ softplus }) => [softplus],
});

export const fuseMish = defineRewrite<Match>({
  name: 'fuse-mish',
  summary: 'x · tanh(softplus(x)) => Mish(x)',
  licence: 'assumes-finite',
  opset: 18,
  pattern: search('Mul', (root, { inference }) => {
    for (const [x, gate] of [root.inputs, [...root.inputs].reverse()]) {
      const tanh = producerOf(gate, 'Tanh');
      const found = softplusOf(tanh?.inputs[0], inference);
      if (tanh !== undefined && x != null && found?.x === x) return { captures: { x }, nodes: [tanh, ...found.nodes] };
    }
    return 'neither factor is tanh(softplus) of the other';
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Mish', since: 18, of: x }, context),
  rewrite: ({ x }, build) => [build.op('Mish', [x])],
});

export const fuseSoftsign = defineRewrite<Match>({
  name: 'fuse-softsign',
  summary: 'x / (1 + |x|) => Softsign(x)',
  licence: 'reassociates',
  pattern: search(['Div', 'Mul'], (root, { inference }) => {
    const { coefficient, powers, nodes } = monomialOf(root.outputs[0]!, inference);
    const x = powers.find(({ exponent }) => exponent === 1)?.value;
    const sum = onePlus(powers.find(({ exponent }) => exponent === -1)?.value, inference);
    const absolute = producerOf(sum?.rest, 'Abs');
    if (powers.length !== 2 || coefficient !== 1 || x === undefined) return 'it is no quotient of two values';
    if (sum === undefined || absolute?.inputs[0] !== x) return 'it is not divided by 1 + |x|';
    return { captures: { x }, nodes: [...nodes, sum.node, absolute] };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Softsign', of: x }, context),
  rewrite: ({ x }, build) => [build.op('Softsign', [x])],
});

/** Softplus as it is or written out. */
function softplusOf(value: Value | null | undefined, inference: Inference): Found | undefined {
  const softplus = producerOf(value, 'Softplus');
  const x = softplus?.inputs[0];
  return x == null ? logOnePlusExp(value, inference) : { x, nodes: [softplus!] };
}

function logOnePlusExp(value: Value | null | undefined, inference: Inference): Found | undefined {
  const log = producerOf(value, 'Log');
  const sum = onePlus(log?.inputs[0], inference);
  const exp = producerOf(sum?.rest, 'Exp');
  const x = exp?.inputs[0];
  return log === undefined || sum === undefined || x == null ? undefined : { x, nodes: [log, sum.node, exp!] };
}
