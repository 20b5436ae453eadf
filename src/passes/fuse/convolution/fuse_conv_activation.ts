// activation(Conv(x, W, b)) => FusedConv(x, W, b), activation one of Relu, Sigmoid, Tanh, LeakyRelu, HardSigmoid, Clip
// activation(Conv(x, W, b) + z) => FusedConv(x, W, b, z); the same without an activation
// Needs: a convolution that nothing else reads; z of exactly its result's shape, and one group.
import { getInt } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { shapesEqual } from '../../../ir/value_type.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { any, op, optional } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import {
  convActivationAttributes,
  type FusedActivation,
  fusableActivations,
  fusedActivation,
} from './fused_activation.js';

type Convolution = { conv: Node; x: Value; weight: Value; bias: Value | null };
type Summed = Convolution & { sum: Node; z: Value };

const inputs = [any('x'), any('weight'), optional('bias', any('bias'))] as const;

const conv = op('conv', 'Conv', inputs);

/** Of two convolutions that are added, the one that nothing else reads. */
const addedConv = op('conv', 'Conv', inputs, { where: ({ outputs }) => outputs[0]?.uses.size === 1 });

/** A target that takes a Pad into the convolution behind it knows only the plain one. */
const offer = (root: Node, { x }: Convolution, context: CheckContext): string | undefined =>
  x.producer?.opType === 'Pad'
    ? 'the padding in front could become part of the convolution'
    : offerObstacle(root, { opType: 'FusedConv', domain: 'com.microsoft', of: x }, context);

export const fuseConvActivation = defineRewrite<Convolution & { root: Node }>({
  name: 'fuse-conv-activation',
  summary: 'activation(Conv(x, W, b)) => FusedConv(x, W, b)',
  licence: 'assumes-finite',
  pattern: op('root', fusableActivations, [conv], { moreInputs: true }),
  check: (match, context) => offer(match.root, match, context) ?? reason(fusedActivation(match.root)),
  rewrite: (match, build) => [fusedConv(match, null, fusedActivation(match.root), build)],
});

export const fuseConvSumActivation = defineRewrite<Summed & { root: Node }>({
  name: 'fuse-conv-sum-activation',
  summary: 'activation(Conv(x, W, b) + z) => FusedConv(x, W, b, z)',
  licence: 'assumes-finite',
  pattern: op('root', fusableActivations, [op('sum', 'Add', [addedConv, any('z')], { commutative: true })], {
    moreInputs: true,
  }),
  check: (match, context) =>
    offer(match.root, match, context) ?? reason(fusedActivation(match.root)) ?? sumObstacle(match, context),
  rewrite: (match, build) => [fusedConv(match, match.z, fusedActivation(match.root), build)],
});

export const fuseConvSum = defineRewrite<Summed>({
  name: 'fuse-conv-sum',
  summary: 'Conv(x, W, b) + z => FusedConv(x, W, b, z)',
  licence: 'reassociates',
  pattern: op('sum', 'Add', [addedConv, any('z')], { commutative: true }),
  check: (match, context) =>
    offer(match.sum, match, context) ?? sumObstacle(match, context) ?? activationBehind(match.sum),
  rewrite: (match, build) => [fusedConv(match, match.z, undefined, build)],
});

/** `fuse-conv-sum-activation` takes both. */
function activationBehind({ outputs }: Node): string | undefined {
  const [use, ...others] = [...outputs[0]!.uses];
  const isActivation = use?.kind === 'node' && (fusableActivations as readonly string[]).includes(use.user.opType);
  return isActivation && others.length === 0 ? 'an activation follows that goes along' : undefined;
}

const reason = (activation: FusedActivation | string): string | undefined =>
  typeof activation === 'string' ? activation : undefined;

/** Measured on ONNX Runtime's kernels: what is added to a convolution by groups costs more inside it than outside. */
function sumObstacle({ conv: node, z }: Summed, { inference }: CheckContext): string | undefined {
  if (getInt(node, 'group', 1) !== 1) return 'a convolution by groups is faster without the sum';
  const shapes = [node.outputs[0]!, z].map((value) => inference.shapeOf(value));
  return shapesEqual(shapes[0], shapes[1]) ? undefined : 'what is added is not known to have the shape of the result';
}

function fusedConv(
  { conv: node, x, weight, bias }: Convolution,
  z: Value | null,
  activation: FusedActivation | string | undefined,
  build: ReplacementBuilder,
): Value {
  const inputs = z === null ? [x, weight, ...(bias === null ? [] : [bias])] : [x, weight, bias, z];
  const added = typeof activation === 'object' ? convActivationAttributes(activation) : [];
  const attributes = [...node.attributes.values(), ...added];
  return build.op('FusedConv', inputs, { domain: 'com.microsoft', attributes, name: node.name });
}
