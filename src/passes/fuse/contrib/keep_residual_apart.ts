// LayerNormalization(Add(a, b)) => LayerNormalization(Sum(a, b))
// Needs: a target that would make a slower operator of the Add, shapes in which it would, and no attention around that
// it makes a faster one of by the same Add.
import type { Graph, Node } from '../../../ir/graph.js';
import { shapesEqual, staticShape } from '../../../ir/value_type.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { isOperator, producerOf } from '../../rewrite/operator.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

/** A Sum of two is computed as an Add is, and not what the target looks for. */
export const keepResidualApart = defineRewrite({
  name: 'keep-residual-apart',
  summary: 'LayerNormalization(Add(a, b)) => LayerNormalization(Sum(a, b))',
  licence: 'exact',
  opset: 8,
  pattern: op('add', 'Add', [any('a'), any('b')], { where: isNormalized }),
  check({ add, a, b }, context, root) {
    const { inference, target } = context;
    if (!target.avoids.includes('SkipLayerNormalization')) return 'the target gains by finding it';
    const isInteger =
      readersOf(add).some(({ user }) => isOperator(user, 'QuantizeLinear')) ||
      [a, b].some((value) => producerOf(value, 'DequantizeLinear') !== undefined);
    if (isInteger) return 'it may be computed in integers';
    const shape = inference.shapeOf(a);
    if (staticShape(shape) === undefined || !shapesEqual(shape, inference.shapeOf(b))) {
      return 'the target does not look at operands of open or different shapes';
    }
    if (hasAttention(root.graph)) return 'the target may find attention by it';
    return offerObstacle(root, { opType: 'Sum', since: 8, of: a }, context);
  },
  rewrite: ({ add, a, b }, build) => [build.op('Sum', [a, b], { name: add.name })],
});

const readersOf = ({ outputs }: Node) =>
  [...(outputs[0]?.uses ?? [])].flatMap((use) => (use.kind === 'node' ? [use] : []));

function isNormalized(add: Node): boolean {
  return readersOf(add).some(({ user, index }) => index === 0 && isOperator(user, 'LayerNormalization'));
}

/** Whether a product reads the result of a Softmax. */
function hasAttention({ nodes }: Graph): boolean {
  const isProduct = (node: Node) => isOperator(node, 'MatMul');
  for (const node of nodes) {
    if (!isOperator(node, 'Softmax')) continue;
    for (const use of node.outputs[0]?.uses ?? []) if (use.kind === 'node' && isProduct(use.user)) return true;
  }
  return false;
}
