import { getInt, getInts } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import { normalAxes } from '../../ir/ops/inference/axes.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { tensorIntegers } from '../../ir/tensor.js';
import { shapesEqual } from '../../ir/value_type.js';
import { isOperator, producerOf } from './operator.js';
import { productOf } from './product.js';
import { isClose } from './scalar.js';

/** A reduction whose result has its input's rank: reduced axes are 1. */
export type Reduction = {
  readonly input: Value;
  /** Ascending, counted from the front. */
  readonly axes: readonly number[];
  /** The reduction first, then what gives the axes back or scales. */
  readonly nodes: readonly Node[];
};

/** The axes that an attribute or input names; undefined where they are not constant or there are none. */
export function namedAxes(node: Node, input = 1): readonly number[] | undefined {
  const attribute = getInts(node, 'axes', undefined);
  if (attribute !== undefined) return attribute;
  const tensor = constantTensor(node.inputs[input]);
  return tensor === undefined ? undefined : tensorIntegers(tensor)?.map(Number);
}

/**
 * The axes along which a Reduce operator reduces, ascending and counted from the front; undefined where they or the rank
 * are not known, and where it reduces nothing.
 */
export function reducedAxes(node: Node, inference: Inference): readonly number[] | undefined {
  const [input = null, axesInput = null] = node.inputs;
  const rank = input === null ? undefined : inference.shapeOf(input)?.length;
  if (rank === undefined || rank === 0) return undefined;
  const named = namedAxes(node);
  if (named === undefined && axesInput !== null) return undefined;
  if (named === undefined || named.length === 0) {
    return getInt(node, 'noop_with_empty_axes', 0) === 0 ? Array.from({ length: rank }, (_, axis) => axis) : undefined;
  }
  return normalAxes(named, rank)?.sort((a, b) => a - b);
}

/** `value` as a reduction of this operator type that keeps its axes, or gives them back by Unsqueeze or Reshape. */
export function reductionOf(value: Value | null, opType: string, inference: Inference): Reduction | undefined {
  const node = value?.producer;
  if (value == null || node == null || !node.attached) return undefined;
  if (isOperator(node, 'Unsqueeze') || isOperator(node, 'Reshape')) {
    const inner = producerOf(node.inputs[0], opType);
    const axes = inner && reducedAxes(inner, inference);
    const shape = inner && inference.shapeOf(inner.inputs[0]!);
    if (inner === undefined || axes === undefined || shape === undefined) return undefined;
    const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const isGivenBack = getInt(inner, 'keepdims', 1) === 0 && shapesEqual(inference.shapeOf(value), kept);
    // With axes of size 1 beside them, Unsqueeze could give back others.
    const isSame = isOperator(node, 'Reshape') || sameAxes(axes, givenAxes(node, shape.length));
    return isGivenBack && isSame ? { input: inner.inputs[0]!, axes, nodes: [inner, node] } : undefined;
  }
  if (!isOperator(node, opType) || getInt(node, 'keepdims', 1) === 0) return undefined;
  const axes = reducedAxes(node, inference);
  return axes === undefined ? undefined : { input: node.inputs[0]!, axes, nodes: [node] };
}

const givenAxes = (unsqueeze: Node, rank: number): readonly number[] =>
  normalAxes(namedAxes(unsqueeze) ?? [], rank)?.sort((a, b) => a - b) ?? [];

/** `value` as the mean of another: ReduceMean, or ReduceSum divided by how many there are. */
export function meanOf(value: Value | null, inference: Inference): Reduction | undefined {
  const mean = reductionOf(value, 'ReduceMean', inference);
  if (value === null || mean !== undefined) return mean;
  const { coefficient, factors, nodes } = productOf(value, inference);
  const sum = factors.length === 1 && nodes.length > 0 ? reductionOf(factors[0]!, 'ReduceSum', inference) : undefined;
  const shape = sum && inference.shapeOf(sum.input);
  if (sum === undefined || shape === undefined) return undefined;
  let count = 1;
  for (const axis of sum.axes) {
    const size = shape[axis];
    if (typeof size !== 'number') return undefined;
    count *= size;
  }
  return isClose(coefficient * count, 1, 1e-6) ? { ...sum, nodes: [...sum.nodes, ...nodes] } : undefined;
}

export const sameAxes = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((axis, index) => axis === b[index]);

/** Whether ascending axes are the last ones of a tensor of this rank. */
export const isLastAxes = (axes: readonly number[], rank: number): boolean =>
  axes.every((axis, index) => axis === rank - axes.length + index);
