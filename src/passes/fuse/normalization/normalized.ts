import type { DataType } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { type Monomial, monomialOf, type Power } from '../../rewrite/monomial.js';
import { producerOf } from '../../rewrite/operator.js';
import { meanOf, type Reduction, sameAxes } from '../../rewrite/reduction.js';
import { scalarOperand } from '../../rewrite/scalar.js';

/** (x − mean) / √(variance + epsilon) along axes, or x / √(mean of squares + epsilon), times what `scales` are. */
export type Normalized = {
  readonly x: Value;
  /** The type that x is cast to first, where it is: the mean may have been taken away before. */
  readonly castTo?: DataType | undefined;
  /** Ascending, counted from the front. */
  readonly axes: readonly number[];
  readonly rank: number;
  readonly epsilon: number;
  /** Whether the mean is taken away. */
  readonly isCentred: boolean;
  /** The mean and 1 / √(variance + epsilon) where they are values of the graph, each axis reduced to 1. */
  readonly mean: Value | undefined;
  readonly inverse: Value | undefined;
  readonly coefficient: number;
  /** What else it is multiplied by. */
  readonly scales: readonly Value[];
  readonly nodes: readonly Node[];
};

/** Takes a value apart as a normalization, however its quotients and squares are written; or why it is none. */
export function normalizedOf(value: Value, inference: Inference): Normalized | string {
  const product = monomialOf(value, inference);
  if (product.nodes.length === 0) return 'it is no product';
  for (const power of product.powers) {
    const root = rootOf(power, inference);
    if (root === undefined) continue;
    const shifted = shiftedBy(root.argument, inference);
    for (const { value: numerator, exponent } of product.powers) {
      if (exponent !== 1 || numerator === power.value) continue;
      const found = statistics(numerator, shifted.rest, inference);
      if (found === undefined) continue;
      const others = product.powers.filter((other) => other.value !== power.value && other.value !== numerator);
      if (others.some((other) => other.exponent !== 1)) return 'it is divided by something else as well';
      const outside = outsideInverse(root, product, inference);
      return {
        ...found,
        epsilon: shifted.epsilon,
        inverse: outside?.value,
        coefficient: product.coefficient,
        scales: others.map((other) => other.value),
        nodes: [...product.nodes, ...root.nodes, ...shifted.nodes, ...found.nodes, ...(outside?.nodes ?? [])],
      };
    }
  }
  return 'nothing is divided by the root of its own mean square';
}

/** The same for x·s + (offset − mean·s), s = scale / √(variance + epsilon); `offset` joins what is found. */
export function scatteredOf(root: Node, inference: Inference): (Normalized & { readonly offset: Value }) | string {
  for (const [left, right] of [root.inputs, [...root.inputs].reverse()]) {
    const scaled = producerOf(left, 'Mul');
    const shift = producerOf(right, 'Sub');
    const shifted = producerOf(shift?.inputs[1], 'Mul');
    if (scaled === undefined || shift?.inputs[0] == null || shifted === undefined) continue;
    for (const [x, s] of [scaled.inputs, [...scaled.inputs].reverse()] as [Value, Value][]) {
      const average = shifted.inputs.find((input) => input !== s) ?? null;
      const mean = shifted.inputs.includes(s) ? meanOf(average, inference) : undefined;
      if (mean?.input !== x) continue;
      const product = monomialOf(s, inference);
      for (const power of product.powers) {
        const inverse = rootOf(power, inference);
        if (inverse === undefined) continue;
        const variance = shiftedBy(inverse.argument, inference);
        const deviation = { x, mean, value: undefined };
        const nodes = varianceNodes(variance.rest, deviation, inference);
        if (nodes === undefined) continue;
        const others = product.powers.filter((other) => other.value !== power.value);
        if (others.some((other) => other.exponent !== 1)) return 'it is divided by something else as well';
        return {
          x,
          axes: mean.axes,
          rank: inference.shapeOf(x)!.length,
          epsilon: variance.epsilon,
          isCentred: true,
          mean: average!,
          inverse: undefined,
          coefficient: product.coefficient,
          scales: others.map((other) => other.value),
          offset: shift.inputs[0],
          nodes: [
            ...[root, scaled, shift, shifted, ...product.nodes, ...inverse.nodes, ...variance.nodes],
            ...[...mean.nodes, ...nodes],
          ],
        };
      }
    }
  }
  return 'it is no sum of a scaled value and a shift by its scaled mean';
}

type Root = { readonly argument: Value; readonly nodes: readonly Node[] };

/** The argument of 1 / √argument. */
function rootOf({ value, exponent }: Power, inference: Inference): Root | undefined {
  if (exponent === -0.5) return { argument: value, nodes: [] };
  if (Math.abs(exponent) !== 1) return undefined;
  const { coefficient, powers, nodes } = monomialOf(value, inference);
  const [only, ...more] = powers;
  if (nodes.length === 0 || more.length > 0 || only === undefined || coefficient !== 1) return undefined;
  return only.exponent * exponent === -0.5 ? { argument: only.value, nodes } : undefined;
}

/** A value of the graph that is the inverse root, and the node that gives it where this product does not need it. */
function outsideInverse(
  root: Root,
  product: Monomial,
  inference: Inference,
): { value: Value; nodes: readonly Node[] } | undefined {
  const inner = new Set([...root.nodes, ...product.nodes]);
  const isInverse = (value: Value): boolean => {
    const { coefficient, powers } = monomialOf(value, inference);
    const [only, ...more] = powers;
    if (only === undefined || more.length > 0 || coefficient !== 1) return false;
    if (only.exponent === -0.5) return only.value === root.argument;
    return only.exponent === -1 && rootOf(only, inference)?.argument === root.argument;
  };
  for (const node of inner) {
    for (const use of [undefined, ...(node.outputs[0]?.uses ?? [])]) {
      const candidate = use === undefined ? node : use.kind === 'node' ? use.user : undefined;
      const result = candidate === undefined ? undefined : producerOf(candidate.outputs[0], 'Reciprocal', 'Pow');
      if (result !== undefined && isInverse(result.outputs[0]!)) {
        return { value: result.outputs[0]!, nodes: inner.has(result) ? [] : [result] };
      }
    }
  }
  return undefined;
}

type Shifted = { readonly rest: Value; readonly epsilon: number; readonly nodes: readonly Node[] };

/** rest + epsilon; epsilon 0 where nothing is added. */
function shiftedBy(argument: Value, inference: Inference): Shifted {
  const node = producerOf(argument, 'Add');
  const [left = null, right = null] = node?.inputs ?? [];
  if (node === undefined || left === null || right === null) return { rest: argument, epsilon: 0, nodes: [] };
  const behind = scalarOperand(right, node, inference);
  if (behind !== undefined && behind >= 0) return { rest: left, epsilon: behind, nodes: [node] };
  const front = scalarOperand(left, node, inference);
  return front !== undefined && front >= 0
    ? { rest: right, epsilon: front, nodes: [node] }
    : { rest: argument, epsilon: 0, nodes: [] };
}

type Statistics = Pick<Normalized, 'x' | 'castTo' | 'axes' | 'rank' | 'isCentred' | 'mean' | 'nodes'>;

/** What `numerator` is in terms of x, where `variance` is the mean of its square. */
function statistics(numerator: Value, variance: Value, inference: Inference): Statistics | undefined {
  // Half-precision exports center x as it is and go on in float.
  const cast = producerOf(numerator, 'Cast');
  const centred = producerOf(cast === undefined ? numerator : cast.inputs[0], 'Sub');
  const [x = null, average = null] = centred?.inputs ?? [];
  const mean = meanOf(average, inference);
  if (centred !== undefined && x !== null && mean?.input === x) {
    const deviation = { x, mean, value: numerator };
    const nodes = varianceNodes(variance, deviation, inference);
    if (nodes === undefined) return undefined;
    return {
      x,
      castTo: cast === undefined ? undefined : inference.dtypeOf(numerator),
      axes: mean.axes,
      rank: inference.shapeOf(x)!.length,
      isCentred: true,
      mean: average!,
      nodes: [...(cast === undefined ? [] : [cast]), centred, ...mean.nodes, ...nodes],
    };
  }
  const square = meanSquare(variance, (part) => (part === numerator ? [] : undefined), inference);
  if (square === undefined) return undefined;
  const rank = inference.shapeOf(numerator)!.length;
  return { x: numerator, axes: square.axes, rank, isCentred: false, mean: undefined, nodes: square.nodes };
}

/** x − mean, as a value where there is one. */
type Deviation = { readonly x: Value; readonly mean: Reduction; readonly value: Value | undefined };

/** The nodes that compute the variance of x: the mean of squared deviations, or of squares less the squared mean. */
export function varianceNodes(
  variance: Value,
  deviation: Deviation,
  inference: Inference,
): readonly Node[] | undefined {
  const clamp = producerOf(variance, 'Relu', 'Max');
  if (clamp !== undefined) {
    const rest = clamp.opType === 'Relu' ? clamp.inputs[0] : otherThanZero(clamp, inference);
    const nodes = rest == null ? undefined : varianceNodes(rest, deviation, inference);
    return nodes && [clamp, ...nodes];
  }
  const isMean = (value: Value): readonly Node[] | undefined => {
    const mean = meanOf(value, inference);
    return mean?.input === deviation.x && sameAxes(mean.axes, deviation.mean.axes) ? mean.nodes : undefined;
  };
  const difference = producerOf(variance, 'Sub');
  if (difference !== undefined) {
    const [left = null, right = null] = difference.inputs;
    if (left === null || right === null) return undefined;
    const squares = meanSquare(left, (part) => (part === deviation.x ? [] : undefined), inference);
    const square = powerOf(right, isMean, inference);
    const agrees = squares !== undefined && sameAxes(squares.axes, deviation.mean.axes);
    return agrees && square !== undefined ? [difference, ...squares.nodes, ...square] : undefined;
  }
  const isDeviation = (part: Value): readonly Node[] | undefined => {
    if (part === deviation.value) return [];
    const node = producerOf(part, 'Sub');
    if (node?.inputs[0] == null || node.inputs[1] == null) return undefined;
    const [x, mean] = isMean(node.inputs[1]) ? node.inputs : [...node.inputs].reverse();
    const nodes = x === deviation.x && mean != null ? isMean(mean) : undefined;
    return nodes && [node, ...nodes];
  };
  const square = meanSquare(variance, isDeviation, inference);
  return square !== undefined && sameAxes(square.axes, deviation.mean.axes) ? square.nodes : undefined;
}

/** What a part of a product is made of, where it is one of those asked for. */
type Recognize = (part: Value) => readonly Node[] | undefined;

function meanSquare(value: Value, recognize: Recognize, inference: Inference): Reduction | undefined {
  const mean = meanOf(value, inference);
  const nodes = mean && powerOf(mean.input, recognize, inference);
  return nodes && { ...mean, nodes: [...mean.nodes, ...nodes] };
}

/** The nodes that compute the square of something recognized. */
function powerOf(value: Value, recognize: Recognize, inference: Inference): readonly Node[] | undefined {
  const { coefficient, powers, nodes } = monomialOf(value, inference);
  if (coefficient !== 1 || powers.reduce((sum, { exponent }) => sum + exponent, 0) !== 2) return undefined;
  const parts = powers.map((power) => (power.exponent > 0 ? recognize(power.value) : undefined));
  return parts.every((part) => part !== undefined) ? [...nodes, ...parts.flat()] : undefined;
}

function otherThanZero(max: Node, inference: Inference): Value | undefined {
  const [left = null, right = null] = max.inputs;
  if (max.inputs.length !== 2 || left === null || right === null) return undefined;
  if (scalarOperand(right, max, inference) === 0) return left;
  return scalarOperand(left, max, inference) === 0 ? right : undefined;
}
