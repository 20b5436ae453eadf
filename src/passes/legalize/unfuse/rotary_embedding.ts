// RotaryEmbedding of the standard and of com.microsoft => x₁ · cos θ − x₂ · sin θ, x₂ · cos θ + x₁ · sin θ
import { getFloat, getInt, intAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import type { Spelling } from './spelling.js';
import { inputOf, type Unfusing } from './unfusing.js';

type Layout = {
  readonly rank: 3 | 4;
  readonly heads: number;
  readonly size: number;
  /** How many elements of a head, from the first on, are turned. */
  readonly turned: number;
  readonly interleaved: boolean;
};

/** Gives cosines or sines of [batch or 1, length, turned / 2] from what the node has. */
type Angles = (cache: Value, spelling: Spelling) => Value;

const rotaryEmbedding = (
  domain: string,
  inputs: { readonly cos: number; readonly sin: number },
  angles: (node: Node, x: Value, context: CheckContext) => Angles | string,
): Unfusing => ({
  domain,
  opType: 'RotaryEmbedding',
  plan(node, context) {
    const [x, cos, sin] = [0, inputs.cos, inputs.sin].map((index) => inputOf(node, index));
    if (x == null || cos == null || sin == null) return 'an input is missing';
    const layout = layoutOf(node, x, cos, context);
    if (typeof layout === 'string') return layout;
    const read = angles(node, x, context);
    if (typeof read === 'string') return read;
    return (spelling) => {
      const headAxis = layout.rank === 3 ? 2 : 1;
      const [cosines, sines] = [cos, sin].map((cache) => spelling.unsqueeze(read(cache, spelling), [headAxis]));
      const { rank, heads, size } = layout;
      const split = rank === 3 ? spelling.reshape(x, [0, 0, heads, size]) : x;
      const result = rotated(split, cosines!, sines!, layout, spelling);
      return [rank === 3 ? spelling.reshape(result, [0, 0, heads * size]) : result];
    };
  },
});

function layoutOf(node: Node, x: Value, cos: Value, { inference }: CheckContext): Layout | string {
  const shape = inference.shapeOf(x);
  const half = inference.shapeOf(cos)?.at(-1);
  const stated = getInt(node, 'rotary_embedding_dim', 0);
  if (shape?.length !== 3 && shape?.length !== 4) return 'it is not known to have three or four axes';
  const rank = shape.length === 3 ? 3 : 4;
  const width = shape.at(-1);
  // com.microsoft takes the size of a head from the angles where nothing else tells it.
  const named = getInt(node, 'num_heads', 0);
  const heads = rank === 4 ? shape[1] : named > 0 ? named : headsByAngles(width, half, stated);
  if (typeof width !== 'number' || typeof heads !== 'number') return 'how many heads it has is not known';
  const size = rank === 4 ? width : width / heads;
  const turned = stated > 0 ? stated : size;
  if (!Number.isInteger(size) || turned % 2 !== 0 || turned > size) return `heads of ${size} are not turned by halves`;
  if (typeof half !== 'number' || half !== turned / 2) return 'the angles are not known to be half of what is turned';
  return { rank, heads, size, turned, interleaved: getInt(node, 'interleaved', 0) !== 0 };
}

const headsByAngles = (width: unknown, half: unknown, stated: number): number | undefined =>
  typeof width === 'number' && typeof half === 'number' && stated === 0 ? width / (2 * half) : undefined;

function rotated(x: Value, cos: Value, sin: Value, { size, turned, interleaved }: Layout, spelling: Spelling): Value {
  const half = turned / 2;
  const op = (opType: string, a: Value, b: Value) => spelling.op(opType, [a, b]);
  const [head, rest] = turned === size ? [x] : spelling.split(x, 3, [turned, size - turned]);
  const pairs = interleaved ? spelling.reshape(head!, [0, 0, 0, half, 2]) : undefined;
  const [first, second] =
    pairs === undefined
      ? spelling.split(head!, 3, [half, half])
      : [spelling.pick(pairs, 4, 0), spelling.pick(pairs, 4, 1)];
  const real = op('Sub', op('Mul', first!, cos), op('Mul', second!, sin));
  const imaginary = op('Add', op('Mul', second!, cos), op('Mul', first!, sin));
  const result = interleaved
    ? spelling.reshape(spelling.concat([spelling.unsqueeze(real, [4]), spelling.unsqueeze(imaginary, [4])], 4), [
        0,
        0,
        0,
        turned,
      ])
    : spelling.concat([real, imaginary], 3);
  return rest === undefined ? result : spelling.concat([result, rest], 3);
}

/** Rows of a table by position, or angles of every position as they are. */
function standardAngles(node: Node): Angles | string {
  const positions = inputOf(node, 3);
  return positions === null
    ? (cache) => cache
    : (cache, spelling) => spelling.op('Gather', [cache, positions], intAttribute('axis', 0));
}

/** Positions of every element, or the first one of all sequences. */
function ownAngles(node: Node, x: Value, { inference }: CheckContext): Angles | string {
  if (getInt(node, 'is_packed_batching', 0) !== 0) return 'its batch is packed';
  if (getFloat(node, 'scale', 1) !== 1) return 'it scales the angles';
  const positions = inputOf(node, 1);
  const shape = positions === null ? undefined : inference.shapeOf(positions);
  const rank = inference.shapeOf(x)?.length;
  if (positions === null || shape === undefined) return 'the rank of its positions is not known';
  if (shape.length === 2) return (cache, spelling) => spelling.op('Gather', [cache, positions]);
  if (shape.length !== 1 || shape[0] !== 1) return 'its positions are neither of each element nor of the first';
  return (cache, spelling) => {
    const length = spelling.size(x, rank === 3 ? 1 : 2);
    const end = spelling.op('Add', [positions, length]);
    const rows = spelling.op('Slice', [cache, positions, end, spelling.int64([0], 'axis')]);
    return spelling.unsqueeze(rows, [0]);
  };
}

export const rotaryUnfusings: readonly Unfusing[] = [
  rotaryEmbedding('', { cos: 1, sin: 2 }, standardAngles),
  rotaryEmbedding('com.microsoft', { cos: 2, sin: 3 }, ownAngles),
];
