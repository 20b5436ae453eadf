// Reshape(Transpose(Reshape(x), p)) => Transpose(x, q)
// Needs: the first joins axes of x that are next to each other, and the second takes them apart again as they were, so
// that p moves them as groups; sizes equal as expressions. Only the second reads what is between.
import { intsAttribute } from '../../../ir/attribute.js';
import { add, dimEquals, type Expr, mul, substitute, symbol, symbolsOf } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { type Shape, shapesEqual } from '../../../ir/value_type.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { permutationOf } from './merge_transposes.js';

type Match = { root: Node; transpose: Node; join: Node; x: Value };

const views = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'];

export const mergeTransposedViews = defineRewrite<Match>({
  name: 'merge-transposed-views',
  summary: 'Reshape(Transpose(Reshape(x), p)) => Transpose(x, q)',
  licence: 'exact',
  pattern: op('root', views, [op('transpose', 'Transpose', [op('join', views, [any('x')], { moreInputs: true })])], {
    moreInputs: true,
  }),
  check: (match, { inference }) =>
    permutationOfGroups(match, inference) === undefined
      ? 'axes are not joined and taken apart as they were'
      : undefined,
  rewrite: (match, build, { inference }) => [
    build.op('Transpose', [match.x], { attributes: [intsAttribute('perm', permutationOfGroups(match, inference)!)] }),
  ],
});

function permutationOfGroups({ root, transpose, join, x }: Match, inference: Inference): number[] | undefined {
  const shape = inference.shapeOf(x);
  const joined = inference.shapeOf(join.outputs[0]!);
  const perm = permutationOf(transpose, inference);
  const groups = shape && joined && groupsWhereFilled(shape, joined);
  if (shape === undefined || groups === undefined || perm?.length !== groups.length) return undefined;
  const order = perm.flatMap((group) => groups[group]!);
  const result = order.map((axis) => shape[axis]);
  return shapesEqual(result, inference.shapeOf(root.outputs[0]!)) ? order : undefined;
}

/**
 * The groups as long as no size is 0. Where one is, there are no elements to move, and the shapes, which are compared as
 * they are, say all.
 */
function groupsWhereFilled(shape: Shape, joined: Shape): number[][] | undefined {
  const [axes, sizes] = [shape.map(filled), joined.map(filled)];
  return sizes.includes(undefined) ? groupsOfOpen(axes, sizes) : groupsOf(axes, sizes);
}

/** A size for symbols from 1 on. */
const filled = (dim: Shape[number]): Shape[number] =>
  dim === undefined
    ? undefined
    : (substitute(dim, new Map([...symbolsOf(dim)].map((name) => [name, add(symbol(name), 1)!]))) as Shape[number]);

/**
 * The same where one joined size is not known: it holds as many elements as the others leave, or there are none at all,
 * and then only shapes matter. undefined where it could be made of different axes.
 */
function groupsOfOpen(shape: Shape, joined: Shape): number[][] | undefined {
  const open = joined.indexOf(undefined);
  if (joined.indexOf(undefined, open + 1) >= 0) return undefined;
  const found = new Map<string, number[][]>();
  for (let from = 0; from < shape.length; from += 1) {
    let product: Expr | undefined = 1;
    for (let axis = from; axis < shape.length; axis += 1) {
      product = mul(product, shape[axis]);
      const groups = product === undefined ? undefined : groupsOf(shape, joined.with(open, product as Shape[number]));
      if (groups !== undefined) found.set(JSON.stringify(groups), groups);
    }
  }
  return found.size === 1 ? [...found.values()][0] : undefined;
}

/** The axes of `shape` that each size of `joined` is the product of, next to each other; undefined where one is not. */
function groupsOf(shape: Shape, joined: Shape): number[][] | undefined {
  const groups: number[][] = [];
  let axis = 0;
  for (const [index, size] of joined.entries()) {
    const group: number[] = [];
    let product: Expr | undefined = 1;
    while (axis < shape.length && (group.length === 0 || !dimEquals(product, size))) {
      // A size of 1 that was put in has no axis of its own.
      if (group.length === 0 && size === 1 && shape[axis] !== 1) break;
      product = mul(product, shape[axis]);
      group.push(axis);
      axis += 1;
    }
    if (!dimEquals(product, size)) return undefined;
    // What is left of size 1 at the end belongs to the last.
    while (index === joined.length - 1 && axis < shape.length && shape[axis] === 1) {
      group.push(axis);
      axis += 1;
    }
    groups.push(group);
  }
  return axis === shape.length ? groups : undefined;
}
