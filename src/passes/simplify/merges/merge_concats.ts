// Concat(a, Concat(b, c), d) => Concat(a, b, c, d); Concat of all parts of a Split, or of Slices that tile x => x
// Needs: one axis for both, and an inner Concat that is read once, here. Parts in their order, all of them; slices of
// steps of 1 whose ends are the next one's starts, counted from the start, the last to the end of the axis.
import { getInt } from '../../../ir/attribute.js';
import { provablyAtLeast } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';
import { type Cut, cutsOf } from './cuts.js';

export const mergeConcats = defineRewrite<{ root: Node; inputs: Flat }>({
  name: 'merge-concats',
  summary: 'Concat(a, Concat(b, c), d) => Concat(a, b, c, d)',
  licence: 'exact',
  pattern: search('Concat', (root, { inference }) => {
    const found = flattened(root, inference);
    return found === undefined
      ? 'no input is a Concat along the same axis that only this one reads'
      : { captures: { root, inputs: found }, nodes: found.inner };
  }),
  check: () => undefined,
  rewrite: ({ root, inputs }, build) => [
    build.op('Concat', inputs.values, { attributes: [...root.attributes.values()] }),
  ],
});

type Flat = { readonly kind: 'flat'; readonly values: readonly Value[]; readonly inner: readonly Node[] };

function flattened(root: Node, inference: Inference): Flat | undefined {
  const axis = joinedAxis(root, inference);
  if (axis === undefined) return undefined;
  const inner: Node[] = [];
  const values = root.inputs.flatMap((input) => {
    const producer = input?.producer;
    const isInner = producer != null && input?.uses.size === 1 && joinedAxis(producer, inference) === axis;
    if (isInner) inner.push(producer);
    return (isInner ? producer.inputs : [input ?? null]).filter((each) => each !== null);
  });
  return inner.length === 0 ? undefined : { kind: 'flat', values, inner };
}

export const eliminateSplitConcats = defineRewrite<{ whole: Value }>({
  name: 'eliminate-split-concats',
  summary: 'Concat of all parts of x => x',
  licence: 'exact',
  keepsShared: true,
  pattern: search('Concat', (root, { inference }) => {
    const whole = wholeOf(root, inference);
    return whole === undefined ? 'its inputs are not all parts of one value, in order' : { captures: { whole } };
  }),
  check: () => undefined,
  rewrite: ({ whole }) => [whole],
});

function wholeOf(root: Node, inference: Inference): Value | undefined {
  const axis = joinedAxis(root, inference);
  const producer = root.inputs[0]?.producer;
  const whole = producer?.inputs[0];
  if (axis === undefined || whole == null) return undefined;
  if (producer?.opType === 'Split') return isWholeSplit(root, producer, axis, inference) ? whole : undefined;
  return isTiled(root, whole, axis, inference) ? whole : undefined;
}

function isWholeSplit(root: Node, split: Node, axis: number, inference: Inference): boolean {
  const rank = inference.shapeOf(root.outputs[0]!)?.length;
  if (plainOperator(split) === undefined || rank === undefined || split.outputs.length !== root.inputs.length)
    return false;
  const isInOrder = split.outputs.every((output, index) => output !== null && output === root.inputs[index]);
  return isInOrder && normalAxis(getInt(split, 'axis', 0), rank) === axis;
}

function isTiled(root: Node, whole: Value, axis: number, inference: Inference): boolean {
  const cuts: Cut[] = [];
  for (const input of root.inputs) {
    const slice = input?.producer;
    if (slice == null || slice.inputs[0] !== whole) return false;
    const cut = cutsOf(slice, inference);
    if (cut?.length !== 1 || cut[0]!.axis !== axis || cut[0]!.step !== 1n) return false;
    cuts.push(cut[0]!);
  }
  const last = cuts.at(-1);
  const size = inference.shapeOf(whole)?.[axis];
  if (last === undefined || cuts[0]!.start !== 0n) return false;
  const isSeamless = cuts.every(
    ({ start, end }, index) => index === cuts.length - 1 || (end >= start && end === cuts[index + 1]!.start),
  );
  const isToTheEnd = last.end === 2n ** 63n - 1n || (last.end >= last.start && provablyAtLeast(Number(last.end), size));
  return isSeamless && isToTheEnd;
}

/** The axis of a Concat, counted from the first. */
function joinedAxis(node: Node, inference: Inference): number | undefined {
  const [output] = node.outputs;
  // Any producer is asked, and that of a recurrent layer's state may leave its first output out.
  const rank = plainOperator(node) !== 'Concat' || output == null ? undefined : inference.shapeOf(output)?.length;
  if (rank === undefined) return undefined;
  const given = getInt(node, 'axis', defaultOpset(node) < 4 ? 1 : undefined);
  return given === undefined ? undefined : normalAxis(given, rank);
}
