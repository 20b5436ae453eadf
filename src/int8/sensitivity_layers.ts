import { assumed } from '../evaluate/cost_summary.js';
import type { Model, Node, Use, Value } from '../ir/graph.js';
import { nodeCost } from '../ir/ops/cost/node_cost.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { dataInputs, type Placement } from '../passes/quantize/placement.js';
import type { QuantizationScheme } from '../passes/target_profile.js';
import { placedCandidate } from './int8_candidate.js';
import { placeInt8 } from './prepare_int8.js';
import type { Int8Plan } from './quantize_int8.js';

/** A node that can be put on 8 bits, or left in float, by itself. */
export type Layer = {
  readonly node: Node;
  /** The name by which it is left in float. */
  readonly output: string;
  /** It runs the products that 8 bits are for; the others only stand between such layers. */
  readonly computes: boolean;
  /** Multiply-accumulates and element operations of one run; open dimensions are assumed. */
  readonly cost: number;
};

/**
 * The layers of a placement, in topological order: those with weights, products of two activations, sums and the like
 * between them, and sums that read one operand in 8 bits. What only moves data belongs to the layer whose 8 bits it
 * moves: it adds no error.
 */
export function layersOf(model: Model, placement: Placement, scheme: QuantizationScheme): Layer[] {
  const inference = new Inference(model);
  const computing = new Set(placement.computes.map(({ node }) => node));
  return separableNodes(placement, scheme).map((node) => {
    const { macs, elementOps } = nodeCost(node, inference);
    const role = scheme.roles[node.opType];
    return {
      node,
      output: node.outputs[0]!.name,
      computes: computing.has(node) || role === 'compute' || role === 'compute-float-output',
      cost: Math.max(1, assumed(macs) + assumed(elementOps)),
    };
  });
}

/** The plan's model with the layer at `index` of `layersOf` as the only one on 8 bits. */
export const layerAlone = (plan: Int8Plan, index: number): Promise<Model> =>
  placedCandidate(plan, (model) => {
    // The same model and options give the same layers, here as nodes of a copy.
    const placement = placeInt8(model, plan.scheme, plan.quantization);
    return alone(placement, separableNodes(placement, plan.scheme)[index]!);
  });

function separableNodes({ computes, carries, taps }: Placement, { roles }: QuantizationScheme): Node[] {
  const found = new Set(computes.map(({ node }) => node));
  for (const node of carries) if (roles[node.opType] !== 'move') found.add(node);
  for (const { user } of nodeUses(taps)) if (roles[user.opType] === 'residual') found.add(user);
  return [...found].sort((a, b) => a.order - b.order);
}

const nodeUses = (uses: Iterable<Use>) => [...uses].filter((use) => use.kind === 'node');

/** The part of a placement that is about one node: what it reads and writes in 8 bits, and its weights. */
function alone(placement: Placement, node: Node): Placement {
  const compute = placement.computes.find((each) => each.node === node);
  const isCarry = placement.carries.includes(node);
  const lead = compute === undefined ? null : node.inputs[0]!.producer;
  const taps = new Set(nodeUses(placement.taps).filter(({ user }) => user === node || user === lead));
  const rounded = new Map(Array.from(placement.existing.values(), ({ result, value }) => [result, value]));
  const tapped = [...taps].map(({ user, index }) => user.inputs[index]!);
  const read = compute !== undefined ? [compute.input] : isCarry ? dataInputs(node) : tapped;
  const written = compute === undefined && !isCarry ? [] : resultsOf(placement, node);
  const fromEightBits = new Set(written.filter((value) => placement.fromEightBits.has(value)));
  const values = new Set([...read.map((value) => rounded.get(value) ?? value), ...fromEightBits]);
  return {
    ...placement,
    computes: compute === undefined ? [] : [compute],
    carries: isCarry ? [node] : [],
    taps,
    fromEightBits,
    values: new Map([...placement.values].filter(([value]) => values.has(value))),
    dropped: [],
  };
}

/** Its outputs, or where saturation replaces the activation behind it, that one's. */
function resultsOf({ absorbed }: Placement, node: Node): Value[] {
  for (const [result, activation] of absorbed) if (activation.inputs[0]?.producer === node) return [result];
  return node.outputs.filter((output) => output !== null);
}
