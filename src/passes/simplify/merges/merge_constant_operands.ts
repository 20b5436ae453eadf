// (x + a) + b => x + (a + b); (x · a) · b => x · (a · b)
// Needs: float constants, one of them a single number, whose result is finite and not lost to underflow; nothing else
// reads what is between.
import { constantTensor } from '../../../ir/constant.js';
import type { Node, Value } from '../../../ir/graph.js';
import { elementCount, floatTensor, type Tensor, tensorData } from '../../../ir/tensor.js';
import { type Constant, constant, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';

type Match = { root: Node; inner: Node; outer: Constant };

const smallestNormal = 2 ** -126;

/** Operands broadcast by themselves since this opset. */
const broadcasts = 7;

export const mergeConstantOperands = defineRewrite<Match>({
  name: 'merge-constant-operands',
  summary: '(x + a) + b => x + (a + b); (x · a) · b => x · (a · b)',
  licence: 'reassociates',
  pattern: op('root', ['Add', 'Mul'], [op('inner', ['Add', 'Mul'], [], { moreInputs: true }), constant('outer')], {
    commutative: true,
  }),
  check(match) {
    const terms = termsOf(match);
    return typeof terms === 'string' ? terms : undefined;
  },
  rewrite(match, build) {
    const terms = termsOf(match);
    if (typeof terms === 'string') return [];
    return [build.op(match.root.opType, [terms.x, build.constant(terms.tensor)])];
  },
});

function termsOf({ root, inner, outer }: Match): { readonly x: Value; readonly tensor: Tensor } | string {
  if (plainOperator(root) !== plainOperator(inner) || plainOperator(root) === undefined) return 'a sum of products';
  if (defaultOpset(root) < broadcasts) return 'operands do not broadcast by themselves in this opset';
  if (inner.outputs[0]!.uses.size > 1) return 'the value between is read by others';
  const index = constantTensor(inner.inputs[0]) === undefined ? 1 : 0;
  const first = constantTensor(inner.inputs[index]);
  const x = inner.inputs[1 - index];
  const tensor = first && combined(root.opType, first, outer.tensor);
  return tensor === undefined || x == null ? 'the constants do not combine' : { x, tensor };
}

function combined(opType: string, a: Tensor, b: Tensor): Tensor | undefined {
  if (a.dtype !== 'float' || b.dtype !== 'float') return undefined;
  const [one, other] = elementCount(a.dims) === 1 ? [a, b] : [b, a];
  // The rank of both is the larger one, which a single number may have as well.
  if (elementCount(one.dims) !== 1 || one.dims.length > other.dims.length) return undefined;
  const factor = Number(tensorData(one)[0]);
  const given = Float32Array.from(tensorData(other) as Float32Array);
  const values = given.map((value) => (opType === 'Add' ? value + factor : value * factor));
  const isSound = (value: number, index: number): boolean =>
    Number.isFinite(value) &&
    (opType === 'Add' || Math.abs(value) >= smallestNormal || given[index] === 0 || factor === 0);
  return values.every(isSound) ? floatTensor(values, other.dims) : undefined;
}
