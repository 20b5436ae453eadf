import { constantTensor } from '../../ir/constant.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementSource, nodeTraits } from '../../ir/ops/traits.js';
import { type Normalized, normalizedOf, scatteredOf } from '../fuse/normalization/normalized.js';
import { isOperator, producerOf } from '../rewrite/operator.js';
import { isLastAxes } from '../rewrite/reduction.js';

/** Nodes between a reduction and the value that is divided by it. */
const longestWay = 8;

/**
 * Nodes that spell a normalization out, which no fusion took together, with the reason that names it: centred or not,
 * along any axes, with the scale and bias behind it; and division by a norm of the same value.
 */
export function normalizationChains(graph: Graph, inference: Inference): Map<Node, string> {
  const reasons = new Map<Node, string>();
  for (const root of graph.nodes) {
    const isProduct = isOperator(root, 'Div') || isOperator(root, 'Mul');
    if (!isProduct && !isOperator(root, 'Add')) continue;
    const [result = null] = root.outputs;
    if (result === null || inference.dtypeOf(result) !== 'float') continue;
    const found = isProduct ? normalizedOf(result, inference) : scatteredOf(root, inference);
    const chain =
      typeof found === 'string'
        ? isProduct
          ? dividedByNorm(root, inference)
          : undefined
        : { kind: kindOf(found), nodes: found.nodes };
    if (chain === undefined) continue;
    const reason = `part of ${chain.kind} that is spelled out ("${result.name}")`;
    for (const node of [...chain.nodes, ...affineBehind(result)]) if (!reasons.has(node)) reasons.set(node, reason);
  }
  return reasons;
}

function kindOf({ isCentred, axes, rank }: Normalized): string {
  if (!isCentred) return 'an RMS normalization';
  const isSpatial = rank > 2 && axes.length === rank - 2 && axes.every((axis, index) => axis === index + 2);
  if (isSpatial) return 'an instance normalization';
  return isLastAxes(axes, rank) ? 'a layer normalization' : 'a normalization';
}

/** Scale and bias: a product with a constant, then a sum with one, where nothing else reads in between. */
function affineBehind(value: Value): Node[] {
  const nodes: Node[] = [];
  let current = value;
  for (const opType of ['Mul', 'Add']) {
    const [use, ...more] = current.uses;
    if (use === undefined || more.length > 0 || use.kind !== 'node' || !isOperator(use.user, opType)) continue;
    const hasConstant = use.user.inputs.some((input) => input !== current && constantTensor(input) !== undefined);
    if (!hasConstant || use.user.graph !== value.graph) continue;
    nodes.push(use.user);
    current = use.user.outputs[0]!;
  }
  return nodes;
}

type Chain = { readonly kind: string; readonly nodes: readonly Node[] };

/** x / d or x · d, where d comes from a norm of x, or x − a from a norm of x − a. */
function dividedByNorm(root: Node, inference: Inference): Chain | undefined {
  const [left = null, right = null] = root.inputs;
  const sides = isOperator(root, 'Div')
    ? [[left, right]]
    : [
        [left, right],
        [right, left],
      ];
  for (const [x = null, divisor = null] of sides) {
    if (x === null || divisor === null) continue;
    const found = normBehind(divisor, inference);
    if (found === undefined || !isSame(found.of, x)) continue;
    return { kind: 'a division by a norm', nodes: [root, ...found.nodes] };
  }
  return undefined;
}

/** The norm that a value is made of by steps with one variable operand, and what it is the norm of. */
function normBehind(value: Value, inference: Inference): { of: Value; nodes: readonly Node[] } | undefined {
  const nodes: Node[] = [];
  let current: Value = value;
  for (let step = 0; step < longestWay; step += 1) {
    const node = current.producer;
    if (node === null || node.graph !== value.graph) return undefined;
    nodes.push(node);
    const [input = null] = node.inputs;
    if (input === null) return undefined;
    if (isOperator(node, 'ReduceL2') || isOperator(node, 'ReduceSumSquare') || isOperator(node, 'ReduceL1')) {
      return { of: input, nodes };
    }
    if (isOperator(node, 'ReduceSum') || isOperator(node, 'ReduceMean')) {
      const square = producerOf(input, 'Mul', 'Pow', 'Abs');
      const base = square?.inputs[0] ?? null;
      const isSquare = square?.opType !== 'Mul' || square.inputs[1] === base;
      return square === undefined || base === null || !isSquare ? undefined : { of: base, nodes: [...nodes, square] };
    }
    const next = onlyVariable(node, inference);
    if (next === undefined) return undefined;
    current = next;
  }
  return undefined;
}

/** The operand of an elementwise or moving node whose other floats are constants. */
function onlyVariable(node: Node, inference: Inference): Value | undefined {
  if (nodeTraits(node)?.elementwise === undefined && elementSource(node) === undefined) return undefined;
  const floats = node.inputs.filter(
    (input): input is Value =>
      input !== null && inference.dtypeOf(input) === 'float' && constantTensor(input) === undefined,
  );
  return floats.length === 1 ? floats[0] : undefined;
}

/** Whether two values are one, or the same difference. */
function isSame(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [first, second] = [producerOf(a, 'Sub'), producerOf(b, 'Sub')];
  return first !== undefined && second !== undefined && first.inputs.every((input, at) => input === second.inputs[at]);
}
