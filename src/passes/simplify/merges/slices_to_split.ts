// Slice(x)[0:a], Slice(x)[a:b], Slice(x)[b:n] => Split(x)
// Needs: an axis of known size that two or more slices of one graph tile completely, each with a step of 1.
import { intAttribute, intsAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { definePass, type PassContext } from '../../pass.js';
import { defaultOpset } from '../plain_operator.js';
import { cutsOf } from './cuts.js';

const name = 'slices-to-split';

/** Sizes are input 1 of Split since this opset. */
const sizesAreInput = 13;

export const slicesToSplit = definePass({
  name,
  summary: 'Slices that tile an axis of x => Split(x)',
  scope: 'graphs',
  run(graph, context) {
    const seen = new Set<Value>();
    for (const node of graph.nodes) {
      const source = node.opType === 'Slice' ? node.inputs[0] : null;
      if (source == null || seen.has(source)) continue;
      seen.add(source);
      for (const parts of tilings(source, node, context.inference)) split(source, parts, context);
    }
  },
});

type Part = { readonly node: Node; readonly axis: number; readonly start: number; readonly end: number };

/** Sets of slices that tile an axis, in order along it. */
function tilings(source: Value, first: Node, inference: Inference): Part[][] {
  const shape = inference.shapeOf(source);
  const byAxis = new Map<number, Part[]>();
  for (const use of source.uses) {
    if (use.kind !== 'node' || use.index !== 0 || use.user.graph !== first.graph) continue;
    const cuts = cutsOf(use.user, inference);
    const size = shape?.[cuts?.[0]?.axis ?? 0];
    if (cuts?.length !== 1 || cuts[0]!.step !== 1n || typeof size !== 'number') continue;
    const [{ axis, start, end }] = cuts as [(typeof cuts)[number]];
    const part = { node: use.user, axis, start: positionIn(size, start), end: positionIn(size, end) };
    byAxis.set(axis, [...(byAxis.get(axis) ?? []), part]);
  }
  return [...byAxis].flatMap(([axis, parts]) => {
    const sorted = parts.sort((a, b) => a.start - b.start);
    const isSeamless = sorted.every(({ start, end }, index) => end > start && start === (sorted[index - 1]?.end ?? 0));
    return sorted.length > 1 && isSeamless && sorted.at(-1)!.end === shape![axis] ? [sorted] : [];
  });
}

const positionIn = (size: number, position: bigint): number => {
  const counted = position < 0n ? position + BigInt(size) : position;
  return Number(counted < 0n ? 0n : counted > BigInt(size) ? BigInt(size) : counted);
};

function split(source: Value, parts: readonly Part[], { editor }: PassContext): void {
  const [first] = [...parts].sort((a, b) => a.node.order - b.node.order);
  const { graph } = first!.node;
  if (parts.some(({ node }) => node.outputs[0]!.pinned)) return;
  const sizes = parts.map(({ start, end }) => end - start);
  const isInput = defaultOpset(first!.node) >= sizesAreInput;
  const made = editor.insertNode(
    {
      graph,
      opType: 'Split',
      inputs: isInput ? [source, editor.draftConstant(graph, int64Tensor(sizes), 'split')] : [source],
      outputs: parts.length,
      attributes: [intAttribute('axis', parts[0]!.axis), ...(isInput ? [] : [intsAttribute('split', sizes)])],
      provenance: [name],
    },
    first!.node,
  );
  for (const [index, { node }] of parts.entries()) {
    const output = node.outputs[0]!;
    const label = output.name;
    editor.replaceAllUses(output, made.outputs[index]!);
    editor.eraseNode(node);
    editor.renameValue(made.outputs[index]!, label);
  }
}
