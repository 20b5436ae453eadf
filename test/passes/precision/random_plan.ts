import { getTensor } from '../../../src/ir/attribute.js';
import { constantTensor } from '../../../src/ir/constant.js';
import { InvariantError } from '../../../src/ir/diagnostic.js';
import type { Model, Node, OutputSlot, Value } from '../../../src/ir/graph.js';
import type { HalfType } from '../../../src/ir/half_float.js';
import { halfTensor } from '../../../src/ir/half_tensor.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { nestedGraphs } from '../../../src/ir/topological_order.js';
import { type HalfSlots, halfSlots } from '../../../src/passes/precision/half_slots.js';
import type { NodePrecision, PrecisionPlan } from '../../../src/passes/precision/precision_plan.js';
import { Random } from '../random_graph/scope.js';

/** A plan that knows no reason: any node that has a half form may get it. The same one for the same model and seed. */
export function randomPlan(model: Model, half: HalfType, seed: number): PrecisionPlan {
  const random = new Random(seed);
  const inference = new Inference(model);
  const share = random.from([0.2, 0.5, 0.8, 1]);
  const nodes = new Map<Node, NodePrecision>();
  for (const graph of nestedGraphs(model.graph)) {
    for (const node of graph.nodes) {
      const slots = halfSlots(node, half, inference);
      const isDrawn = random.chance(share);
      const isHalf = isDrawn && slots !== undefined && holdsConstants(node, slots, half);
      nodes.set(node, { type: isHalf ? 'half' : 'float', reason: 'drawn' });
    }
  }
  const keepsIo = random.chance(0.5);
  const inputs = model.graph.inputs.filter(
    (input) => inference.dtypeOf(input) === 'float' && input.initializer === null,
  );
  const outputs = model.graph.outputs.filter(({ value }) => inference.dtypeOf(value) === 'float');
  const drawn = <T extends Value | OutputSlot>(list: readonly T[]) =>
    new Set(keepsIo ? [] : list.filter(() => random.chance(0.5)));
  return { half, nodes, inputs: drawn(inputs), outputs: drawn(outputs) };
}

/** Whether no constant that the node would read in the half type holds a number past its range. */
function holdsConstants(node: Node, slots: HalfSlots, half: HalfType): boolean {
  const read = node.inputs.flatMap((input, index) => (slots.inputs[index] ? [constantTensor(input)] : []));
  const filled = node.opType === 'ConstantOfShape' ? getTensor(node, 'value') : undefined;
  for (const tensor of [...read, filled]) {
    if (tensor === undefined) continue;
    try {
      halfTensor(tensor, half, 'constant').storage.bytes();
    } catch (error) {
      if (error instanceof InvariantError) return false;
      throw error;
    }
  }
  return true;
}
