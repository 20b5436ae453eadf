import { constantTensor } from '../ir/constant.js';
import type { Model, Node, Value } from '../ir/graph.js';
import type { HalfType } from '../ir/half_float.js';
import type { Inference } from '../ir/ops/inference/inference.js';
import { nestedGraphs } from '../ir/topological_order.js';
import { constantFits } from '../passes/precision/constant_fit.js';
import { halfSlots } from '../passes/precision/half_slots.js';
import { constantObstacle } from '../passes/precision/node_wishes.js';
import { isDequantize, isQuantize } from '../passes/quantize/existing_pairs.js';

export type PairPrecision = { readonly half: ReadonlySet<Node>; readonly float: ReadonlySet<Node> };

/**
 * What nodes around Q/DQ pairs of activations compute in, so that no cast comes between a pair and its layer, which
 * would keep a target from running the layer on 8 bits. With `takesHalf` pairs are of the 16-bit type, scales included,
 * where the operator's schema has that and the scales lose nothing but their last digits; else they and the layers
 * between them stay in float32.
 */
export function pairPrecision(model: Model, inference: Inference, half: HalfType, takesHalf: boolean): PairPrecision {
  const fitOf = constantFits(half);
  const inHalf = new Set<Node>();
  const inFloat = new Set<Node>();
  const canBeHalf = (pair: Node): boolean => {
    const slots = takesHalf ? halfSlots(pair, half, inference) : undefined;
    return slots !== undefined && constantObstacle(pair, slots, { half, fitOf }) === undefined;
  };
  for (const graph of nestedGraphs(model.graph)) {
    for (const node of graph.nodes) {
      if (isDequantize(node)) {
        // Weights alone come back in whatever type their reader has.
        if (constantTensor(node.inputs[0]) === undefined) (canBeHalf(node) ? inHalf : inFloat).add(node);
      } else if (isQuantize(node)) (canBeHalf(node) ? inHalf : inFloat).add(node);
    }
  }
  for (const pair of [...inFloat]) {
    const layers = isDequantize(pair) ? readersOf(pair.outputs[0]) : [pair.inputs[0]?.producer ?? null];
    for (const layer of layers) {
      if (layer === null || isDequantize(layer) || isQuantize(layer)) continue;
      inFloat.add(layer);
    }
  }
  return { half: inHalf, float: inFloat };
}

const readersOf = (value: Value | null | undefined): Node[] =>
  Array.from(value?.uses ?? []).flatMap((use) => (use.kind === 'node' ? [use.user] : []));
