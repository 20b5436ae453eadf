// exp(x − max) / sum(exp(x − max)) => Softmax(x), and without the maximum
// x − max − log(sum(exp(x − max))) => LogSoftmax(x), and without the maximum; log(Softmax(x)) alike
// Needs: maximum and sum along the same one axis, which stays as an axis of size 1.
import { getInt, intAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { monomialOf } from '../../rewrite/monomial.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { any, node, op, search } from '../../rewrite/pattern.js';
import { reductionOf, sameAxes } from '../../rewrite/reduction.js';
import { type CheckContext, defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';

/** Along one axis, counted from the front. */
type Match = { readonly x: Value; readonly axis: number };

type Parts = Match & { readonly isShifted: boolean; readonly nodes: readonly Node[] };

/** The opset in which they work along one axis; before, along all from it on. */
const since = 13;

type Kind = { readonly opType: 'Softmax' | 'LogSoftmax'; readonly roots: readonly string[] };

const softmax: Kind = { opType: 'Softmax', roots: ['Div', 'Mul'] };
const logSoftmax: Kind = { opType: 'LogSoftmax', roots: ['Sub'] };

export const fuseSoftmax = fuseInto(softmax, true, 'fuse-softmax', 'exp(x − max) / sum(exp(x − max)) => Softmax(x)');
export const fusePlainSoftmax = fuseInto(softmax, false, 'fuse-plain-softmax', 'exp(x) / sum(exp(x)) => Softmax(x)');
export const fuseLogSoftmax = fuseInto(
  logSoftmax,
  true,
  'fuse-log-softmax',
  'x − max − log(sum(exp(x − max))) => LogSoftmax(x)',
);
export const fusePlainLogSoftmax = fuseInto(
  logSoftmax,
  false,
  'fuse-plain-log-softmax',
  'x − log(sum(exp(x))) => LogSoftmax(x)',
);

export const fuseLogOfSoftmax = defineRewrite({
  name: 'fuse-log-of-softmax',
  summary: 'log(Softmax(x)) => LogSoftmax(x)',
  // What underflows to 0 in between has the logarithm −∞.
  licence: 'assumes-finite',
  opset: since,
  pattern: node('Log', [op('softmax', 'Softmax', [any('x')])]),
  check: ({ softmax: inner, x }, context, root) =>
    obstacle('LogSoftmax', { x, axis: getInt(inner, 'axis', -1) }, root, context),
  rewrite: ({ softmax: inner, x }, build) => [
    build.op('LogSoftmax', [x], { attributes: [intAttribute('axis', getInt(inner, 'axis', -1))] }),
  ],
});

function fuseInto({ opType, roots }: Kind, isShifted: boolean, name: string, summary: string): Rewrite<Match> {
  return defineRewrite<Match>({
    name,
    summary,
    // Without the maximum, exp overflows where the operator does not.
    licence: isShifted ? 'reassociates' : 'assumes-finite',
    opset: since,
    pattern: search(roots, (root, { inference }) => {
      const parts = opType === 'Softmax' ? quotient(root, inference) : difference(root, inference);
      if (typeof parts === 'string') return parts;
      if (parts.isShifted !== isShifted) return isShifted ? 'no maximum is taken away' : 'the maximum is taken away';
      return { captures: { x: parts.x, axis: parts.axis }, nodes: parts.nodes };
    }),
    check: (match, context, root) => obstacle(opType, match, root, context),
    rewrite: ({ x, axis }, build) => [build.op(opType, [x], { attributes: [intAttribute('axis', axis)] })],
  });
}

function obstacle(opType: string, { x, axis }: Match, root: Node, context: CheckContext): string | undefined {
  const rank = context.inference.shapeOf(x)?.length;
  const isLast = axis === -1 || (rank !== undefined && axis === rank - 1);
  return offerObstacle(root, { opType, since, of: x, form: isLast ? undefined : 'inner axis' }, context);
}

function quotient(root: Node, inference: Inference): Parts | string {
  const { coefficient, powers, nodes } = monomialOf(root.outputs[0]!, inference);
  const exp = producerOf(powers.find(({ exponent }) => exponent === 1)?.value, 'Exp');
  const sum = reductionOf(powers.find(({ exponent }) => exponent === -1)?.value ?? null, 'ReduceSum', inference);
  if (exp === undefined || sum === undefined || powers.length !== 2 || coefficient !== 1) return 'it is no exp / sum';
  if (sum.input !== exp.outputs[0]) return 'it is divided by another sum';
  return partsOf(exp, sum, [...nodes, ...sum.nodes], inference);
}

function difference(root: Node, inference: Inference): Parts | string {
  const [left = null, right = null] = root.inputs;
  const log = producerOf(right, 'Log', 'ReduceLogSumExp');
  const sum =
    log?.opType === 'Log'
      ? reductionOf(log.inputs[0]!, 'ReduceSum', inference)
      : reductionOf(right, 'ReduceLogSumExp', inference);
  if (log === undefined || sum === undefined || left === null) return 'it is no difference to log(sum(exp))';
  const exp = log.opType === 'Log' ? producerOf(sum.input, 'Exp') : undefined;
  if (log.opType === 'Log' && exp?.inputs[0] !== left) return 'it is the difference to another sum';
  if (log.opType !== 'Log' && sum.input !== left) return 'it is the difference to another sum';
  const nodes = [...sum.nodes, log, ...(exp === undefined ? [] : [exp])];
  return partsOf(left, sum, nodes, inference);
}

/** x and the axis, from exp(x − max), or from x − max itself. */
function partsOf(
  inner: Node | Value,
  sum: NonNullable<ReturnType<typeof reductionOf>>,
  nodes: readonly Node[],
  inference: Inference,
): Parts | string {
  const argument = inner.kind === 'node' ? inner.inputs[0]! : inner;
  const all = inner.kind === 'node' ? [...nodes, inner] : nodes;
  const [axis, ...more] = sum.axes;
  if (axis === undefined || more.length > 0) return 'it sums along several axes';
  const shifted = producerOf(argument, 'Sub');
  const max = reductionOf(shifted?.inputs[1] ?? null, 'ReduceMax', inference);
  if (shifted === undefined || max === undefined || max.input !== shifted.inputs[0]) {
    return { x: argument, axis, isShifted: false, nodes: all };
  }
  if (!sameAxes(max.axes, sum.axes)) return 'the maximum is along another axis';
  return { x: max.input, axis, isShifted: true, nodes: [...all, shifted, ...max.nodes] };
}
