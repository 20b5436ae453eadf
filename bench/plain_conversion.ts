import { constantTensor } from '../src/ir/constant.js';
import { Editor } from '../src/ir/editor.js';
import type { Model, Node } from '../src/ir/graph.js';
import type { HalfType } from '../src/ir/half_float.js';
import type { Inference } from '../src/ir/ops/inference/inference.js';
import { floatTensor, tensorData } from '../src/ir/tensor.js';
import { modelGraphs } from '../src/ir/traversal.js';
import type { DecidedPlan } from '../src/passes/precision/build_precision_plan.js';
import { constantFits } from '../src/passes/precision/constant_fit.js';
import { halfLimits } from '../src/passes/precision/half_limits.js';
import { halfSlots } from '../src/passes/precision/half_slots.js';
import type { NodePrecision } from '../src/passes/precision/precision_plan.js';

/**
 * What converters do that know no ranges: every node that has a half form computes in half, and constants beyond its
 * range become the largest finite number. Changes those constants.
 */
export function planEverything(model: Model, inference: Inference, half: HalfType): DecidedPlan {
  const { largest } = halfLimits[half];
  const editor = new Editor(model);
  const fitOf = constantFits(half);
  const nodes = new Map<Node, NodePrecision>();
  for (const graph of modelGraphs(model)) {
    for (const value of graph.values.values()) {
      const tensor = value.initializer === null ? undefined : constantTensor(value);
      if (tensor?.dtype !== 'float' || fitOf(tensor).largest <= largest) continue;
      const clamped = (tensorData(tensor) as Float32Array).map((each) =>
        Number.isFinite(each) ? Math.max(-largest, Math.min(largest, each)) : each,
      );
      editor.setInitializer(value, floatTensor(clamped, tensor.dims));
    }
    for (const node of graph.nodes) {
      const type = halfSlots(node, half, inference) === undefined ? 'float' : 'half';
      nodes.set(node, { type, reason: 'everything is' });
    }
  }
  return { half, nodes, inputs: new Set(), outputs: new Set(), kept: new Set(), diagnostics: [] };
}
