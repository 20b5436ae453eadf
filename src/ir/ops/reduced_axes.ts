import { getInt, getInts } from '../attribute.js';
import { constantTensor } from '../constant.js';
import { calledFunction, type Node, opsetVersion } from '../graph.js';
import { tensorIntegers } from '../tensor.js';
import { normalAxis } from './inference/axes.js';

/** Axes of input 0 as a node of this opset names them, negative ones counted from the end; 'unknown' where open. */
type NamedAxes = (node: Node, rank: number, opset: number) => readonly number[] | 'unknown';

const from = (start: number, rank: number): number[] =>
  Array.from({ length: Math.max(0, rank - start) }, (_, index) => start + index);

const all = (rank: number): number[] => from(0, rank);

/** An attribute that a function's caller binds says nothing here. */
const isOpen = (node: Node, name: string): boolean => node.attributes.get(name)?.kind === 'reference';

/**
 * Reductions take axes by attribute, or by input 1 since opset 13 (ReduceSum) and 18 (the others); none means all,
 * unless `noop_with_empty_axes` makes that nothing.
 */
const reduction: NamedAxes = (node, rank) => {
  if (isOpen(node, 'axes') || isOpen(node, 'noop_with_empty_axes')) return 'unknown';
  const given = getInts(node, 'axes', undefined) ?? inputAxes(node);
  if (given === 'unknown' || given.length > 0) return given;
  return getInt(node, 'noop_with_empty_axes', 0) !== 0 ? [] : all(rank);
};

function inputAxes(node: Node): readonly number[] | 'unknown' {
  const input = node.inputs[1];
  if (input == null) return [];
  const constant = constantTensor(input);
  return (constant && tensorIntegers(constant)?.map(Number)) ?? 'unknown';
}

const oneAxis =
  (fallback: number): NamedAxes =>
  (node) =>
    isOpen(node, 'axis') ? 'unknown' : [getInt(node, 'axis', fallback)];

/** Before opset 13 everything from `axis` on counted as one axis. */
const softmax: NamedAxes = (node, rank, opset) =>
  opset >= 13 ? oneAxis(-1)(node, rank, opset) : fromAxis(1)(node, rank, opset);

const fromAxis =
  (fallback: number): NamedAxes =>
  (node, rank) => {
    if (isOpen(node, 'axis')) return 'unknown';
    const given = getInt(node, 'axis', fallback);
    // Softmax before 13 may start behind the last axis.
    const start = given === rank ? rank : normalAxis(given, rank);
    return start === undefined ? 'unknown' : from(start, rank);
  };

const spatial: NamedAxes = (_, rank) => from(2, rank);

const meanVariance: NamedAxes = (node) => (isOpen(node, 'axes') ? 'unknown' : getInts(node, 'axes', [0, 2, 3]));

const operators: Readonly<Record<string, NamedAxes>> = {
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceSum: reduction,
  ReduceSumSquare: reduction,
  ArgMax: oneAxis(0),
  ArgMin: oneAxis(0),

  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,

  LayerNormalization: fromAxis(-1),
  RMSNormalization: fromAxis(-1),
  SimplifiedLayerNormalization: fromAxis(-1),
  LpNormalization: oneAxis(-1),
  MeanVarianceNormalization: meanVariance,
  InstanceNormalization: spatial,

  GlobalAveragePool: spatial,
  GlobalLpPool: spatial,
  GlobalMaxPool: spatial,
};

/**
 * The axes of input 0, of this rank, along which a reduction, normalization or softmax combines elements; in ascending
 * order, each once. undefined for other operators, for those that combine parts of axes (LRN, GroupNormalization) or
 * depend on a mode (BatchNormalization), and where the axes are not known or out of range.
 */
export function reducedAxes(node: Node, rank: number): number[] | undefined {
  if ((node.domain !== '' && node.domain !== 'ai.onnx') || calledFunction(node) !== undefined) return undefined;
  if (!Object.hasOwn(operators, node.opType)) return undefined;
  const named = operators[node.opType]!(node, rank, opsetVersion(node.graph, node.domain) ?? 1);
  if (named === 'unknown') return undefined;
  const axes = named.map((axis) => normalAxis(axis, rank));
  const known = axes.filter((axis) => axis !== undefined);
  return known.length < axes.length ? undefined : [...new Set(known)].sort((a, b) => a - b);
}
