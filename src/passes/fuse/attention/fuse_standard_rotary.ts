// (x₁ · cos − x₂ · sin, x₂ · cos + x₁ · sin) of halves or of pairs, and what is left of each head behind it
//   => RotaryEmbedding(x, cos, sin)
// Needs: x of [batch, heads, length, size] or [batch, length, heads, size] with heads and size known; angles of
// [batch, length, size / 2]. Positions stay outside: Gather counts negative ones from the end, the operator refuses them.
import { intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { shapesEqual } from '../../../ir/value_type.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite } from '../../rewrite/rewrite.js';
import { type Half, halfOf, isLastAxis } from './fuse_rotary_embedding.js';
import { transposedBy } from './scores.js';

type Rotation = {
  /** What is turned, whole. */
  readonly of: Value;
  /** Operands that broadcast against it. */
  readonly cos: Value;
  readonly sin: Value;
  readonly interleaved: boolean;
  readonly nodes: readonly Node[];
};

/** `x`: with what is not turned behind what is. */
type Match = { readonly rotation: Rotation; readonly x: Value };

const since = 23;

export const fuseStandardRotary = defineRewrite<Match>({
  name: 'fuse-standard-rotary',
  summary: 'x₁ · cos − x₂ · sin, x₂ · cos + x₁ · sin => RotaryEmbedding(x, cos, sin)',
  licence: 'reassociates',
  opset: since,
  pattern: search(['Concat', 'Reshape'], (root, { inference }): Finding<Match> | string => find(root, inference)),
  check: ({ rotation, x }, context, root) =>
    offerObstacle(root, { opType: 'RotaryEmbedding', since, of: x }, context) ?? layoutObstacle(rotation, x, context),
  rewrite({ rotation, x }, build, { inference }) {
    const { interleaved } = rotation;
    const [angles, headAxis] = anglesOf(rotation.cos, inference)!;
    const [sines] = anglesOf(rotation.sin, inference)!;
    const shape = inference.shapeOf(x) as readonly number[];
    const turned = inference.shapeOf(rotation.of)!.at(-1) as number;
    const attributes = [
      ...(interleaved ? [intAttribute('interleaved', 1)] : []),
      ...(rotation.of === x ? [] : [intAttribute('rotary_embedding_dim', turned)]),
    ];
    if (headAxis === 1) return [build.op('RotaryEmbedding', [x, angles, sines], { attributes })];
    const heads = shape[2]!;
    const source = transposedBy(x, [0, 2, 1, 3], inference);
    if (source !== undefined) {
      const rotated = build.op('RotaryEmbedding', [source, angles, sines], { attributes });
      return [build.op('Transpose', [rotated], { attributes: [intsAttribute('perm', [0, 2, 1, 3])] })];
    }
    const reshaped = (value: Value, dims: readonly number[]) =>
      build.op('Reshape', [value, build.constant(int64Tensor(dims), 'heads')]);
    const joined = reshaped(x, [0, 0, heads * shape[3]!]);
    const named = [...attributes, intAttribute('num_heads', heads)];
    const rotated = build.op('RotaryEmbedding', [joined, angles, sines], { attributes: named });
    return [reshaped(rotated, [0, 0, heads, shape[3]!])];
  },
});

function find(root: Node, inference: Inference): Finding<Match> | string {
  const parts = root.opType === 'Concat' ? root.inputs : [root.outputs[0]!];
  if (root.opType === 'Concat' && !isLastAxis(root, inference)) return 'it does not join the last axis';
  const [first = null, second = null, third = null] = parts;
  const pairs = pairsOf(first, inference);
  const rest = pairs === undefined ? third : second;
  if (parts.length > (pairs === undefined ? 3 : 2)) return 'it joins more than a rotated head';
  const rotation = pairs ?? halvesOf(first, second, inference);
  if (rotation === undefined) return 'its parts are not x₁ · cos − x₂ · sin and x₂ · cos + x₁ · sin';
  if (rest === null) {
    const isPart = root.opType === 'Reshape' && wholeOf(rotation.of, inference) !== undefined;
    return isPart
      ? 'the rest of the head goes behind it'
      : { captures: { rotation, x: rotation.of }, nodes: rotation.nodes };
  }
  const whole = wholeOf(rotation.of, inference);
  if (whole === undefined || rest.producer !== whole.split || rest.index !== 1) return 'what is behind is not the rest';
  return { captures: { rotation, x: whole.value }, nodes: [...rotation.nodes, whole.split] };
}

/** The value whose first part along the last axis, of two, this is. */
function wholeOf(part: Value, inference: Inference): { readonly value: Value; readonly split: Node } | undefined {
  const split = producerOf(part, 'Split');
  const isFirst = split !== undefined && split.outputs.length === 2 && isLastAxis(split, inference);
  return isFirst ? { value: split.inputs[0]!, split } : undefined;
}

/** Reshape(Concat(Unsqueeze(real), Unsqueeze(imaginary))) of elements that stand next to each other. */
function pairsOf(value: Value | null, inference: Inference): Rotation | undefined {
  const reshape = producerOf(value, 'Reshape');
  const concat = producerOf(reshape?.inputs[0], 'Concat');
  if (reshape === undefined || concat?.inputs.length !== 2 || !isLastAxis(concat, inference)) return undefined;
  const columns = concat.inputs.map((input) => producerOf(input, 'Unsqueeze'));
  const isLast = columns.every((column) => column !== undefined && inference.shapeOf(column.outputs[0]!)?.at(-1) === 1);
  const [real = null, imaginary = null] = columns.map((column) => column?.inputs[0] ?? null);
  if (!isLast || !columns.every((column) => addsLastAxis(column!, inference))) return undefined;
  const rotation = rotationOf(real, imaginary, (half) => strideOf(half, inference));
  if (rotation === undefined || !shapesEqual(inference.shapeOf(rotation.of), inference.shapeOf(value!)))
    return undefined;
  return { ...rotation, interleaved: true, nodes: [reshape, concat, ...(columns as Node[]), ...rotation.nodes] };
}

function addsLastAxis(unsqueeze: Node, inference: Inference): boolean {
  const axes = unsqueeze.inputs[1] == null ? undefined : knownNumbers(inference.contentOf(unsqueeze.inputs[1]));
  const rank = inference.shapeOf(unsqueeze.outputs[0]!)?.length;
  return axes?.length === 1 && rank !== undefined && (axes[0] === -1 || axes[0] === rank - 1);
}

const halvesOf = (real: Value | null, imaginary: Value | null, inference: Inference): Rotation | undefined =>
  rotationOf(real, imaginary, (half) => halfOf(half, inference));

/** Every second element along the last axis, from the first or the second on. */
function strideOf(value: Value, inference: Inference): Half | undefined {
  const node = producerOf(value, 'Slice');
  const of = node?.inputs[0];
  const shape = of == null ? undefined : inference.shapeOf(of);
  const size = shape?.at(-1);
  if (node === undefined || of == null || shape === undefined || typeof size !== 'number' || size % 2 !== 0)
    return undefined;
  const [start, , axis, step] = node.inputs.slice(1).map((each) => each && knownNumbers(inference.contentOf(each)));
  const isLast = axis?.length === 1 && (axis[0] === -1 || axis[0] === shape.length - 1);
  const [from] = start ?? [];
  if (!isLast || step?.[0] !== 2 || (from !== 0 && from !== 1)) return undefined;
  return inference.shapeOf(value)?.at(-1) === size / 2 ? { of, part: from, node } : undefined;
}

type Term = { readonly half: Half; readonly angle: Value; readonly node: Node };

/** x₁ · cos − x₂ · sin and x₂ · cos + x₁ · sin */
function rotationOf(
  real: Value | null,
  imaginary: Value | null,
  halfAt: (value: Value) => Half | undefined,
): Rotation | undefined {
  const [sub, add] = [producerOf(real, 'Sub'), producerOf(imaginary, 'Add')];
  if (sub === undefined || add === undefined) return undefined;
  const terms = [...sub.inputs, ...add.inputs].map((input) => termOf(input, halfAt));
  const [a, b, c, d] = terms;
  if (a === undefined || b === undefined || c === undefined || d === undefined) return undefined;
  const [ofFirst, ofSecond] = c.half.part === 0 ? [c, d] : [d, c];
  const isTurned = a.half.part === 0 && b.half.part === 1 && ofFirst.half.part === 0 && ofSecond.half.part === 1;
  const isOne = [b, c, d].every(({ half }) => half.of === a.half.of);
  if (!isTurned || !isOne || a.angle !== ofSecond.angle || b.angle !== ofFirst.angle) return undefined;
  const nodes = [sub, add, ...[a, b, c, d].flatMap(({ node, half }) => [node, half.node])];
  return { of: a.half.of, cos: a.angle, sin: b.angle, interleaved: false, nodes: [...new Set(nodes)] };
}

function termOf(value: Value | null, halfAt: (value: Value) => Half | undefined): Term | undefined {
  const node = producerOf(value, 'Mul');
  const [left, right] = node?.inputs ?? [];
  if (node === undefined || left == null || right == null) return undefined;
  for (const [part, angle] of [
    [left, right],
    [right, left],
  ] as const) {
    const half = halfAt(part);
    if (half !== undefined) return { half, angle, node };
  }
  return undefined;
}

/** c of [batch, length, half] that was given an axis for the heads, and which: 1 or 2. */
function anglesOf(value: Value, inference: Inference): readonly [Value, 1 | 2] | undefined {
  const unsqueeze = producerOf(value, 'Unsqueeze');
  const source = unsqueeze?.inputs[0];
  const axes = unsqueeze?.inputs[1] == null ? undefined : knownNumbers(inference.contentOf(unsqueeze.inputs[1]));
  const [axis] = axes ?? [];
  if (source == null || inference.shapeOf(source)?.length !== 3 || axes?.length !== 1) return undefined;
  if (axis === 1 || axis === -3) return [source, 1];
  return axis === 2 || axis === -2 ? [source, 2] : undefined;
}

function layoutObstacle({ of, cos, sin }: Rotation, x: Value, { inference }: CheckContext): string | undefined {
  const shape = inference.shapeOf(x);
  const turned = inference.shapeOf(of)?.at(-1);
  const [first, second] = [cos, sin].map((each) => anglesOf(each, inference));
  if (first === undefined || second === undefined || first[1] !== second[1])
    return 'the angles are not known to be of each position';
  const headAxis = first[1];
  if (shape?.length !== 4 || typeof shape[headAxis] !== 'number' || typeof shape[3] !== 'number')
    return 'the heads are not known';
  const wanted = [shape[0], shape[headAxis === 1 ? 2 : 1], Number(turned) / 2];
  for (const [angles] of [first, second]) {
    const given = inference.shapeOf(angles)!;
    if (!wanted.every((dim, axis) => dimEquals(dim, given[axis])))
      return 'the angles are not known to be of each position';
    if (inference.dtypeOf(angles) !== inference.dtypeOf(x)) return 'the angles are of another type';
  }
  return undefined;
}
