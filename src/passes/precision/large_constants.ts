import { getTensor } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Model, Node, Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { knownBounds } from '../../ir/ops/known_ranges.js';
import { dataInputs, elementSource, nodeTraits } from '../../ir/ops/traits.js';
import type { Tensor } from '../../ir/tensor.js';
import { nestedGraphs } from '../../ir/topological_order.js';
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
  for (const graph of nestedGraphs(model.graph)) {
    for (const node of graph.nodes) {
      const result = resultOf(node, largeness, fitOf);
      if (result === undefined) continue;
      const { size } = result;
      const adds = ['Add', 'Sub', 'Sum'].some((opType) => isOperator(node, opType));
      const absorbs = result.absorbs || (adds && size > wholeNumbers);
      if (size <= wholeNumbers) continue;
      for (const output of node.outputs) {
        if (isFloat(output) && constantTensor(output) === undefined) found.set(output, { size, absorbs });
      }
    }
  }
  return found;
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
