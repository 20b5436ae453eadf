// x < 0 ? α · x : x => LeakyRelu(x), or PRelu(x, slope) where the slope is no single number; max(x, α · x) alike
// relu(x) − slope · relu(−x) => PRelu(x, slope)
// Needs: the slope broadcasts to x.
import { floatAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { shapesEqual } from '../../../ir/value_type.js';
import { affineOf } from '../../rewrite/affine.js';
import { numberCasesOf } from '../../rewrite/cases.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

type Leaky = { readonly x: Value; readonly alpha: number };
type Sloped = { readonly x: Value; readonly slope: Value };

export const fuseLeakyRelu = defineRewrite<Leaky>({
  name: 'fuse-leaky-relu',
  summary: 'x < 0 ? α · x : x => LeakyRelu(x)',
  licence: 'reassociates',
  opset: 6,
  pattern: search('Where', (root, { inference }) => {
    const cases = numberCasesOf(root, inference);
    if (cases?.threshold !== 0) return 'it does not compare with 0';
    const below = affineOf(cases.below, inference, new Set([cases.x]));
    if (cases.above !== cases.x) return 'above 0 it is not x';
    if (below.x !== cases.x || below.offset !== 0 || below.nodes.length === 0) return 'below 0 it is not x scaled';
    return { captures: { x: cases.x, alpha: below.factor }, nodes: [...cases.nodes, ...below.nodes] };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'LeakyRelu', since: 6, of: x }, context),
  rewrite: ({ x, alpha }, build) => [build.op('LeakyRelu', [x], { attributes: [floatAttribute('alpha', alpha)] })],
});

export const fuseMaxLeakyRelu = defineRewrite<Leaky>({
  name: 'fuse-max-leaky-relu',
  summary: 'max(x, α · x) => LeakyRelu(x), α between 0 and 1',
  // Of −∞ times 0 the maximum is NaN.
  licence: 'assumes-finite',
  opset: 6,
  pattern: search('Max', (root, { inference }) => {
    for (const [x, scaled] of [root.inputs, [...root.inputs].reverse()]) {
      if (x == null || scaled == null || root.inputs.length !== 2) continue;
      const other = affineOf(scaled, inference, new Set([x]));
      const isFlatter = other.factor >= 0 && other.factor < 1;
      if (other.x !== x || other.offset !== 0 || other.nodes.length === 0 || !isFlatter) continue;
      return { captures: { x, alpha: other.factor }, nodes: other.nodes };
    }
    return 'neither operand is the other scaled down';
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'LeakyRelu', since: 6, of: x }, context),
  rewrite: ({ x, alpha }, build) => [build.op('LeakyRelu', [x], { attributes: [floatAttribute('alpha', alpha)] })],
});

export const fusePrelu = defineRewrite<Sloped>({
  name: 'fuse-prelu',
  summary: 'x < 0 ? slope · x : x => PRelu(x, slope)',
  licence: 'reassociates',
  opset: 9,
  pattern: search('Where', (root, { inference }) => {
    const cases = numberCasesOf(root, inference);
    if (cases?.threshold !== 0) return 'it does not compare with 0';
    const product = producerOf(cases.below, 'Mul');
    const slope = product?.inputs.find((input) => input !== cases.x);
    if (cases.above !== cases.x || !product?.inputs.includes(cases.x) || slope == null)
      return 'it is not x and slope · x';
    if (!keepsShape(cases.x, root, inference)) return 'the slope is not known to broadcast to x';
    return { captures: { x: cases.x, slope }, nodes: [...cases.nodes, product] };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'PRelu', since: 9, of: x }, context),
  rewrite: ({ x, slope }, build) => [build.op('PRelu', [x, slope])],
});

export const fuseReluPrelu = defineRewrite<Sloped & { readonly isNegative: boolean }>({
  name: 'fuse-relu-prelu',
  summary: 'relu(x) − slope · relu(−x) => PRelu(x, slope)',
  licence: 'reassociates',
  opset: 9,
  pattern: search(['Sub', 'Add'], (root, { inference }) => {
    for (const [left, right] of [root.inputs, [...root.inputs].reverse()]) {
      const relu = producerOf(left, 'Relu');
      const x = relu?.inputs[0];
      const product = producerOf(right, 'Mul');
      const inner = product?.inputs.map((input) => producerOf(input, 'Relu')).find((node) => node !== undefined);
      const negated = producerOf(inner?.inputs[0], 'Neg');
      const slope = product?.inputs.find((input) => input !== inner?.outputs[0]);
      if (x == null || slope == null || negated === undefined || negated.inputs[0] !== x) continue;
      if (root.opType === 'Sub' && left !== root.inputs[0]) continue;
      if (!keepsShape(x, root, inference)) return 'the slope is not known to broadcast to x';
      const captures = { x, slope, isNegative: root.opType === 'Add' };
      return { captures, nodes: [relu!, product!, inner!, negated] };
    }
    return 'it is not relu(x) − slope · relu(−x)';
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'PRelu', since: 9, of: x }, context),
  // A negated slope is a constant where the slope is one: folding takes it.
  rewrite: ({ x, slope, isNegative }, build) => [build.op('PRelu', [x, isNegative ? build.op('Neg', [slope]) : slope])],
});

const keepsShape = (x: Value, root: Node, inference: Inference): boolean =>
  shapesEqual(inference.shapeOf(x), inference.shapeOf(root.outputs[0]!));
