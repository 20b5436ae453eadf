import { getFloat, getInts, getString } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { normalAxes } from '../../../ir/ops/inference/axes.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { scalarValue } from '../../rewrite/scalar.js';

/** What a Pad adds to the spatial axes of its input, before and after each, and the number it fills them with. */
export type SpatialPad = {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
};

/** A Pad that fills the axes from the third on with a constant and takes nothing away; or why it is another. */
export function spatialPad(node: Node, inference: Inference): SpatialPad | string {
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (getString(node, 'mode', 'constant') !== 'constant') return 'it does not pad with a constant';
  const rank = inference.shapeOf(node.inputs[0]!)?.length ?? inference.shapeOf(node.outputs[0]!)?.length;
  if (rank === undefined || rank < 3) return 'the rank of its input is not known';
  const value = opset < 11 ? getFloat(node, 'value', 0) : fillOf(node.inputs[2] ?? null);
  if (value === undefined) return 'the number it pads with is not known';
  const pads =
    opset < 11 ? getInts(node, opset < 2 ? 'paddings' : 'pads', undefined) : numbers(node.inputs[1], inference);
  const given = opset < 18 || node.inputs[3] == null ? [...Array(rank).keys()] : numbers(node.inputs[3], inference);
  const axes = given && normalAxes(given, rank);
  if (pads === undefined || axes === undefined || pads.length !== 2 * axes.length)
    return 'how much it pads is not known';
  if (pads.some((pad) => pad < 0)) return 'it takes something away';
  const ends = [0, axes.length].map((first) => {
    const all = new Array<number>(rank).fill(0);
    for (const [position, axis] of axes.entries()) all[axis] = pads[first + position]!;
    return all;
  });
  const [before = [], after = []] = ends;
  if (ends.some((all) => all[0] !== 0 || all[1] !== 0)) return 'it pads the batch or the channels';
  return { before: before.slice(2), after: after.slice(2), value };
}

/** 0 unless given. */
function fillOf(value: Value | null): number | undefined {
  if (value === null) return 0;
  const tensor = constantTensor(value);
  return tensor && scalarValue(tensor);
}

const numbers = (value: Value | null | undefined, inference: Inference): number[] | undefined =>
  value == null ? undefined : knownNumbers(inference.contentOf(value));

/** The pads of a convolution or pool, all axes' beginnings first; undefined where its size decides. */
export function windowPads(node: Node, axes: number): readonly number[] | undefined {
  switch (getString(node, 'auto_pad', 'NOTSET')) {
    case 'NOTSET': {
      const pads = getInts(node, 'pads', undefined) ?? new Array<number>(2 * axes).fill(0);
      return pads.length === 2 * axes ? pads : undefined;
    }
    case 'VALID':
      return new Array<number>(2 * axes).fill(0);
    default:
      return undefined;
  }
}

/** Both pads together, in the order of the attribute. */
export const joinPads = (pads: readonly number[], { before, after }: SpatialPad): number[] =>
  [...before, ...after].map((pad, index) => pad + pads[index]!);
