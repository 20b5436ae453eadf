// MultiHeadAttention(q + bq, k + bk, v + bv) => MultiHeadAttention(q, k, v, [bq, bk, bv])
// Needs: operands of rank 3, constant biases of one number for each of their last axis (none stands for zeros), sums that
// nothing else reads.

import { constantTensor } from '../../../ir/constant.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, floatTensor, type Tensor, tensorData } from '../../../ir/tensor.js';
import type { MatchState } from '../../rewrite/match_state.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

type Operand = { readonly value: Value; readonly bias: Tensor | undefined; readonly width: number };

type Match = { readonly operands: readonly Operand[] };

const domain = 'com.microsoft';

/** Where the operator takes its bias, and keys and values of the past, which it cannot take together with one. */
const [biasInput, ...pastInputs] = [3, 6, 7] as const;

export const fuseAttentionBias = defineRewrite<Match>({
  name: 'fuse-attention-bias',
  summary: 'MultiHeadAttention(q + a, k + b, v + c) => MultiHeadAttention(q, k, v, [a, b, c])',
  licence: 'exact',
  pattern: search('MultiHeadAttention', findBiases, domain),
  check: () => undefined,
  rewrite({ operands }, build, _context, root) {
    const numbers = operands.flatMap(({ bias, width }) =>
      bias === undefined ? Array.from({ length: width }, () => 0) : Array.from(tensorData(bias), Number),
    );
    const inputs = [...root.inputs];
    for (const [index, { value }] of operands.entries()) inputs[index] = value;
    inputs[biasInput] = build.constant(floatTensor(numbers), 'bias');
    const attributes = [...root.attributes.values()];
    return [build.op(root.opType, inputs, { domain, attributes, name: root.name })];
  },
});

function findBiases(root: Node, { inference }: MatchState): Finding<Match> | string {
  if (root.inputs[biasInput] != null || pastInputs.some((index) => root.inputs[index] != null)) {
    return 'it has a bias or a past already';
  }
  const sums: Node[] = [];
  const operands: Operand[] = [];
  for (const input of root.inputs.slice(0, 3)) {
    const shape = input == null ? undefined : inference.shapeOf(input);
    const width = shape?.[2];
    if (input == null || shape?.length !== 3 || typeof width !== 'number' || inference.dtypeOf(input) !== 'float') {
      return 'an operand is not known to have three axes';
    }
    const sum = biasedSum(input, width, inference);
    if (sum !== undefined) sums.push(sum.node);
    operands.push({ value: sum?.rest ?? input, bias: sum?.bias, width });
  }
  return sums.length === 0 ? 'no operand has a constant bias' : { captures: { operands }, nodes: sums };
}

type Sum = { readonly node: Node; readonly rest: Value; readonly bias: Tensor };

/** rest + bias that only this attention reads. */
function biasedSum(value: Value, width: number, inference: Inference): Sum | undefined {
  const node = value.producer;
  if (node?.opType !== 'Add' || !node.attached || value.uses.size !== 1) return undefined;
  for (const [bias, rest] of [node.inputs, [...node.inputs].reverse()]) {
    const tensor = constantTensor(bias);
    const fits = tensor?.dtype === 'float' && elementCount(tensor.dims) === width && tensor.dims.at(-1) === width;
    const keepsShape = rest != null && inference.shapeOf(rest)?.length === 3 && inference.shapeOf(rest)?.[2] === width;
    if (tensor !== undefined && fits && keepsShape && tensor.dims.length <= 3) return { node, rest, bias: tensor };
  }
  return undefined;
}
