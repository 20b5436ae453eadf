import { asDim, type Dim, divideExact, floorDiv, mod, mul, provablyDifferent } from '../../dim.js';
import { formatShape, staticShape } from '../../value_type.js';
import { normalAxes } from './axes.js';
import { buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Operators that put axes, or parts of axes, in another place. */
export const transposeRules: InferenceRules = {
  Transpose: inferTranspose,
  DepthToSpace: inferDepthToSpace,
  SpaceToDepth: inferSpaceToDepth,
};

/** Without `perm` the axes are reversed. */
function inferTranspose(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  const perm = context.ints('perm', undefined) ?? shape?.map((_, axis) => shape.length - 1 - axis);
  context.setTensor(0, dtype);
  if (perm === undefined) return;
  if (
    normalAxes(perm, perm.length) === undefined ||
    perm.some((axis) => axis < 0) ||
    perm.length !== (shape?.length ?? perm.length)
  ) {
    context.fail('infer/axis', `perm [${perm.slice(0, 8)}] of ${formatShape(shape)}`);
    return;
  }
  const permuted = perm.map((axis) => shape?.[axis]);
  context.setTensor(0, dtype, permuted);
  const known = context.anyContent(0);
  const dims = staticShape(permuted);
  if (known === undefined || dims === undefined || known.dims.length !== perm.length) return;
  const origin = perm.map((_, axis) => perm.indexOf(axis));
  const permute = (coordinate: readonly number[]) =>
    elementOf(
      known,
      origin.map((from) => coordinate[from]!),
    );
  context.setContent(0, buildContent(dtype, dims, permute));
}

/** [N, C, H, W] => [N, C / b², H · b, W · b] */
function inferDepthToSpace(context: InferenceContext): void {
  inferBlocks(context, ([batch, depth, height, width], block) => [
    batch,
    divided(divided(depth, block), block),
    times(height, block),
    times(width, block),
  ]);
}

/** [N, C, H, W] => [N, C · b², H / b, W / b] */
function inferSpaceToDepth(context: InferenceContext): void {
  inferBlocks(context, ([batch, depth, height, width], block) => [
    batch,
    times(times(depth, block), block),
    divided(height, block),
    divided(width, block),
  ]);
}

type Divided = Dim | undefined | 'conflict';

function inferBlocks(
  context: InferenceContext,
  move: (image: readonly (Dim | undefined)[], block: number) => readonly Divided[],
): void {
  const dtype = context.dtype(0);
  const image = context.shape(0);
  const block = context.int('blocksize', undefined);
  context.setTensor(0, dtype);
  if (image !== undefined && image.length !== 4) {
    context.fail('infer/rank', `blocks are moved in [N, C, H, W], not in ${formatShape(image)}`);
    return;
  }
  if (block !== undefined && block < 1) {
    context.fail('infer/block', `blocks of size ${block}`);
    return;
  }
  context.setTensor(0, dtype, [image?.[0], undefined, undefined, undefined]);
  if (image === undefined || block === undefined) return;
  const moved = move(image, block);
  if (moved.includes('conflict')) {
    context.setTensor(0, dtype);
    context.fail('infer/block', `${formatShape(image)} has no whole number of blocks of size ${block}`);
    return;
  }
  context.setTensor(
    0,
    dtype,
    moved.filter((dim) => dim !== 'conflict'),
  );
}

const times = (dim: Divided, block: number): Divided => (dim === 'conflict' ? dim : asDim(mul(dim, block)));

/** The quotient of a size that must be a multiple of the block. */
function divided(dim: Divided, block: number): Divided {
  if (dim === 'conflict' || provablyDifferent(mod(dim, block), 0)) return 'conflict';
  return asDim(divideExact(dim, block) ?? floorDiv(dim, block));
}
