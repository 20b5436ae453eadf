// MatMul(Transpose(a), b), MatMul(a, Transpose(b)) => com.microsoft.FusedMatMul(a, b)
// MatMul(a, b) · scale => com.microsoft.FusedMatMul(a, b) with alpha = scale
// Needs: the last two axes swapped, one number as the scale; what could be part of an attention that the target fuses
// itself is left to it.
import { floatAttribute, getFloat, getInt, getInts, intAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { monomialOf } from '../../rewrite/monomial.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { isOperator, producerOf } from '../../rewrite/operator.js';
import { type NodePattern, search } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';

type Match = {
  readonly a: Value;
  readonly b: Value;
  readonly transA: number;
  readonly transB: number;
  readonly alpha: number;
};

const domain = 'com.microsoft';
const opType = 'FusedMatMul';

export const fuseMatmulTranspose = defineRewrite<Match>({
  name: 'fuse-matmul-transpose',
  summary: 'MatMul(a, Transpose(b)) => com.microsoft.FusedMatMul(a, b)',
  licence: 'reassociates',
  pattern: search('MatMul', (root, { inference }) => {
    const [left = null, right = null] = root.inputs;
    if (left === null || right === null) return 'it has no two operands';
    const [turnedA, turnedB] = [swapOf(left, inference), swapOf(right, inference)];
    if (turnedA === undefined && turnedB === undefined) return 'neither operand is transposed';
    const captures = {
      a: turnedA?.inputs[0] ?? left,
      b: turnedB?.inputs[0] ?? right,
      transA: turnedA === undefined ? 0 : 1,
      transB: turnedB === undefined ? 0 : 1,
      alpha: 1,
    };
    return { captures, nodes: [turnedA, turnedB].filter((node) => node !== undefined) };
  }),
  check: ({ a }, context, root) => obstacle(a, root, context),
  rewrite: (match, build) => [fused(match, build)],
});

export const fuseMatmulAlpha = defineRewrite<Match>({
  name: 'fuse-matmul-alpha',
  summary: 'MatMul(a, b) · scale => com.microsoft.FusedMatMul(a, b, alpha = scale)',
  licence: 'reassociates',
  pattern: scaledPattern(),
  check: ({ a }, context, root) => obstacle(a, root, context),
  rewrite: (match, build) => [fused(match, build)],
});

function scaledPattern(): NodePattern<Match> {
  return search(['Mul', 'Div'], (root, { inference }) => {
    const { coefficient, powers, nodes } = monomialOf(root.outputs[0]!, inference);
    const [only, ...more] = powers;
    if (only?.exponent !== 1 || more.length > 0) return 'it is no value times a number';
    const product = only.value.producer;
    const isFused = product?.domain === domain && product.opType === opType;
    if (product == null || !product.attached || !(isFused || isOperator(product, 'MatMul')))
      return 'it scales no MatMul';
    if (getInt(product, 'transBatchA', 0) !== 0 || getInt(product, 'transBatchB', 0) !== 0) return 'batches are turned';
    const [a = null, b = null] = product.inputs;
    if (a === null || b === null) return 'it has no two operands';
    const captures = {
      ...{ a, b, transA: getInt(product, 'transA', 0), transB: getInt(product, 'transB', 0) },
      alpha: coefficient * getFloat(product, 'alpha', 1),
    };
    return { captures, nodes: [...nodes, product] };
  });
}

function obstacle(a: Value, root: Node, context: CheckContext): string | undefined {
  const offered = offerObstacle(root, { domain, opType, of: a }, context);
  if (offered !== undefined) return offered;
  const isLeft = context.target.fusesItself.includes('Attention') && leadsToSoftmax(root);
  return isLeft ? 'it may be part of an attention, which the target fuses itself' : undefined;
}

const fused = ({ a, b, transA, transB, alpha }: Match, build: ReplacementBuilder): Value =>
  build.op(opType, [a, b], {
    domain,
    attributes: [
      floatAttribute('alpha', alpha),
      ...(transA === 0 ? [] : [intAttribute('transA', 1)]),
      ...(transB === 0 ? [] : [intAttribute('transB', 1)]),
    ],
  });

/** The Transpose that gives a value, where it swaps the last two axes and nothing else. */
function swapOf(value: Value, inference: Inference): Node | undefined {
  const node = value.uses.size === 1 ? producerOf(value, 'Transpose') : undefined;
  const rank = node?.inputs[0] == null ? undefined : inference.shapeOf(node.inputs[0])?.length;
  if (node === undefined || rank === undefined || rank < 2) return undefined;
  const perm = getInts(node, 'perm', undefined) ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const isSwap = perm.every((from, axis) => from === (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  return isSwap ? node : undefined;
}

/** Scales, masks and softmax stand at most this far behind the product of queries and keys. */
const attentionReach = 5;

function leadsToSoftmax(root: Node): boolean {
  let front = [root];
  for (let step = 0; step < attentionReach; step += 1) {
    const readers = front.flatMap(({ outputs }) =>
      [...(outputs[0]?.uses ?? [])].flatMap((use) => (use.kind === 'node' ? [use.user] : [])),
    );
    if (readers.some((reader) => isOperator(reader, 'Softmax'))) return true;
    front = readers.filter(({ opType: name }) => ['Mul', 'Div', 'Add', 'Where', 'Cast', 'Reshape'].includes(name));
  }
  return false;
}
