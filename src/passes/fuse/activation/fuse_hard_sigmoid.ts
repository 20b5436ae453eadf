// clip(α·x + β, 0, 1) => HardSigmoid(x), also scaled: clip(x + 3, 0, 6) / 6
// x · clip(x + 3, 0, 6) / 6 => HardSwish(x), or x · HardSigmoid(x) where the target has no HardSwish
// Needs: constants of one element, and bounds that come out as 0 and 1.
import { floatAttribute, getFloat } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { affineOf } from '../../rewrite/affine.js';
import { clampOf } from '../../rewrite/clamp.js';
import { monomialOf } from '../../rewrite/monomial.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, type NodePattern, search } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { isClose } from '../../rewrite/scalar.js';

/** HardSigmoid(x) = max(0, min(1, alpha · x + beta)) */
type Match = { readonly x: Value; readonly alpha: number; readonly beta: number };

/** Sixths as exporters round them. */
const tolerance = 1e-4;

export const fuseHardSigmoid = defineRewrite<Match>({
  name: 'fuse-hard-sigmoid',
  summary: 'clip(α · x + β, 0, 1) => HardSigmoid(x)',
  licence: 'reassociates',
  opset: 6,
  pattern: search(['Clip', 'Relu', 'Min', 'Max', 'Mul', 'Div', 'Add', 'Sub'], (root, { inference }) => {
    const outer = affineOf(root.outputs[0]!, inference);
    const gate = gateOf(outer.x, outer.factor, outer.offset, inference);
    if (gate === undefined) return 'it is not held between 0 and 1';
    if (gate.alpha === 1 && gate.beta === 0 && outer.nodes.length === 0) return 'nothing but bounds';
    return { captures: gate, nodes: [...outer.nodes, ...gate.nodes] };
  }),
  check: ({ x }, context, root) => hardSigmoidObstacle(x, root, context),
  rewrite: (match, build) => [hardSigmoid(match, build)],
});

const hardSwishPattern: NodePattern<Match> = search(['Mul', 'Div'], findHardSwish);

export const fuseHardSwish = defineRewrite<Match>({
  name: 'fuse-hard-swish',
  summary: 'x · clip(x + 3, 0, 6) / 6 => HardSwish(x)',
  licence: 'reassociates',
  opset: 14,
  pattern: hardSwishPattern,
  check({ x, alpha, beta }, context, root) {
    if (!isClose(alpha, 1 / 6, tolerance) || !isClose(beta, 0.5, tolerance)) return 'the gate is another one';
    return offerObstacle(root, { opType: 'HardSwish', since: 14, of: x }, context);
  },
  rewrite: ({ x }, build) => [build.op('HardSwish', [x])],
});

export const fuseHardGate = defineRewrite<Match>({
  name: 'fuse-hard-gate',
  summary: 'x · clip(x + 3, 0, 6) / 6 => x · HardSigmoid(x)',
  licence: 'reassociates',
  opset: 6,
  pattern: hardSwishPattern,
  check({ x }, context, root) {
    const gates = root.inputs.map((input) => producerOf(input, 'HardSigmoid'));
    return gates.some((gate) => gate !== undefined) ? 'it is one' : hardSigmoidObstacle(x, root, context);
  },
  rewrite: (match, build) => [build.op('Mul', [match.x, hardSigmoid(match, build)])],
});

const hardSigmoidObstacle = (x: Value, root: Node, context: CheckContext): string | undefined =>
  offerObstacle(root, { opType: 'HardSigmoid', since: 6, of: x }, context);

const hardSigmoid = ({ x, alpha, beta }: Match, build: ReplacementBuilder): Value =>
  build.op('HardSigmoid', [x], { attributes: [floatAttribute('alpha', alpha), floatAttribute('beta', beta)] });

type Gate = Match & { readonly nodes: readonly Node[] };

/** factor · value + offset as max(0, min(1, alpha · x + beta)). */
function gateOf(value: Value, factor: number, offset: number, inference: Inference, x?: Value): Gate | undefined {
  const clamp = clampOf(value, inference);
  const isUnit =
    isClose(factor * clamp.high + offset, 1, tolerance) && Math.abs(factor * clamp.low + offset) < tolerance;
  if (clamp.nodes.length === 0 || !(factor > 0) || !isUnit) return undefined;
  const isWhole = clamp.x === x || clamp.x.uses.size > 1;
  const inner = affineOf(clamp.x, inference, new Set(isWhole ? [clamp.x] : x === undefined ? [] : [x]));
  return {
    x: inner.x,
    alpha: factor * inner.factor,
    beta: factor * inner.offset + offset,
    nodes: [...clamp.nodes, ...inner.nodes],
  };
}

function findHardSwish(root: Node, { inference }: { readonly inference: Inference }): Finding<Match> | string {
  const { coefficient, powers, nodes } = monomialOf(root.outputs[0]!, inference);
  const [first, second, ...more] = powers;
  if (first === undefined || second === undefined || more.length > 0) return 'it is not a product of two values';
  if (first.exponent !== 1 || second.exponent !== 1) return 'it is not a product of two values';
  for (const [x, gate] of [
    [first.value, second.value],
    [second.value, first.value],
  ] as const) {
    const made = producerOf(gate, 'HardSigmoid');
    if (made?.inputs[0] === x && coefficient === 1) {
      const [alpha, beta] = [getFloat(made, 'alpha', 0.2), getFloat(made, 'beta', 0.5)];
      return { captures: { x, alpha, beta }, nodes: [...nodes, made] };
    }
    const found = gateOf(gate, coefficient, 0, inference, x);
    if (found?.x === x) return { captures: found, nodes: [...nodes, ...found.nodes] };
  }
  return 'neither factor is held between 0 and 1';
}
