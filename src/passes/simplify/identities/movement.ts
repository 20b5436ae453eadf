import { getInt, getInts } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { Node } from '../../../ir/graph.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import { staticShape } from '../../../ir/value_type.js';
import type { PassContext } from '../../pass.js';
import { defaultOpset } from '../plain_operator.js';
import { type FindIdentity, hasTypeOfOutput, sameDataType } from './identity.js';

type Check = (node: Node, context: PassContext) => boolean;

const when =
  (check: Check): FindIdentity =>
  (node, context) =>
    node.inputs[0] != null && check(node, context) ? node.inputs[0] : undefined;

const sameShape: Check = (node, context) => hasTypeOfOutput(node, 0, context);
const sameType: Check = (node, context) => sameDataType(node.inputs[0]!, node.outputs[0]!, context);
const single: Check = (node) => node.inputs.length === 1;

/** Operators that move, convert or combine elements, and what they do where that is nothing. */
export const movementIdentities: Readonly<Record<string, FindIdentity>> = {
  Identity: when(() => true),
  Dropout: when(isInferenceDropout),
  Cast: when(sameType),
  CastLike: when(sameType),
  Concat: when(single),
  Sum: when(single),
  Mean: when(single),
  Max: when(single),
  Min: when(single),
  Transpose: when(keepsOrder),
  Reshape: when(sameShape),
  Flatten: when(sameShape),
  Squeeze: when(sameShape),
  Unsqueeze: when(sameShape),
  Expand: when(sameShape),
  Tile: when((node, context) => repeatsOnce(node, context) || (sameShape(node, context) && isStatic(node, context))),
  Pad: when(padsNothing),
  Slice: when((node, context) => sameShape(node, context) && goesForward(node, context)),
  // Parts behind a first one that is the whole are empty.
  Split: when(sameShape),
  DepthToSpace: when((node) => getInt(node, 'blocksize', 0) === 1),
  SpaceToDepth: when((node) => getInt(node, 'blocksize', 0) === 1),
  // Of one element, each of these is that element: what is reduced has the size 1 that it leaves.
  ReduceSum: when(sameShape),
  ReduceMean: when(sameShape),
  ReduceProd: when(sameShape),
  ReduceMax: when(sameShape),
  ReduceMin: when(sameShape),
};

/** Dropout computes nothing outside training; its mask output is checked by the caller. */
function isInferenceDropout(node: Node): boolean {
  const opset = defaultOpset(node);
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
  const dims = staticShape(inference.shapeOf(node.inputs[0]!));
  return dims !== undefined && !dims.includes(0);
}

function repeatsOnce(node: Node, { inference }: PassContext): boolean {
  const repeats = node.inputs[1] == null ? undefined : knownNumbers(inference.contentOf(node.inputs[1]));
  return repeats?.every((count) => count === 1) ?? false;
}

function padsNothing(node: Node, { inference }: PassContext): boolean {
  const attribute = getInts(node, 'pads', undefined) ?? getInts(node, 'paddings', undefined);
  if (attribute !== undefined) return attribute.every((pad) => pad === 0);
  const pads = node.inputs[1] == null ? undefined : inference.contentOf(node.inputs[1]);
  return pads?.elements.every((pad) => pad === 0) ?? false;
}

/** A step of −1 keeps the size and reverses; a longer step keeps only sizes of 0 and 1. */
function goesForward(node: Node, { inference }: PassContext): boolean {
  const steps = node.inputs[4];
  if (steps == null) return true;
  return knownNumbers(inference.contentOf(steps))?.every((step) => step > 0) ?? false;
}
