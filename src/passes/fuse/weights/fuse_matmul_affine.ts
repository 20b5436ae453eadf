// Gemm(x, W, b) + c, − c, · c or / c, or c − Gemm(x, W, b), c one number or one per column => Gemm with c in its weights
// MatMul(x, W) · c or / c => MatMul(x, W·c)
// (MatMul(x, W) + b) · c or / c => MatMul(x, W·c) + b·c
// Needs: constant weights and c, c broadcast along the last axis only, a product that nothing else reads.
import type { Node } from '../../../ir/graph.js';
import { isFloatType, numbersOf, numbersTensor } from '../../rewrite/float_numbers.js';
import { any, type Constant, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import { type AffineBehind, affineBehind, operandObstacle } from './affine_behind.js';
import { alignsLastAxes, allFinite, broadcastsFreely, operandAffine } from './channel_operand.js';
import { foldedLayer, foldingObstacle, isReadElsewhere, roundingObstacle, weightLayout } from './weighted_layer.js';

const gemm = op('layer', 'Gemm', [any('x'), constant('weight'), optional('bias', constant('bias'))]);
const matmul = op('layer', 'MatMul', [any('x'), constant('weight'), optional('bias', constant('bias'))]);
const operand = constant('operand');

export const fuseGemmAffine = defineRewrite<AffineBehind>({
  ...affineBehind(false),
  name: 'fuse-gemm-affine',
  pattern: op('root', ['Add', 'Sub', 'Mul', 'Div'], [gemm, operand], alignsLastAxes),
});

export const fuseAffineGemm = defineRewrite<AffineBehind>({
  ...affineBehind(true),
  name: 'fuse-affine-gemm',
  pattern: op('root', ['Add', 'Sub', 'Mul'], [operand, gemm], alignsLastAxes),
});

export const fuseMatmulScale = defineRewrite<AffineBehind>({
  ...affineBehind(false),
  name: 'fuse-matmul-scale',
  pattern: op('root', ['Mul', 'Div'], [matmul, operand], alignsLastAxes),
});

export const fuseScaleMatmul = defineRewrite<AffineBehind>({
  ...affineBehind(true),
  name: 'fuse-scale-matmul',
  pattern: op('root', 'Mul', [operand, matmul], alignsLastAxes),
});

type BiasedMatch = AffineBehind & { sum: Node; added: Constant };

const sum = op('sum', 'Add', [matmul, constant('added')], { commutative: true, ...broadcastsFreely });

const afterSum = (left: boolean): Omit<Rewrite<BiasedMatch>, 'name' | 'pattern'> => ({
  summary: '(MatMul(x, W) + b) · c => MatMul(x, W·c) + b·c',
  licence: 'reassociates',
  check(match, context) {
    const { added, sum } = match;
    if (isReadElsewhere(match)) return 'the result of the product is read elsewhere';
    if (isReadElsewhere({ layer: sum })) return 'the sum is read elsewhere';
    const obstacle =
      foldingObstacle(match, context) ??
      operandObstacle(match, match.operand, context) ??
      operandObstacle(match, added, context);
    if (obstacle !== undefined) return obstacle;
    const after = operandAffine(match.root, match.operand, weightLayout(match)!.outputs, left);
    if (!allFinite(after)) return 'the constant gives no finite factor';
    return roundingObstacle({ ...match, bias: added }, { after });
  },
  rewrite(match, build) {
    const { added, weight } = match;
    const after = operandAffine(match.root, match.operand, weightLayout(match)!.outputs, left);
    const given = numbersOf(added.tensor);
    const scaled = Float64Array.from(after.factor, (f, channel) => f * given[given.length === 1 ? 0 : channel]!);
    const dtype = weight.tensor.dtype;
    if (!isFloatType(dtype)) return [null];
    const bias = build.constant(numbersTensor(dtype, scaled, [scaled.length]), added.value.name);
    return [build.op('Add', [foldedLayer(match, { after }, build), bias], { name: match.sum.name })];
  },
});

export const fuseMatmulBiasScale = defineRewrite<BiasedMatch>({
  ...afterSum(false),
  name: 'fuse-matmul-bias-scale',
  pattern: op('root', ['Mul', 'Div'], [sum, operand], broadcastsFreely),
});

export const fuseScaleMatmulBias = defineRewrite<BiasedMatch>({
  ...afterSum(true),
  name: 'fuse-scale-matmul-bias',
  pattern: op('root', 'Mul', [operand, sum], broadcastsFreely),
});
