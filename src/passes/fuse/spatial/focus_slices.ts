import { getInt } from '../../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';

/** Images made of every b-th pixel of one image, side by side along the channels. */
export type Focus = {
  readonly x: Value;
  readonly block: number;
  /** Of each part in order: its row in the block · b + its column. */
  readonly order: readonly number[];
  readonly nodes: readonly Node[];
};

type Pick = { readonly start: number; readonly step: number };

/** What `Concat(x[::b, ::b], x[1::b, ::b], …)` puts together, each offset once; or why it is something else. */
export function focusSlices(concat: Node, inference: Inference): Focus | string {
  const parts = concat.inputs.map((input) => input && slicesOf(input, inference));
  const rank = inference.shapeOf(concat.outputs[0]!)?.length;
  if (rank !== 4 || normalAxis(getInt(concat, 'axis', 1), rank) !== 1) return 'it does not join channels of images';
  const [first] = parts;
  const block = Math.sqrt(parts.length);
  if (first == null) return 'it is not made of slices of one image';
  if (!Number.isInteger(block) || block < 2) return 'it is not made of b² slices';
  const order: number[] = [];
  const nodes = new Set<Node>();
  for (const part of parts) {
    if (part == null || part.source !== first.source) return 'it is not made of slices of one image';
    const [rows, columns] = [part.picks.get(2), part.picks.get(3)];
    const isSpaced = [rows, columns].every((pick) => pick?.step === block && pick.start < block);
    if (part.picks.size !== 2 || !isSpaced) return 'a slice does not take every b-th row and column';
    order.push(rows!.start * block + columns!.start);
    for (const node of part.nodes) nodes.add(node);
  }
  if (new Set(order).size !== order.length) return 'two slices take the same pixels';
  return { x: first.source, block, order, nodes: [...nodes] };
}

/** The value that a chain of Slices to the end picks from, and what it picks along each axis. */
function slicesOf(value: Value, inference: Inference) {
  const picks = new Map<number, Pick>();
  const nodes: Node[] = [];
  let source = value;
  for (let node = source.producer; node?.opType === 'Slice' && node.attached; node = source.producer) {
    const axes = node.domain === '' || node.domain === 'ai.onnx' ? picksOf(node, inference) : undefined;
    if (axes === undefined || [...axes.keys()].some((axis) => picks.has(axis))) break;
    for (const [axis, pick] of axes) picks.set(axis, pick);
    nodes.push(node);
    source = node.inputs[0]!;
  }
  return nodes.length === 0 ? undefined : { source, picks, nodes };
}

/** By axis, as long as every axis runs to its end; undefined where it does not, or is not known to. */
function picksOf(node: Node, inference: Inference): Map<number, Pick> | undefined {
  const shape = inference.shapeOf(node.inputs[0]!);
  if (shape === undefined || (opsetVersion(node.graph, node.domain) ?? 1) < 10) return undefined;
  const given = (index: number): number[] | undefined => {
    const input = node.inputs[index];
    return input == null ? undefined : knownNumbers(inference.contentOf(input));
  };
  const [starts, ends, steps] = [given(1), given(2), given(4)];
  const axes = node.inputs[3] == null ? starts?.map((_, axis) => axis) : given(3);
  if (starts === undefined || ends === undefined || steps === undefined || axes === undefined) return undefined;
  const picks = new Map<number, Pick>();
  for (const [index, given] of axes.entries()) {
    const axis = normalAxis(given, shape.length);
    const [start = -1, end = -1, step = 0] = [starts[index], ends[index], steps[index]];
    if (axis === undefined || picks.has(axis) || start < 0 || step < 1) return undefined;
    const size = shape[axis];
    const runsToTheEnd = end >= 2 ** 31 - 1 || (typeof size === 'number' && end >= size);
    if (!runsToTheEnd) return undefined;
    if (start !== 0 || step !== 1) picks.set(axis, { start, step });
  }
  return picks;
}
