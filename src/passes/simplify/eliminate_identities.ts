// a node that gives back what it was given => its input
// Needs: the same type, and a graph output it feeds can still be named (see `canStandIn`).
import { getInt, getInts } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { type Shape, shapesEqual, staticShape } from '../../ir/value_type.js';
import { definePass, type PassContext } from '../pass.js';

const name = 'eliminate-identities';

export const eliminateIdentities = definePass({
  name,
  summary: 'a node that gives back what it was given => its input',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) {
      const isIdentity = identityOperators[node.domain === 'ai.onnx' ? '' : node.domain]?.[node.opType];
      const input = node.inputs[0];
      const output = node.outputs[0];
      if (isIdentity === undefined || input == null || output == null || output.pinned) continue;
      if (!isIdentity(node, context)) continue;
      const reason = node.outputs.slice(1).some((other) => other !== null && other.uses.size > 0)
        ? 'another output is read'
        : canStandIn(input, output);
      if (reason !== undefined) {
        context.decline({ rule: name, node, reason });
        continue;
      }
      context.editor.replaceAllUses(output, input);
      context.editor.eraseNode(node);
    }
  },
});

/**
 * Why `output` cannot simply be replaced: a graph output needs a producer in its own graph that can take its name, or
 * the file would need the Identity again.
 */
function canStandIn(input: Value, output: Value): string | undefined {
  const slots = [...output.uses].flatMap((use) => (use.kind === 'output' ? [use.user] : []));
  if (slots.length === 0) return undefined;
  if (input.producer === null) return 'a graph output would be an input or initializer';
  if (slots.length > 1 || slots[0]!.graph !== input.graph) return 'a graph output needs a producer of its own';
  const taken = [...input.uses].some((use) => use.kind === 'output');
  return taken || input.pinned ? 'its input is a graph output under another name' : undefined;
}

type Check = (node: Node, context: PassContext) => boolean;

const sameType: Check = (node, { inference }) => {
  const input = inference.typeOf(node.inputs[0]!);
  const output = inference.typeOf(node.outputs[0]!);
  return (
    input?.kind === 'tensor' && output?.kind === 'tensor' && input.dtype !== undefined && input.dtype === output.dtype
  );
};

const sameShape: Check = (node, { inference }) =>
  shapesEqual(inference.shapeOf(node.inputs[0]!), inference.shapeOf(node.outputs[0]!));

const single: Check = (node) => node.inputs.length === 1;

const identityOperators: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  '': {
    Identity: () => true,
    Dropout: isInferenceDropout,
    Cast: sameType,
    Concat: single,
    Sum: single,
    Mean: single,
    Max: single,
    Min: single,
    Transpose: keepsOrder,
    Reshape: sameShape,
    Flatten: sameShape,
    Squeeze: sameShape,
    Unsqueeze: sameShape,
    Expand: sameShape,
    Tile: (node, context) => sameShape(node, context) && isStatic(node, context),
    Pad: padsNothing,
  },
};

/** Dropout computes nothing outside training; its mask output is checked by the caller. */
function isInferenceDropout(node: Node): boolean {
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (opset < 7) return getInt(node, 'is_test', 0) === 1;
  if (opset < 12) return true;
  const training = node.inputs[2];
  if (training == null) return true;
  const constant = constantTensor(training);
  return constant !== undefined && constant.storage.bytes()[0] === 0;
}

function keepsOrder(node: Node, { inference }: PassContext): boolean {
  const perm = getInts(node, 'perm', undefined);
  if (perm !== undefined) return perm.every((axis, index) => axis === index);
  const rank = inference.shapeOf(node.inputs[0]!)?.length;
  return rank !== undefined && rank <= 1;
}

/** Tile by a factor that is not known may still keep a size of 0; only sizes that are numbers tell. */
function isStatic(node: Node, { inference }: PassContext): boolean {
  const shape: Shape | undefined = inference.shapeOf(node.inputs[0]!);
  const dims = staticShape(shape);
  return dims !== undefined && !dims.includes(0);
}

function padsNothing(node: Node, { inference }: PassContext): boolean {
  const attribute = getInts(node, 'pads', undefined) ?? getInts(node, 'paddings', undefined);
  if (attribute !== undefined) return attribute.every((pad) => pad === 0);
  const pads = node.inputs[1] == null ? undefined : inference.contentOf(node.inputs[1]);
  return pads?.elements.every((pad) => pad === 0) ?? false;
}
