// Reshape(LayerNormalization(Reshape(x), Reshape(scale), Reshape(bias))) => LayerNormalization(x, scale, bias)
// Needs: the inner view only merges the normalized axes among themselves, and the others; the outer one undoes it.
import { getInt, intAttribute } from '../../../ir/attribute.js';
import { dimEquals, product } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { type Shape, shapesEqual } from '../../../ir/value_type.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { alongAxes, type Fitted, views } from './along_axes.js';

type Match = {
  readonly norm: Node;
  readonly x: Value;
  readonly axis: number;
  /** Scale and bias before their views. */
  readonly operands: readonly Value[];
  /** Views of mean and inverse deviation that have the shape these would have. */
  readonly statistics: readonly (Value | undefined)[];
};

export const fuseNormalizationViews = defineRewrite<Match>({
  name: 'fuse-normalization-views',
  summary: 'Reshape(LayerNormalization(Reshape(x), scale, bias)) => LayerNormalization(x, scale, bias)',
  licence: 'exact',
  pattern: search(views, (root, { inference }) => find(root, inference)),
  replacesInner: ({ statistics }) => statistics.filter((value) => value !== undefined),
  check: () => undefined,
  rewrite({ norm, x, axis, operands, statistics }, build, { inference }) {
    const shape = inference.shapeOf(x)!;
    const fitted = operands.map((operand) => fittedTo(operand, shape, axis, inference)!(build));
    const attributes = [...norm.attributes.values()].filter(({ name }) => name !== 'axis');
    const isGiven = statistics.some((value) => value !== undefined);
    const node = build.node(norm.opType, [x, ...fitted], {
      attributes: [...attributes, intAttribute('axis', axis - shape.length)],
      outputs: isGiven ? [{}, {}, {}] : [{}],
    });
    const [result = null, ...given] = node.outputs;
    return [result, ...statistics.flatMap((value, index) => (value === undefined ? [] : [given[index] ?? null]))];
  },
});

function find(root: Node, inference: Inference): Finding<Match> | string {
  const norm = producerOf(root.inputs[0], 'LayerNormalization', 'RMSNormalization');
  const view = producerOf(norm?.inputs[0], ...views);
  const x = view?.inputs[0];
  if (norm === undefined || view === undefined || x == null) return 'it is no view of a normalized view';
  const shape = inference.shapeOf(x);
  const flat = inference.shapeOf(view.outputs[0]!);
  if (shape === undefined || flat === undefined) return 'a shape is not known';
  if (!shapesEqual(shape, inference.shapeOf(root.outputs[0]!))) return 'the result has another shape than x';
  const flatAxis = normalAxis(getInt(norm, 'axis', -1), flat.length);
  const axis = flatAxis === undefined ? undefined : splitAt(shape, flat.slice(flatAxis));
  if (axis === undefined) return 'the view merges normalized axes with others';
  const nodes = [norm, view];
  const operands: Value[] = [];
  for (const operand of norm.inputs.slice(1)) {
    if (operand === null) continue;
    const inner: Node[] = [];
    let plain = operand;
    while (fittedTo(plain, shape, axis, inference) === undefined) {
      const node = producerOf(plain, ...views);
      if (node?.inputs[0] == null) return `"${operand.name}" is not known to have just the normalized axes`;
      inner.push(node);
      plain = node.inputs[0];
    }
    nodes.push(...inner);
    operands.push(plain);
  }
  const reduced = shape.map((size, each) => (each < axis ? size : 1));
  const statistics = norm.outputs.slice(1).map((output) => viewOf(output, reduced, inference));
  const viewed = statistics.flatMap((value) =>
    value?.producer == null || value.producer === norm ? [] : value.producer,
  );
  nodes.push(...viewed);
  return { captures: { norm, x, axis, operands, statistics }, nodes };
}

const fittedTo = (operand: Value, shape: Shape, axis: number, inference: Inference): Fitted | undefined => {
  const own = inference.shapeOf(operand);
  // In one dimension more or less the elements could lie along other axes.
  return own?.length === shape.length - axis ? alongAxes(operand, shape, { from: axis }, inference) : undefined;
};

/** The axis of `shape` from which on it has exactly as many elements as `end`; undefined where that is not known. */
function splitAt(shape: Shape, end: Shape): number | undefined {
  const count = product(end);
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const own = product(shape.slice(axis));
    if (own !== undefined && count !== undefined && dimEquals(own, count)) return axis;
  }
  return undefined;
}

/** The result, or a view of it, that has this shape. */
function viewOf(output: Value | null, shape: Shape, inference: Inference): Value | undefined {
  if (output !== null && shapesEqual(inference.shapeOf(output), shape)) return output;
  for (const use of output?.uses ?? []) {
    const view = use.kind === 'node' ? producerOf(use.user.outputs[0], ...views) : undefined;
    if (view?.inputs[0] === output && shapesEqual(inference.shapeOf(view!.outputs[0]!), shape))
      return view!.outputs[0]!;
  }
  return undefined;
}
