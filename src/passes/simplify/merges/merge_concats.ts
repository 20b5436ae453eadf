// Concat(a, Concat(b, c), d) => Concat(a, b, c, d); Concat of all parts of a Split, or of Slices that tile x => x
// Needs: one axis for both, and an inner Concat that is read once, here. Parts in their order, all of them; slices of
// steps of 1 whose ends are the next one's starts, counted from the start, the last to the end of the axis.
import { getInt } from '../../../ir/attribute.js';
import { provablyAtLeast } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';
import { type Cut, cutsOf } from './cuts.js';

type Match = { root: Node };

export const mergeConcats = defineRewrite<Match>({
  name: 'merge-concats',
  summary: 'Concat(a, Concat(b, c), d) => Concat(a, b, c, d)',
  licence: 'exact',
  pattern: op('root', 'Concat', []),
  check: ({ root }, { inference }) =>
    flattened(root, inference) === undefined
      ? 'no input is a Concat along the same axis that only this one reads'
      : undefined,
  rewrite: ({ root }, build, { inference }) => [
    build.op('Concat', flattened(root, inference)!, { attributes: [...root.attributes.values()] }),
  ],
});

function flattened(root: Node, inference: Inference): Value[] | undefined {
  const axis = joinedAxis(root, inference);
  if (axis === undefined) return undefined;
  const inputs = root.inputs.filter((input) => input !== null);
  const flat = inputs.flatMap((input) => {
    const { producer } = input;
    const isInner = producer !== null && input.uses.size === 1 && joinedAxis(producer, inference) === axis;
    return isInner ? producer.inputs.filter((each) => each !== null) : [input];
  });
  return flat.length > inputs.length ? flat : undefined;
}

export const eliminateSplitConcats = defineRewrite<Match>({
  name: 'eliminate-split-concats',
  summary: 'Concat of all parts of x => x',
  licence: 'exact',
  pattern: op('root', 'Concat', []),
  check: ({ root }, { inference }) =>
    wholeOf(root, inference) === undefined ? 'its inputs are not all parts of one value, in order' : undefined,
  rewrite: ({ root }, _, { inference }) => [wholeOf(root, inference)!],
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
  const rank = inference.shapeOf(node.outputs[0]!)?.length;
  if (plainOperator(node) !== 'Concat' || rank === undefined) return undefined;
  const given = getInt(node, 'axis', defaultOpset(node) < 4 ? 1 : undefined);
  return given === undefined ? undefined : normalAxis(given, rank);
}
