import { constantTensor } from '../../ir/constant.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { describeNode, type Model, type Node, type Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import type { ValueType } from '../../ir/value_type.js';
import { selectNodes } from '../quantize/selection.js';
import type { PrecisionOptions } from './build_precision_plan.js';
import { exactArithmetic } from './exact_arithmetic.js';
import { halfLimits } from './half_limits.js';
import type { HalfSlots } from './half_slots.js';
import { largeValues } from './large_constants.js';
import {
  constantObstacle,
  float,
  halvedTable,
  kernelObstacle,
  ruleWish,
  type Wish,
  type WishContext,
} from './node_wishes.js';
import { normalizationChains } from './normalization_chains.js';
import { precisionRule } from './precision_rules.js';
import { unboundedValues } from './unbounded_values.js';

export type Wishes = {
  /** Of every node that reads or writes float32. */
  readonly wishes: ReadonlyMap<Node, Wish>;
  /** Whether a value holds numbers that half does not. */
  readonly isTooLarge: (value: Value) => boolean;
};

/**
 * What every node is to be computed in: what is firm first, then what was asked for, then the rules.
 * @throws DiagnosticError `cast/override-matches-nothing`, `cast/plan-does-not-fit`.
 */
export function decideWishes(
  model: Model,
  inference: Inference,
  nodes: readonly Node[],
  slots: ReadonlyMap<Node, HalfSlots>,
  options: PrecisionOptions,
  fitOf: WishContext['fitOf'],
): Wishes {
  const { half, target, kernels = 'wanted', norms = 'float', ranges, headroom = 4, forced } = options;
  const context: WishContext = { half, inference, target, kernels, norms, ranges, fitOf };
  const large = largeValues(model, inference, { half, fitOf });
  const { largest } = halfLimits[half];
  const limit = half === 'float16' ? largest / headroom : Number.POSITIVE_INFINITY;
  const peak = (value: Value): number => {
    const range = value.graph === model.graph ? ranges?.get(value.name) : undefined;
    return range === undefined ? 0 : Math.max(Math.abs(range.min), Math.abs(range.max));
  };
  const excess = (value: Value): string | undefined => {
    if ((large.get(value)?.size ?? 0) > largest)
      return `constants beyond ${half} get into what it reads or writes ("${value.name}")`;
    // What is no number was no range.
    return peak(value) <= limit
      ? undefined
      : `what it reads or writes reached ${peak(value).toPrecision(4)}, beyond ${half} with headroom ("${value.name}")`;
  };
  const valuesIn = (node: Node): readonly Value[] => {
    const { inputs, outputs } = slots.get(node)!;
    const chosen = [...node.inputs.filter((_, at) => inputs[at]), ...node.outputs.filter((_, at) => outputs[at])];
    return chosen.filter((value): value is Value => value !== null && constantTensor(value) === undefined);
  };
  const firmly = (node: Node): Wish | undefined => {
    const own = slots.get(node);
    if (own === undefined) return float(`it has no ${half} form`, true);
    if (precisionRule(node) === undefined) return float('nothing is known of what it loses in half', true);
    const kernel = kernelObstacle(node, own, context);
    if (kernel !== undefined) return float(kernel, true);
    const constant = constantObstacle(node, own, context);
    if (constant?.wants === 'float' && constant.firm) return constant;
    for (const value of valuesIn(node)) {
      const reason = excess(value);
      if (reason !== undefined) return float(reason, true);
    }
    return undefined;
  };
  const chains = new Map<Node, string>();
  for (const graph of nestedGraphs(model.graph)) {
    for (const [node, reason] of normalizationChains(graph, inference)) chains.set(node, reason);
  }
  const exact = exactArithmetic(model, inference, { half, ranges });
  const unbounded = unboundedValues(ranges);
  const loosely = (node: Node): Wish => {
    const chain = chains.get(node);
    if (chain !== undefined && norms === 'float') return float(chain);
    const near = valuesIn(node).find((value) => (large.get(value)?.size ?? 0) > limit);
    if (near !== undefined)
      return float(`constants near the end of ${half} get into what it reads or writes ("${near.name}")`);
    const absorbing = valuesIn(node).find((value) => large.get(value)?.absorbs);
    if (absorbing !== undefined)
      return float(`a large constant is added to what it reads or writes ("${absorbing.name}")`);
    const reason = exact.get(node);
    if (reason !== undefined) return float(reason);
    const rule: Wish = chain === undefined ? ruleWish(node, context) : { wants: 'light', reason: chain };
    if (rule.wants === 'float') return rule;
    const wide = half === 'float16' ? unbounded.readBy(node) : undefined;
    if (wide !== undefined) return float(`what it reads may be beyond ${half} ("${wide.name}")`);
    return constantObstacle(node, slots.get(node)!, context) ?? halvedTable(node, slots.get(node)!) ?? rule;
  };
  const touching = nodes.filter((node) => touchesFloat(node, inference));
  const code = 'cast/override-matches-nothing';
  const included = selectNodes(nodes, options.include ?? [], code);
  const excluded = selectNodes(nodes, options.exclude ?? [], code);
  const wishes = new Map<Node, Wish>();
  for (const node of touching) {
    const firm = firmly(node);
    if (firm?.wants === 'float' && forced?.get(node)?.type === 'half') throw doesNotFit(node, firm.reason);
    const asked: Wish | undefined = excluded.has(node)
      ? float('it was asked for in float')
      : included.has(node)
        ? { wants: 'heavy', reason: 'it was asked for in half' }
        : undefined;
    const wish = firm ?? asked ?? loosely(node);
    wishes.set(node, wish);
    unbounded.note(node, wish);
  }
  return {
    wishes,
    isTooLarge: (value) => excess(value) !== undefined,
  };
}

const doesNotFit = (node: Node, reason: string): DiagnosticError =>
  new DiagnosticError({
    code: 'cast/plan-does-not-fit',
    message: `half is asked for, and ${reason}`,
    where: describeNode(node),
    help: 'Take the node out of the plan, or give it the type float',
  });

/** Whether a node reads or writes float32; Constant nodes have the type that is read. */
export function touchesFloat(node: Node, inference: Inference): boolean {
  if (node.opType === 'Constant' && constantTensor(node.outputs[0]) !== undefined) return false;
  return [...node.inputs, ...node.outputs].some((value) => value !== null && holdsFloat(inference.typeOf(value)));
}

function holdsFloat(type: ValueType | undefined): boolean {
  if (type === undefined || type.kind === 'opaque') return false;
  if (type.kind === 'tensor' || type.kind === 'sparse') return type.dtype === 'float';
  return holdsFloat(type.kind === 'map' ? type.value : type.element);
}
