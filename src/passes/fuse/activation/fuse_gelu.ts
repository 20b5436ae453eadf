// 0.5 · x · (1 + erf(x / √2)) => Gelu(x)
// 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) => Gelu(x, approximate="tanh")
// Needs: the constants of the formula, however its products are nested, and a target that has Gelu for x's type.
import { type Attribute, stringAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { MatchState } from '../../rewrite/match_state.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { productOf, withoutFactors } from '../../rewrite/product.js';
import { defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import { isClose } from '../../rewrite/scalar.js';
import { type OnePlus, onePlus } from './one_plus.js';

type Match = { readonly x: Value };

/** Constants as exporters round them. */
const tolerance = 1e-5;

const since = 20;

export const fuseGelu = fuseGated('fuse-gelu', 'x · Φ(x) by erf => Gelu(x)', 'Erf', erfNodes, []);

export const fuseTanhGelu = fuseGated('fuse-tanh-gelu', 'x · Φ(x) by tanh => Gelu(x)', 'Tanh', tanhNodes, [
  stringAttribute('approximate', 'tanh'),
]);

/** The nodes that compute the gate's argument from x, or undefined where it is another one. */
type Argument = (argument: Value, x: Value, state: MatchState) => readonly Node[] | undefined;

function fuseGated(
  name: string,
  summary: string,
  gate: 'Erf' | 'Tanh',
  argumentNodes: Argument,
  attributes: readonly Attribute[],
): Rewrite<Match> {
  return defineRewrite({
    name,
    summary,
    licence: 'reassociates',
    opset: since,
    pattern: search('Mul', (root, state) => findGated(root, state, gate, argumentNodes)),
    check: ({ x }, context, root) => offerObstacle(root, { opType: 'Gelu', since, of: x }, context),
    rewrite: ({ x }, build) => [build.op('Gelu', [x], { attributes })],
  });
}

/** 0.5 · x · (1 + gate(…)) */
function findGated(root: Node, state: MatchState, gate: string, argumentNodes: Argument): Finding<Match> | string {
  const { coefficient, factors, nodes } = productOf(root.outputs[0]!, state.inference);
  if (factors.length !== 2) return 'it is not a product of two values';
  for (const [x, other] of [factors, [...factors].reverse()] as [Value, Value][]) {
    const sum = onePlus(other, state.inference);
    const gated = sum?.rest.producer;
    if (sum === undefined || gated?.opType !== gate || gated.inputs[0] == null) continue;
    if (!isClose(coefficient, 0.5, tolerance)) return `the factor in front is ${coefficient}, not 0.5`;
    const inner = argumentNodes(gated.inputs[0], x, state);
    if (inner === undefined) return `the argument of ${gate} is another one`;
    return { captures: { x }, nodes: [...nodes, sum.node, gated, ...inner] };
  }
  return `neither factor is 1 + ${gate}`;
}

/** x / √2 */
function erfNodes(argument: Value, x: Value, { inference }: MatchState): readonly Node[] | undefined {
  const { coefficient, factors, nodes } = productOf(argument, inference, new Set([x]));
  return isClose(coefficient, Math.SQRT1_2, tolerance) && withoutFactors(factors, [x])?.length === 0
    ? nodes
    : undefined;
}

/** √(2/π) · (x + 0.044715 · x³), or √(2/π) · x · (1 + 0.044715 · x²) */
function tanhNodes(argument: Value, x: Value, state: MatchState): readonly Node[] | undefined {
  const whole = new Set([x]);
  const { coefficient, factors, nodes } = productOf(argument, state.inference, whole);
  if (!isClose(coefficient, Math.sqrt(2 / Math.PI), tolerance)) return undefined;
  const [sum, ...none] = withoutFactors(factors, [x]) ?? factors;
  if (sum === undefined || none.length > 0) return undefined;
  const isFactored = factors.length === 2;
  const terms = isFactored ? onePlus(sum, state.inference) : plus(sum, x);
  if (terms === undefined) return undefined;
  const power = productOf(terms.rest, state.inference, whole);
  const isCubic = isClose(power.coefficient, 0.044715, tolerance);
  const expected = isFactored ? [x, x] : [x, x, x];
  if (!isCubic || withoutFactors(power.factors, expected)?.length !== 0) return undefined;
  return [...nodes, terms.node, ...power.nodes];
}

/** known + rest */
function plus(value: Value, known: Value): OnePlus | undefined {
  const node = value.producer;
  if (node?.opType !== 'Add' || !node.attached) return undefined;
  const [left = null, right = null] = node.inputs;
  if (left === known && right !== null) return { node, rest: right };
  return right === known && left !== null ? { node, rest: left } : undefined;
}
