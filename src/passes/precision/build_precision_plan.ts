import type { Diagnostic } from '../../ir/diagnostic.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Model, Node, OutputSlot, Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import type { Ranges } from '../quantize/ranges.js';
import type { NodeSelector } from '../quantize/selection.js';
import type { TargetProfile } from '../target_profile.js';
import { castSites, isMainInput, type Party } from './cast_sites.js';
import { cheapestAssignment, type Preference, savedCasts } from './cheapest_assignment.js';
import { constantFits } from './constant_fit.js';
import { decideWishes } from './decide_wishes.js';
import { flushedConstants } from './flushed_constants.js';
import { type HalfSlots, halfSlots } from './half_slots.js';
import type { NodePrecision, PrecisionPlan } from './precision_plan.js';

export type PrecisionOptions = {
  readonly half: HalfType;
  readonly target: TargetProfile;
  /** `wanted` (default): a target that puts casts around nodes itself may do so. `required`: half needs a kernel. */
  readonly kernels?: 'required' | 'wanted';
  /** What normalizations are computed in; `float` unless told. */
  readonly norms?: 'float' | 'half';
  /** Nodes to compute in half whatever the rules of their operators say; only what half cannot hold or run stays float. */
  readonly include?: readonly NodeSelector[];
  /** Nodes to compute in float. */
  readonly exclude?: readonly NodeSelector[];
  /** Inputs and outputs of the main graph that keep float32: all, or those named. Others get what saves casts. */
  readonly keepIoTypes?: true | readonly string[];
  /** What values were seen to hold; a value that was seen decides in the place of its operator's rule. */
  readonly ranges?: Ranges;
  /**
   * float16 holds what was seen to stay below 65504 / `headroom`: 4 unless told, for data of four times the magnitude
   * that calibration saw.
   */
  readonly headroom?: number;
  /** Decided already. */
  readonly forced?: ReadonlyMap<Node, NodePrecision>;
};

/** A plan with what is said about it. */
export type DecidedPlan = PrecisionPlan & {
  /** Nodes in float by a rule, not to save casts. */
  readonly kept: ReadonlySet<Node>;
  readonly diagnostics: readonly Diagnostic[];
};

/**
 * Decides what every node of a model computes in, before anything is changed: rules and ranges say what must stay in
 * float and what is worth being half, and a minimum cut decides the rest so that the fewest casts are needed.
 * @throws DiagnosticError `cast/override-matches-nothing`; `cast/plan-does-not-fit` where half is forced on a node that
 * has no half form, does not run in half, or would overflow.
 */
export function buildPrecisionPlan(model: Model, inference: Inference, options: PrecisionOptions): DecidedPlan {
  const { half, forced } = options;
  const nodes = [...nestedGraphs(model.graph)].flatMap((graph) => [...graph.nodes]);
  const slots = new Map<Node, HalfSlots>();
  for (const node of nodes) {
    const found = halfSlots(node, half, inference);
    if (found !== undefined) slots.set(node, found);
  }
  const fitOf = constantFits(half);
  const { wishes, isTooLarge } = decideWishes(model, inference, nodes, slots, options, fitOf);
  const ports = openPorts(model, inference, options, isTooLarge);
  const sites = castSites(
    model,
    inference,
    (node) => slots.get(node),
    (port) => ports.has(port),
  );
  const preferences = new Map<Party, Preference>();
  for (const [node, wish] of wishes) {
    const wanted = forced?.get(node)?.type ?? wish.wants;
    if (slots.has(node))
      preferences.set(node, wanted === 'free' && isHalfCast(node, half, inference) ? 'cast' : wanted);
  }
  for (const port of ports) preferences.set(port, 'free');
  const chosen = cheapestAssignment(sites, preferences);
  const saved = savedCasts(sites, chosen, (party) => {
    const preference = preferences.get(party);
    return preference !== 'float' && preference !== 'half';
  });
  const decided = new Map<Node, NodePrecision>();
  const kept = new Set<Node>();
  for (const [node, wish] of wishes) {
    const given = forced?.get(node);
    if (given !== undefined) decided.set(node, given);
    else if (chosen.has(node)) decided.set(node, { type: 'half', reason: wish.reason });
    else if (wish.wants === 'float') decided.set(node, { type: 'float', reason: wish.reason });
    else decided.set(node, { type: 'float', reason: joinReason(saved.get(node) ?? 0) });
    if ((given?.type ?? wish.wants) === 'float') kept.add(node);
  }
  return {
    half,
    nodes: decided,
    inputs: new Set(model.graph.inputs.filter((input) => chosen.has(input))),
    outputs: new Set(model.graph.outputs.filter((output) => chosen.has(output))),
    kept,
    diagnostics: flushedConstants(decided, slots, half, fitOf),
  };
}

const joinReason = (saved: number): string =>
  `it joins its float neighbours, which saves ${saved} ${saved === 1 ? 'cast' : 'casts'}`;

/** A Cast between float and the half type, which is gone where its float side is half. */
function isHalfCast(node: Node, half: HalfType, inference: Inference): boolean {
  if (node.opType !== 'Cast') return false;
  const types = [node.inputs[0], node.outputs[0]].map((value) => value && inference.dtypeOf(value));
  return types.includes(half) && types.includes('float');
}

/** Float32 inputs and outputs of the main graph that may change. */
function openPorts(
  model: Model,
  inference: Inference,
  { keepIoTypes = [] }: PrecisionOptions,
  isTooLarge: (value: Value) => boolean,
): ReadonlySet<Value | OutputSlot> {
  if (keepIoTypes === true) return new Set();
  const { inputs, outputs } = model.graph;
  const names = new Set([...inputs, ...outputs].map(({ name }) => name));
  const unknown = keepIoTypes.find((name) => !names.has(name));
  if (unknown !== undefined) {
    throw new DiagnosticError({
      code: 'cast/override-matches-nothing',
      message: `the model has no input or output "${unknown}"`,
      help: `It has ${[...names].map((name) => `"${name}"`).join(', ')}`,
    });
  }
  const kept = new Set(keepIoTypes);
  const mayChange = (value: Value, name: string): boolean =>
    !kept.has(name) && inference.dtypeOf(value) === 'float' && !isTooLarge(value);
  return new Set([
    ...inputs.filter((input) => isMainInput(input, model) && mayChange(input, input.name)),
    ...outputs.filter(({ name, value }) => mayChange(value, name)),
  ]);
}
