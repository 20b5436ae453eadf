// x · cos(θ, θ) + (−x₂, x₁) · sin(θ, θ), x₁ and x₂ the halves of the last axis => RotaryEmbedding(x, cos θ, sin θ)
// Needs: x of [batch, heads, length, size] with heads and size known, angles that are the same for all batches and heads.
import { getInt, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { MatchState } from '../../rewrite/match_state.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { headsOf } from './heads.js';

type Match = { readonly x: Value; readonly angles: Value };

export const fuseRotaryEmbedding = defineRewrite<Match>({
  name: 'fuse-rotary-embedding',
  summary: 'x · cos θ + (−x₂, x₁) · sin θ => RotaryEmbedding(x)',
  licence: 'reassociates',
  pattern: search('Add', findRotation),
  check({ x, angles }, context, root) {
    const offer = { opType: 'RotaryEmbedding', domain: 'com.microsoft', of: x };
    return offerObstacle(root, offer, context) ?? shapeObstacle(x, angles, context);
  },
  rewrite({ x, angles }, build, { inference }, root) {
    const flat = flatAngles(angles, root, build);
    const caches = ['Cos', 'Sin'].map((opType) => build.op(opType, [flat]));
    const position = build.constant(int64Tensor([0]), 'position');
    const heads = headsOf(x, inference);
    const isPlain = heads !== undefined && heads.part === undefined;
    const attributes = isPlain ? [intAttribute('num_heads', heads.heads)] : [];
    const input = isPlain ? heads.source : x;
    const rotated = build.op('RotaryEmbedding', [input, position, ...caches], { domain: 'com.microsoft', attributes });
    return [isPlain ? splitHeads(rotated, heads.heads, heads.size, build) : rotated];
  },
});

function findRotation(root: Node, { inference }: MatchState): Finding<Match> | string {
  const [left, right] = root.inputs as [Value, Value];
  for (const [straight, turned] of [
    [left, right],
    [right, left],
  ] as const) {
    const found = rotation(straight.producer, turned.producer, inference);
    if (found !== undefined) return found;
  }
  return 'the operands are not x · cos and (−x₂, x₁) · sin';
}

function rotation(straight: Node | null, turned: Node | null, inference: Inference): Finding<Match> | undefined {
  if (!isNode(straight, 'Mul') || !isNode(turned, 'Mul')) return undefined;
  for (const half of turned.inputs) {
    const x = half?.producer == null ? undefined : turnedHalves(half.producer, inference);
    if (x === undefined || !straight.inputs.includes(x.value)) continue;
    const sine = anglesOf(otherInput(turned, half!), 'Sin', inference);
    const cosine = anglesOf(otherInput(straight, x.value), 'Cos', inference);
    if (sine === undefined || sine !== cosine) continue;
    return { captures: { x: x.value, angles: sine }, nodes: [straight, turned, ...x.nodes] };
  }
  return undefined;
}

const otherInput = (node: Node, value: Value): Value | null =>
  (node.inputs[0] === value ? node.inputs[1] : node.inputs[0]) ?? null;

/** (−x₂, x₁): which value that is, and the nodes that compute it. */
function turnedHalves(concat: Node, inference: Inference): { value: Value; nodes: readonly Node[] } | undefined {
  if (!isNode(concat, 'Concat') || concat.inputs.length !== 2 || !isLastAxis(concat, inference)) return undefined;
  const [negated, first] = concat.inputs as [Value, Value];
  if (!isNode(negated.producer, 'Neg')) return undefined;
  const second = halfOf(negated.producer.inputs[0]!, inference);
  const other = halfOf(first, inference);
  if (second?.part !== 1 || other?.part !== 0 || second.of !== other.of) return undefined;
  return { value: second.of, nodes: [...new Set([concat, negated.producer, second.node, other.node])] };
}

export type Half = { readonly of: Value; readonly part: 0 | 1; readonly node: Node };

/** One of the two equal parts of a value along its last axis: a Slice, or an output of Split. */
export function halfOf(value: Value, inference: Inference): Half | undefined {
  const node = value.producer;
  const of = node?.inputs[0];
  const shape = of == null ? undefined : inference.shapeOf(of);
  const size = shape?.at(-1);
  if (!node?.attached || of == null || shape === undefined || typeof size !== 'number') return undefined;
  if (size % 2 !== 0 || inference.shapeOf(value)?.at(-1) !== size / 2) return undefined;
  if (node.opType === 'Split' && node.outputs.length === 2 && isLastAxis(node, inference)) {
    return { of, part: value.index as 0 | 1, node };
  }
  if (node.opType !== 'Slice' || node.inputs.length < 4) return undefined;
  const [start, axis, step] = [node.inputs[1], node.inputs[3], node.inputs[4]].map((input) =>
    input == null ? undefined : inference.contentOf(input)?.elements,
  );
  const isLast = axis?.length === 1 && (Number(axis[0]) === -1 || Number(axis[0]) === shape.length - 1);
  if (!isLast || start?.length !== 1 || (node.inputs[4] != null && Number(step?.[0]) !== 1)) return undefined;
  const at = Number(start[0]);
  if (at === 0) return { of, part: 0, node };
  return at === size / 2 || at === -size / 2 ? { of, part: 1, node } : undefined;
}

/** θ of Unsqueeze(cos(Concat(θ, θ)), axes=[1]) */
function anglesOf(value: Value | null, opType: 'Cos' | 'Sin', inference: Inference): Value | undefined {
  const unsqueeze = value?.producer;
  if (value === null || !isNode(unsqueeze, 'Unsqueeze') || inference.shapeOf(value)?.[1] !== 1) return undefined;
  const wave = unsqueeze.inputs[0]!.producer;
  const concat = isNode(wave, opType) ? wave.inputs[0]!.producer : null;
  if (!isNode(concat, 'Concat') || concat.inputs.length !== 2 || !isLastAxis(concat, inference)) return undefined;
  return concat.inputs[0] === concat.inputs[1] ? concat.inputs[0]! : undefined;
}

function shapeObstacle(x: Value, angles: Value, { inference }: CheckContext): string | undefined {
  const shape = inference.shapeOf(x);
  const theta = inference.shapeOf(angles);
  if (shape?.length !== 4 || typeof shape[1] !== 'number' || typeof shape[3] !== 'number') {
    return 'the heads are not known';
  }
  if (theta?.length !== 3 || theta[0] !== 1) return 'the angles are not known to be the same for all batches';
  if (theta[2] !== shape[3] / 2) return 'the angles are not known to be half as many as a head has elements';
  return dimEquals(theta[1], shape[2]) ? undefined : 'the angles are not known to be as many as the positions';
}

/** [1, length, size / 2] => [length, size / 2] */
function flatAngles(angles: Value, root: Node, build: ReplacementBuilder): Value {
  const byAttribute = (opsetVersion(root.graph, '') ?? 13) < 13;
  return byAttribute
    ? build.op('Squeeze', [angles], { attributes: [intsAttribute('axes', [0])] })
    : build.op('Squeeze', [angles, build.constant(int64Tensor([0]), 'axes')]);
}

/** [batch, length, heads · size] => [batch, heads, length, size] */
const splitHeads = (value: Value, heads: number, size: number, build: ReplacementBuilder): Value =>
  build.op('Transpose', [build.op('Reshape', [value, build.constant(int64Tensor([0, 0, heads, size]), 'heads')])], {
    attributes: [intsAttribute('perm', [0, 2, 1, 3])],
  });

const isNode = (node: Node | null | undefined, opType: string): node is Node =>
  node?.opType === opType && node.attached && (node.domain === '' || node.domain === 'ai.onnx');

export function isLastAxis(node: Node, inference: Inference): boolean {
  const axis = getInt(node, 'axis', undefined);
  const rank = inference.shapeOf(node.inputs[0]!)?.length;
  return axis === -1 || (rank !== undefined && axis === rank - 1);
}
