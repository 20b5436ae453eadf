// B(A(x)) => one of Reshape, Squeeze, Unsqueeze, or x; A and B each one of Reshape, Flatten, Squeeze, Unsqueeze
// Needs: axes that are known, or a target shape that says the same of x as B says of A's result: 0 copies from the input,
// so that a 0 of B counts only where x has the same size there, and −1 beside sizes that may be 0 fails.
import { getInt } from '../../../ir/attribute.js';
import { dimEquals, divideExact, floorDiv, product } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { type Shape, shapesEqual } from '../../../ir/value_type.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';
import { targetOfShape } from '../reshape_target.js';
import { buildView, viewAxes } from './axes_operand.js';

type Match = { root: Node; inner: Node; x: Value };

const views = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'];

export const mergeViews = defineRewrite<Match>({
  name: 'merge-views',
  summary: 'Reshape, Flatten, Squeeze or Unsqueeze of one another => one of them, or nothing',
  licence: 'exact',
  keepsShared: true,
  pattern: op('root', views, [op('inner', views, [any('x')], { moreInputs: true })], { moreInputs: true }),
  check: (match, { inference }) => {
    const view = mergedView(match, inference);
    return typeof view === 'string' ? view : undefined;
  },
  rewrite(match, build, { inference }) {
    const view = mergedView(match, inference);
    if (typeof view === 'string') return [];
    switch (view.kind) {
      case 'nothing':
        return [match.x];
      case 'Squeeze':
      case 'Unsqueeze':
        return [buildView(view.kind, match.x, view.axes, match.root, build)];
      case 'Reshape':
        return [build.op('Reshape', [match.x, build.constant(int64Tensor(view.target), 'shape')])];
    }
  },
});

type View =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'Squeeze' | 'Unsqueeze'; readonly axes: readonly number[] }
  | { readonly kind: 'Reshape'; readonly target: readonly number[] };

/** The one view that does what both do, or a reason. */
function mergedView(match: Match, inference: Inference): View | string {
  const { root, inner, x } = match;
  if (plainOperator(root) === undefined || plainOperator(inner) === undefined) return 'attributes are up to the caller';
  const shape = inference.shapeOf(x);
  const result = inference.shapeOf(root.outputs[0]!);
  if (shapesEqual(shape, result)) return { kind: 'nothing' };
  const byAxes = mergedAxes(match, shape?.length, inference);
  if (byAxes !== undefined) return byAxes;
  if (defaultOpset(root) < 5) return 'a target shape is an attribute in this opset';
  const target = literalTarget(match, shape, inference) ?? knownTarget(match, shape, result, inference);
  return target === undefined ? 'no constant shape says the same' : { kind: 'Reshape', target };
}

/** Where both only take out and put in axes of size 1, and one kind of these is left. */
function mergedAxes({ root, inner }: Match, rank: number | undefined, inference: Inference): View | undefined {
  if (rank === undefined || !isAxesView(root) || !isAxesView(inner)) return undefined;
  const before = viewAxes(inner, inner.opType === 'Unsqueeze' ? rank + axisCount(inner, inference) : rank, inference);
  if (before === undefined) return undefined;
  const middle = inner.opType === 'Unsqueeze' ? rank + before.length : rank - before.length;
  const after = viewAxes(root, root.opType === 'Unsqueeze' ? middle + axisCount(root, inference) : middle, inference);
  if (after === undefined) return undefined;
  if (inner.opType === 'Squeeze') {
    const kept = without(rank, before);
    if (root.opType === 'Squeeze') return axesView('Squeeze', [...before, ...after.map((axis) => kept[axis]!)]);
    return before.join() === after.join() ? { kind: 'nothing' } : undefined;
  }
  if (root.opType === 'Unsqueeze') {
    const places = without(middle + after.length, after);
    return axesView('Unsqueeze', [...after, ...before.map((axis) => places[axis]!)]);
  }
  const inserted = before.filter((axis) => !after.includes(axis));
  const removed = after.filter((axis) => !before.includes(axis));
  if (removed.length === 0) {
    const places = without(middle, after);
    return axesView(
      'Unsqueeze',
      inserted.map((axis) => places.indexOf(axis)),
    );
  }
  const origins = without(middle, before);
  return inserted.length === 0
    ? axesView(
        'Squeeze',
        removed.map((axis) => origins.indexOf(axis)),
      )
    : undefined;
}

const isAxesView = ({ opType }: Node): boolean => opType === 'Squeeze' || opType === 'Unsqueeze';

const axisCount = (node: Node, inference: Inference): number =>
  // Only how many axes there are counts: of any rank that holds them.
  (viewAxes(node, 64, inference) ?? []).length;

const without = (rank: number, axes: readonly number[]): number[] =>
  Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.includes(axis));

const axesView = (kind: 'Squeeze' | 'Unsqueeze', axes: readonly number[]): View =>
  axes.length === 0 ? { kind: 'nothing' } : { kind, axes: [...axes].sort((a, b) => a - b) };

/** The target of a second Reshape, which does not ask what shape its elements had before, but for 0. */
function literalTarget({ root, inner }: Match, shape: Shape | undefined, inference: Inference): number[] | undefined {
  const asked = askedShape(root, inference);
  if (asked === undefined) return undefined;
  const middle = inference.shapeOf(inner.outputs[0]!);
  const target = asked.map((size, axis) => {
    if (size !== 0) return size;
    const copied = middle?.[axis];
    if (dimEquals(copied, shape?.[axis])) return 0;
    return typeof copied === 'number' && copied > 0 ? copied : undefined;
  });
  return allKnown(target);
}

/** The result's shape, as constants say it of x. */
function knownTarget(
  { root, inner }: Match,
  shape: Shape | undefined,
  result: Shape | undefined,
  inference: Inference,
): number[] | undefined {
  if (result === undefined) return undefined;
  const target = targetOfShape(shape, result, restAxis(root, inner, result.length, inference));
  const rest = target.indexOf(-1);
  if (rest >= 0 && result[rest] !== undefined) {
    // The size has to be as well known as before.
    const [elements, others] = [product(shape ?? [undefined]), product(result.toSpliced(rest, 1))];
    const left = divideExact(elements, others) ?? floorDiv(elements, others);
    if (!dimEquals(left, result[rest])) return undefined;
  }
  return allKnown(target);
}

/** Where the −1 of the one Reshape stands in the result. */
function restAxis(root: Node, inner: Node, rank: number, inference: Inference): number | undefined {
  if (root.opType === 'Reshape') return found(askedShape(root, inference)?.indexOf(-1));
  const rest = found(askedShape(inner, inference)?.indexOf(-1));
  if (rest === undefined || !isAxesView(root)) return undefined;
  const middle = inference.shapeOf(inner.outputs[0]!)?.length;
  const axes = viewAxes(root, root.opType === 'Unsqueeze' ? rank : middle, inference);
  if (axes === undefined || middle === undefined) return undefined;
  return root.opType === 'Unsqueeze' ? without(rank, axes)[rest] : found(without(middle, axes).indexOf(rest));
}

const found = (index: number | undefined): number | undefined => (index === undefined || index < 0 ? undefined : index);

/** The constant target of a Reshape, unless it holds a 0 that stands for itself. */
function askedShape(node: Node, inference: Inference): number[] | undefined {
  if (node.opType !== 'Reshape' || node.inputs[1] == null) return undefined;
  const asked = knownNumbers(inference.contentOf(node.inputs[1]));
  return getInt(node, 'allowzero', 0) !== 0 && asked?.includes(0) ? undefined : asked;
}

function allKnown(target: readonly (number | undefined)[]): number[] | undefined {
  const known = target.filter((element) => element !== undefined);
  return known.length === target.length ? known : undefined;
}
