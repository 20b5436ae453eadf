// Einsum(ij,jk->ik) => MatMul, with a Transpose where an operand or the result has its axes in another order
// Einsum(ij->ji) => Transpose; Einsum(ij->i) => ReduceSum; Einsum(hij,ij->hij) => Mul
// Needs: no ellipsis, no letter twice in a term, sizes under one letter that are known to agree, and two nodes at most
// besides those that compute on constants. ONNX Runtime runs these at least as fast, batches with a Transpose up to 3
// times (measured).
import { getString, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { dimEquals } from '../../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { parseEquation } from '../../../ir/ops/inference/einsum.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { op } from '../../rewrite/pattern.js';
import { defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { type ProductPlan, productPlans } from './einsum_plan.js';

type Plan =
  | { readonly kind: 'transpose'; readonly term: string }
  | { readonly kind: 'reduce'; readonly term: string }
  | { readonly kind: 'multiply' }
  | { readonly kind: 'product'; readonly product: ProductPlan; readonly terms: readonly [string, string] };

type Planned = { readonly plan: Plan; readonly result: string; readonly inputs: readonly Value[] };

const operators = { transpose: 'Transpose', reduce: 'ReduceSum', multiply: 'Mul', product: 'MatMul' } as const;

export const rewriteEinsum = defineRewrite<{ root: Node }>({
  name: 'rewrite-einsum',
  summary: 'Einsum => MatMul, Mul, ReduceSum or Transpose',
  licence: 'reassociates',
  pattern: op('root', 'Einsum', [], { moreInputs: true }),
  check({ root }, context) {
    const planned = findPlan(root, context.inference);
    if (typeof planned === 'string') return planned;
    return offerObstacle(root, { opType: operators[planned.plan.kind], of: planned.inputs[0]! }, context);
  },
  rewrite({ root }, build, { inference }) {
    const planned = findPlan(root, inference);
    if (typeof planned === 'string') return [null];
    return [built(planned.plan, planned.result, planned.inputs, build, root)];
  },
});

function findPlan(root: Node, inference: Inference): Planned | string {
  const equation = parseEquation(getString(root, 'equation', '?'));
  const inputs = root.inputs.flatMap((input) => (input === null ? [] : [input]));
  if (equation === undefined || equation.terms.length !== inputs.length) return 'the equation cannot be read';
  const { terms, result } = equation;
  if ([...terms, result].some((term) => term.includes('.'))) return 'it has an ellipsis';
  if (terms.some((term) => new Set(term).size < term.length)) return 'a term has a letter twice';
  if (terms.length > 2) return 'it has more than two operands';
  if (!sizesAgree(terms, inputs, inference)) return 'the sizes under one letter may differ';
  const plan = planOf(terms, result, inputs);
  return typeof plan === 'string' ? plan : { plan, result, inputs };
}

/** Einsum stretches sizes of 1, as some of what it becomes do not. */
function sizesAgree(terms: readonly string[], inputs: readonly Value[], inference: Inference): boolean {
  const shapes = inputs.map((input) => inference.shapeOf(input));
  if (shapes.some((shape, index) => shape?.length !== terms[index]!.length)) return false;
  const [first, second] = terms;
  return [...first!].every((letter, axis) => {
    const other = second?.indexOf(letter) ?? -1;
    return other < 0 || dimEquals(shapes[0]![axis], shapes[1]![other]);
  });
}

function planOf(terms: readonly string[], result: string, inputs: readonly Value[]): Plan | string {
  const [first = '', second] = terms;
  if (second === undefined) {
    if (result.length === first.length) return { kind: 'transpose', term: first };
    const kept = [...first].filter((letter) => result.includes(letter)).join('');
    return kept === result ? { kind: 'reduce', term: first } : 'it sums and transposes';
  }
  const isProduct = (whole: string, part: string) => whole === result && whole.endsWith(part);
  if (isProduct(first, second) || isProduct(second, first)) return { kind: 'multiply' };
  const isConstant = inputs.map((input) => constantTensor(input) !== undefined);
  const cost = ({ swapped, left, right, product }: ProductPlan): number => {
    const [a, b] = swapped ? [right, left] : [left, right];
    const moved = [a !== first && !isConstant[0], b !== second && !isConstant[1], product !== result];
    return 1 + moved.filter(Boolean).length;
  };
  const [cheapest, ...others] = productPlans(first, second, result);
  if (cheapest === undefined) return 'it is no product of matrices';
  const product = others.reduce((best, plan) => (cost(plan) < cost(best) ? plan : best), cheapest);
  if (cost(product) > 2) return 'it would take more than two nodes';
  return { kind: 'product', product, terms: [first, second] };
}

function built(plan: Plan, result: string, inputs: readonly Value[], build: ReplacementBuilder, root: Node): Value {
  const [first] = inputs;
  switch (plan.kind) {
    case 'transpose':
      return reordered(first!, plan.term, result, build, root.name);
    case 'reduce':
      return reduced(first!, plan.term, result, build, root);
    case 'multiply':
      return build.op('Mul', inputs, { name: root.name });
    case 'product': {
      const { swapped, left, right, product } = plan.product;
      const layouts = swapped ? [right, left] : [left, right];
      const operands = inputs.map((input, index) => reordered(input, plan.terms[index]!, layouts[index]!, build));
      const value = build.op('MatMul', swapped ? operands.reverse() : operands, { name: root.name });
      return reordered(value, product, result, build);
    }
  }
}

function reordered(value: Value, from: string, to: string, build: ReplacementBuilder, name = ''): Value {
  if (from === to) return value;
  const perm = [...to].map((letter) => from.indexOf(letter));
  return build.op('Transpose', [value], { attributes: [intsAttribute('perm', perm)], name });
}

function reduced(value: Value, term: string, result: string, build: ReplacementBuilder, root: Node): Value {
  const axes = [...term].flatMap((letter, axis) => (result.includes(letter) ? [] : [axis]));
  const keepdims = intAttribute('keepdims', 0);
  const opset = opsetVersion(root.graph, root.domain) ?? 13;
  return opset < 13
    ? build.op('ReduceSum', [value], { attributes: [intsAttribute('axes', axes), keepdims], name: root.name })
    : build.op('ReduceSum', [value, build.constant(int64Tensor(axes), `${root.name || 'einsum'}.axes`)], {
        attributes: [keepdims],
        name: root.name,
      });
}
