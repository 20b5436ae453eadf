import { getTensor, subgraphs } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Graph, Model, Node, Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { knownBounds } from '../../ir/ops/known_ranges.js';
import { dataInputs, elementSource, nodeTraits } from '../../ir/ops/traits.js';
import type { Tensor } from '../../ir/tensor.js';
import { isOperator } from '../rewrite/operator.js';
import type { ConstantFit } from './constant_fit.js';
import { halfLimits } from './half_limits.js';

/** What large constants, such as those that mask scores, make of the values behind them. */
export type LargeValue = {
  /** A bound from below on the largest magnitude: that of the constants, other factors counted as 1. */
  readonly size: number;
  /** A large number was added to others, of which a half float would keep no digits. */
  readonly absorbs: boolean;
};

/** Results of these, by operator of the default domain, are small whatever they read. */
const settling = new Set(['Cos', 'Erf', 'Exp', 'Reciprocal', 'Sign', 'Sin', 'Softsign']);

/**
 * Values that large constants get into, by way of whatever computes or moves elements one by one, reduces or joins them;
 * up to a softmax or another operator of bounded results. Constants are not among them, infinities do not count.
 */
export function largeValues(
  model: Model,
  inference: Inference,
  { half, fitOf }: { readonly half: HalfType; readonly fitOf: (tensor: Tensor) => ConstantFit },
): Map<Value, LargeValue> {
  const { wholeNumbers } = halfLimits[half];
  const found = new Map<Value, LargeValue>();
  const isFloat = (value: Value | null): value is Value => value !== null && inference.dtypeOf(value) === 'float';
  const largeness = (value: Value | null | undefined): LargeValue => {
    if (value == null || !isFloat(value)) return none;
    const tensor = constantTensor(value);
    return tensor?.dtype === 'float' ? { size: fitOf(tensor).largest, absorbs: false } : (found.get(value) ?? none);
  };
  /** Whether that is more than was known. */
  const note = (value: Value | null | undefined, { size, absorbs }: LargeValue): boolean => {
    if (value == null || size <= wholeNumbers || !isFloat(value) || constantTensor(value) !== undefined) return false;
    const known = found.get(value) ?? none;
    found.set(value, { size: Math.max(size, known.size), absorbs: absorbs || known.absorbs });
    return size > known.size || (absorbs && !known.absorbs);
  };
  const visit = (graph: Graph): void => {
    for (const node of graph.nodes) {
      const bodies = subgraphs(node);
      if (bodies.length > 0) visitBodies(node, bodies);
      const result = bodies.length > 0 ? undefined : resultOf(node, largeness, fitOf);
      if (result === undefined) continue;
      const adds = ['Add', 'Sub', 'Sum'].some((opType) => isOperator(node, opType));
      const absorbs = result.absorbs || (adds && result.size > wholeNumbers);
      for (const output of node.outputs) note(output, { ...result, absorbs });
    }
  };
  const visitBodies = (node: Node, bodies: readonly Graph[]): void => {
    for (const body of bodies) {
      const ways = waysThrough(node, body);
      for (const [from, to] of ways.into) note(to, largeness(from));
      visit(body);
      // What grows from turn to turn has no bound.
      for (let turn = 0; turn < 3; turn += 1) {
        const grown = ways.around.filter(([from, to]) => {
          const { size, absorbs } = largeness(from);
          const isLarger = size > largeness(to).size;
          return note(to, { size: turn > 0 && isLarger ? Number.POSITIVE_INFINITY : size, absorbs });
        });
        if (grown.length === 0) break;
        visit(body);
      }
      for (const [from, to] of ways.out) note(to, largeness(from));
    }
  };
  visit(model.graph);
  return found;
}

type Way = readonly [from: Value | null | undefined, to: Value | null | undefined];

/** Which values become which at the boundary of a body: on the way in, from turn to turn, and on the way out. */
function waysThrough(node: Node, body: Graph): { into: Way[]; around: Way[]; out: Way[] } {
  const results = body.outputs.map(({ value }) => value);
  if (isOperator(node, 'If')) return { into: [], around: [], out: results.map((from, at) => [from, node.outputs[at]]) };
  // A Loop's body also says whether to go on. A Scan may have lengths in front, and its states come first.
  const isLoop = isOperator(node, 'Loop');
  if (!isLoop && !isOperator(node, 'Scan')) return { into: [], around: [], out: [] };
  const carried = isLoop ? results.slice(1) : results;
  const skipped = isLoop ? 2 : 0;
  const offset = node.inputs.length - body.inputs.length;
  return {
    into: body.inputs.map((to, at) => [node.inputs[at + (isLoop ? 0 : offset)], to]),
    around: carried.map((from, at) => [from, body.inputs[at + skipped]]),
    out: carried.map((from, at) => [from, node.outputs[at]]),
  };
}

const none: LargeValue = { size: 0, absorbs: false };

function resultOf(
  node: Node,
  largeness: (value: Value | null | undefined) => LargeValue,
  fitOf: (tensor: Tensor) => ConstantFit,
): LargeValue | undefined {
  const { min, max } = knownBounds(node.domain, node.opType);
  if (min !== undefined && max !== undefined) return undefined;
  if (isDefault(node) && settling.has(node.opType)) return undefined;
  const merged = (values: readonly (Value | null | undefined)[]): LargeValue => {
    const all = values.map(largeness);
    return { size: Math.max(0, ...all.map(({ size }) => size)), absorbs: all.some(({ absorbs }) => absorbs) };
  };
  if (isOperator(node, 'ConstantOfShape')) {
    const tensor = getTensor(node, 'value');
    return tensor?.dtype === 'float' ? { size: fitOf(tensor).largest, absorbs: false } : undefined;
  }
  if (isOperator(node, 'Mul')) {
    const size = node.inputs.reduce((product, input) => product * Math.max(1, largeness(input).size), 1);
    return { size, absorbs: merged(node.inputs).absorbs };
  }
  if (isOperator(node, 'Div')) return merged([node.inputs[0]]);
  const source = elementSource(node);
  if (source?.kind === 'filled') return merged(node.inputs);
  if (source !== undefined) return merged(dataInputs(node).map((index) => node.inputs[index]));
  const elementwise = nodeTraits(node)?.elementwise;
  if (elementwise === 'unary') return merged([node.inputs[0]]);
  if (elementwise !== undefined) return merged(node.inputs);
  return isDefault(node) && /^Reduce|^CumSum$/.test(node.opType) ? merged([node.inputs[0]]) : undefined;
}

const isDefault = ({ domain }: Node): boolean => domain === '' || domain === 'ai.onnx';
