// MatMul(A, B) + c => Gemm(A, B, c)
// Gemm(A, B) + c => Gemm(A, B, c)
// Needs: matrices, c one number or one per column, a product that nothing else reads, a target with Gemm for the type.
// Products of more axes stay: as Gemm they would need two Reshapes, and run no faster (measured).
import type { Node, Value } from '../../../ir/graph.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { broadcastsFreely } from '../weights/channel_operand.js';
import { isColumnBias } from './column_bias.js';

type Match = {
  readonly root: Node;
  readonly product: Node;
  readonly a: Value;
  readonly b: Value;
  readonly bias: Value;
};

export const fuseMatmulAdd = defineRewrite<Match>({
  name: 'fuse-matmul-add',
  summary: 'MatMul(A, B) + c => Gemm(A, B, c)',
  licence: 'reassociates',
  pattern: op('root', 'Add', [op('product', ['MatMul', 'Gemm'], [any('a'), any('b')]), any('bias')], {
    commutative: true,
    ...broadcastsFreely,
  }),
  check({ product, a, b, bias }, context, root) {
    const { inference } = context;
    if (inference.shapeOf(a)?.length !== 2 || inference.shapeOf(b)?.length !== 2) return 'it is no product of matrices';
    if (!isColumnBias(bias, product.outputs[0]!, inference))
      return 'what is added is not one number, or one per column';
    return offerObstacle(root, { opType: 'Gemm', since: 7, of: a }, context);
  },
  rewrite({ root, product, a, b, bias }, build) {
    const attributes = [...product.attributes.values()].filter(({ name }) => name !== 'beta');
    return [build.op('Gemm', [a, b, bias], { attributes, name: product.name || root.name })];
  },
});
