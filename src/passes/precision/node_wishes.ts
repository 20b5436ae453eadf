import { getInts } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { InvariantError } from '../../ir/diagnostic.js';
import { type Node, opsetVersion } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { schemaDomain } from '../../ir/ops/operator_schema.js';
import { reducedAxes } from '../../ir/ops/reduced_axes.js';
import { elementCount, type Tensor } from '../../ir/tensor.js';
import { isFunction } from '../legalize/unfit.js';
import type { Ranges } from '../quantize/ranges.js';
import { isOperator } from '../rewrite/operator.js';
import type { TargetProfile } from '../target_profile.js';
import type { ConstantFit } from './constant_fit.js';
import { halfLimits } from './half_limits.js';
import type { HalfSlots } from './half_slots.js';
import { type PrecisionRule, precisionRule } from './precision_rules.js';

/** What a node is to be computed in, before casts are counted. */
export type Wish =
  /** `firm`: half would be wrong or would not run, whoever asks for it. */
  | { readonly wants: 'float'; readonly reason: string; readonly firm: boolean }
  | { readonly wants: 'heavy' | 'light' | 'free'; readonly reason: string };

export type WishContext = {
  readonly half: HalfType;
  readonly inference: Inference;
  readonly target: TargetProfile;
  readonly kernels: 'required' | 'wanted';
  readonly norms: 'float' | 'half';
  readonly ranges: Ranges | undefined;
  readonly fitOf: (tensor: Tensor) => ConstantFit;
};

export const float = (reason: string, firm = false): Wish => ({ wants: 'float', reason, firm });

/** Why a node does not run in half on a target, or undefined. */
export function kernelObstacle(
  node: Node,
  slots: HalfSlots,
  { half, target, kernels }: WishContext,
): string | undefined {
  const domain = schemaDomain(node.domain);
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (target.runs(domain, node.opType, opset, half) !== false) return undefined;
  const own = target.castsAround?.[half];
  // Casts go around what reads half: nothing shows that an output alone is.
  const isHelped = own !== undefined && !own.except.includes(node.opType) && slots.inputs.includes(true);
  const runsFloat = target.runs(domain, node.opType, opset, 'float') !== false || isFunction(node);
  return isHelped && runsFloat && kernels === 'wanted' ? undefined : `${target.name} has no ${half} kernel for it`;
}

/** A constant that half cannot hold, or holds badly; `firm` where a finite number would become infinite. */
export function constantObstacle(
  node: Node,
  slots: HalfSlots,
  { half, fitOf }: Pick<WishContext, 'half' | 'fitOf'>,
): Wish | undefined {
  const { largest, rounding } = halfLimits[half];
  let poor: Wish | undefined;
  for (const [index, value] of node.inputs.entries()) {
    const tensor = slots.inputs[index] ? constantTensor(value) : undefined;
    if (value === null || tensor?.dtype !== 'float') continue;
    const fit = fitOf(tensor);
    if (fit.largest > largest) {
      return float(
        `a constant holds ${fit.largest.toPrecision(4)}, and ${half} ends at ${shortNumber(largest)} ("${value.name}")`,
        true,
      );
    }
    if (fit.underflow > rounding && !isAddend(node, index, tensor)) {
      const error = `${(100 * fit.underflow).toPrecision(2)} %`;
      poor ??= float(`a constant is so small that ${half} loses ${error} of it ("${value.name}")`);
    }
  }
  return poor;
}

const shortNumber = (value: number): string => (value < 1e6 ? String(value) : value.toPrecision(4));

/**
 * Whether a constant is only added to the result: that is rounded to the same steps. A single number is not among them,
 * since it may keep a divisor above 0.
 */
function isAddend(node: Node, index: number, tensor: Tensor): boolean {
  const rule = precisionRule(node);
  if (rule?.wants === 'heavy' && rule.addends?.includes(index)) return true;
  return ['Add', 'Sub', 'Sum'].some((opType) => isOperator(node, opType)) && elementCount(tensor.dims) > 1;
}

/** Numbers in a constant that is worth halving for its size alone. */
const largeTable = 1 << 16;

/** The wish of a node that reads a large constant, such as an embedding, which half makes half as large. */
export function halvedTable(node: Node, slots: HalfSlots): Wish | undefined {
  const isLarge = node.inputs.some((value, index) => {
    const tensor = slots.inputs[index] ? constantTensor(value) : undefined;
    return tensor !== undefined && elementCount(tensor.dims) >= largeTable;
  });
  return isLarge ? { wants: 'heavy', reason: 'it reads a large constant, which half makes half as large' } : undefined;
}

/** What the operator's rule says of a node; it must have one. */
export function ruleWish(node: Node, context: WishContext): Wish {
  if (isOperator(node, 'Mul') && node.inputs[0] === node.inputs[1] && !isInRange(node, context)) {
    return float('a square grows out of range quickly');
  }
  // Weights in fewer bits come back in the type of their scale.
  if (node.opType === 'DequantizeLinear' && constantTensor(node.inputs[0]) !== undefined) {
    return { wants: 'free', reason: 'it brings back weights' };
  }
  const rule = precisionRule(node);
  if (rule === undefined) throw new InvariantError(`${node.opType} has no rule`);
  return wishOf(node, rule, context);
}

function wishOf(node: Node, rule: PrecisionRule, context: WishContext): Wish {
  switch (rule.wants) {
    case 'heavy':
      return { wants: 'heavy', reason: 'its products are what half is for' };
    case 'light':
      return { wants: 'light', reason: 'rounding does not add up in it' };
    case 'free':
      return { wants: 'free', reason: 'it moves or compares numbers' };
    case 'normalization':
      return context.norms === 'half'
        ? { wants: 'light', reason: 'normalizations were asked for in half' }
        : float('it is a normalization');
    case 'float':
      if (rule.inRange && isInRange(node, context)) return { wants: 'light', reason: 'its results stay in range' };
      return float(rule.why);
    case 'sum':
    case 'softmax':
      return combined(node, rule.wants, context);
  }
}

function combined(node: Node, kind: 'sum' | 'softmax', { half, inference }: WishContext): Wish {
  const { longestSum, longestSoftmax } = halfLimits[half];
  const limit = kind === 'sum' ? longestSum : longestSoftmax;
  const count = combinedElements(node, inference);
  const what = kind === 'sum' ? 'it sums up' : 'it weighs';
  if (count === undefined) return float(`${what} nobody knows how many elements`);
  if (count > limit) return float(`${what} ${count} elements, more than ${limit}`);
  return { wants: 'light', reason: `${what} ${count} elements, no more than ${limit}` };
}

function combinedElements(node: Node, inference: Inference): number | undefined {
  const window = isOperator(node, 'AveragePool') ? getInts(node, 'kernel_shape', undefined) : undefined;
  if (window !== undefined) return elementCount(window);
  const [input = null] = node.inputs;
  const shape = input === null ? undefined : inference.shapeOf(input);
  const axes = shape && reducedAxes(node, shape.length);
  let count = 1;
  for (const axis of axes ?? [-1]) {
    const size = shape?.[axis];
    if (typeof size !== 'number') return undefined;
    count *= size;
  }
  return count;
}

/** Whether calibration saw all results; those beyond the limit were ruled out before. */
const isInRange = (node: Node, { half, ranges, inference }: WishContext): boolean =>
  half === 'bfloat16' ||
  node.outputs.every(
    (output) => output === null || inference.dtypeOf(output) !== 'float' || ranges?.has(output.name) === true,
  );
