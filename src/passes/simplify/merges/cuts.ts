import { type Attribute, intsAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { Node, Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor, tensorIntegers } from '../../../ir/tensor.js';
import type { ReplacementBuilder } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';

/** What a Slice does along one axis, positions as written: negative ones count from the end. */
export type Cut = { readonly axis: number; readonly start: bigint; readonly end: bigint; readonly step: bigint };

const cutsAreInputs = 10;

/** The cuts of a Slice with constant operands; undefined where one is not known or an axis stands twice. */
export function cutsOf(node: Node, inference: Inference): readonly Cut[] | undefined {
  if (plainOperator(node) !== 'Slice' || node.inputs[0] == null) return undefined;
  const rank = inference.shapeOf(node.inputs[0])?.length;
  const starts = integers(node, 'starts', 1);
  const ends = integers(node, 'ends', 2);
  if (rank === undefined || starts === undefined || ends?.length !== starts.length) return undefined;
  const axes = isGiven(node, 'axes', 3) ? integers(node, 'axes', 3) : starts.map((_, axis) => BigInt(axis));
  const steps = isGiven(node, 'steps', 4) ? integers(node, 'steps', 4) : starts.map(() => 1n);
  if (axes?.length !== starts.length || steps?.length !== starts.length) return undefined;
  const cuts = starts.flatMap((start, index): Cut[] => {
    const axis = normalAxis(Number(axes[index]), rank);
    return axis === undefined ? [] : [{ axis, start, end: ends[index]!, step: steps[index]! }];
  });
  return new Set(cuts.map(({ axis }) => axis)).size === starts.length ? cuts : undefined;
}

const isGiven = (node: Node, name: string, index: number): boolean =>
  defaultOpset(node) < cutsAreInputs ? node.attributes.has(name) : node.inputs[index] != null;

function integers(node: Node, name: string, index: number): readonly bigint[] | undefined {
  if (defaultOpset(node) >= cutsAreInputs) {
    const tensor = constantTensor(node.inputs[index]);
    return tensor && tensorIntegers(tensor);
  }
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.value : undefined;
}

/** A Slice in the form of the opset that `like` is read with; steps other than 1 only where operands hold them. */
export function buildSlice(x: Value, cuts: readonly Cut[], like: Node, build: ReplacementBuilder): Value {
  const sorted = [...cuts].sort((a, b) => a.axis - b.axis);
  const lists = {
    starts: sorted.map(({ start }) => start),
    ends: sorted.map(({ end }) => end),
    axes: sorted.map(({ axis }) => BigInt(axis)),
  };
  if (defaultOpset(like) < cutsAreInputs) {
    const attributes: Attribute[] = Object.entries(lists).map(([name, values]) => intsAttribute(name, values));
    return build.op('Slice', [x], { attributes });
  }
  const inputs = Object.entries(lists).map(([name, values]) => build.constant(int64Tensor(values), name));
  const steps = sorted.map(({ step }) => step);
  if (steps.some((step) => step !== 1n)) inputs.push(build.constant(int64Tensor(steps), 'steps'));
  return build.op('Slice', [x, ...inputs]);
}
