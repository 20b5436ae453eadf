// Reshape [N, b, b, C, H, W], Transpose, Reshape [N, C, H·b, W·b] => DepthToSpace(DCR)
// Reshape [N, C, b, b, H, W], Transpose, Reshape [N, C, H·b, W·b] => DepthToSpace(CRD)
// Reshape [N, C, H, b, W, b], Transpose, Reshape [N, b·b·C, H, W] => SpaceToDepth
// Needs: sizes known to be these, and nothing else that reads what is in between. ONNX Runtime copies 2 to 20 times
// faster so (measured).
import { getInts, intAttribute, stringAttribute } from '../../../ir/attribute.js';
import { dimEquals, type Expr, mul } from '../../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Shape } from '../../../ir/value_type.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { any, type NodePattern, op } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite } from '../../rewrite/rewrite.js';

type Match = { readonly x: Value; readonly root: Node; readonly split: Node; readonly transpose: Node };

const moved = (perm: readonly number[]): NodePattern<Match> =>
  op(
    'root',
    'Reshape',
    [
      op('transpose', 'Transpose', [op('split', 'Reshape', [any('x')], { moreInputs: true })], {
        where: (node) => getInts(node, 'perm', []).join() === perm.join(),
      }),
    ],
    { moreInputs: true },
  );

export const fuseDepthToSpaceDcr = depthToSpace('fuse-depth-to-space-dcr', 'DCR', [0, 3, 4, 1, 5, 2], [1, 2], 3);

export const fuseDepthToSpaceCrd = depthToSpace('fuse-depth-to-space-crd', 'CRD', [0, 1, 4, 2, 5, 3], [2, 3], 1);

/** `blocks`: the axes of the blocks in the six that the first Reshape makes; `channels`: the axis of the channels. */
function depthToSpace(
  name: string,
  mode: 'DCR' | 'CRD',
  perm: readonly number[],
  blocks: readonly [number, number],
  channels: number,
) {
  return defineRewrite<Match>({
    name,
    summary: `Reshape, Transpose, Reshape => DepthToSpace(${mode})`,
    licence: 'exact',
    pattern: moved(perm),
    check(match, context, root) {
      if (mode === 'CRD' && (opsetVersion(root.graph, root.domain) ?? 11) < 11) return 'its mode needs opset 11';
      const shapes = shapesOf(match, context);
      if (shapes === undefined) return 'the shapes are not known';
      const { from, six, to } = shapes;
      const block = blockOf(six, blocks);
      const [batch, channel, height, width] = [six[0], six[channels], six[4], six[5]];
      const isMoved =
        block !== undefined &&
        areEqual(from, [batch, mul(channel, block * block), height, width]) &&
        areEqual(to, [batch, channel, mul(height, block), mul(width, block)]);
      if (!isMoved) return 'the sizes are not those of DepthToSpace';
      return offerObstacle(root, { opType: 'DepthToSpace', of: match.x }, context);
    },
    rewrite({ x, root, split }, build, { inference }) {
      const block = blockOf(inference.shapeOf(split.outputs[0]!)!, blocks)!;
      const attributes = [intAttribute('blocksize', block), ...(mode === 'CRD' ? [stringAttribute('mode', mode)] : [])];
      return [build.op('DepthToSpace', [x], { attributes, name: root.name })];
    },
  });
}

const spaceBlocks = [3, 5] as const;

export const fuseSpaceToDepth = defineRewrite<Match>({
  name: 'fuse-space-to-depth',
  summary: 'Reshape, Transpose, Reshape => SpaceToDepth',
  licence: 'exact',
  pattern: moved([0, 3, 5, 1, 2, 4]),
  check(match, context, root) {
    const shapes = shapesOf(match, context);
    if (shapes === undefined) return 'the shapes are not known';
    const { from, six, to } = shapes;
    const block = blockOf(six, spaceBlocks);
    const [batch, channel, height, width] = [six[0], six[1], six[2], six[4]];
    const isMoved =
      block !== undefined &&
      areEqual(from, [batch, channel, mul(height, block), mul(width, block)]) &&
      areEqual(to, [batch, mul(channel, block * block), height, width]);
    if (!isMoved) return 'the sizes are not those of SpaceToDepth';
    return offerObstacle(root, { opType: 'SpaceToDepth', of: match.x }, context);
  },
  rewrite({ x, root, split }, build, { inference }) {
    const block = blockOf(inference.shapeOf(split.outputs[0]!)!, spaceBlocks)!;
    return [build.op('SpaceToDepth', [x], { attributes: [intAttribute('blocksize', block)], name: root.name })];
  },
});

function shapesOf({ x, split, root }: Match, { inference }: CheckContext) {
  const [from, six, to] = [x, split.outputs[0]!, root.outputs[0]!].map((value) => inference.shapeOf(value));
  return from?.length === 4 && six?.length === 6 && to?.length === 4 ? { from, six, to } : undefined;
}

function blockOf(six: Shape, [first, second]: readonly [number, number]): number | undefined {
  const block = six[first];
  return typeof block === 'number' && block > 1 && block === six[second] ? block : undefined;
}

const areEqual = (shape: Shape, expected: readonly (Expr | undefined)[]): boolean =>
  shape.every((dim, axis) => dimEquals(dim, expected[axis]));
