import { calledFunction, type Graph, type Node } from '../../graph.js';
import type { Inference } from '../inference/inference.js';
import { isOpaque } from '../traits.js';
import { attentionCosts } from './attention.js';
import { subgraphCosts, sumCosts } from './control_flow.js';
import { convolutionCosts } from './convolution.js';
import { type CostContext, type CostRule, type CostRules, type NodeCost, unknownCost } from './cost.js';
import { einsumCosts } from './einsum.js';
import { elementwiseCosts } from './elementwise.js';
import { readBytes, writtenBytes } from './extent.js';
import { matmulCosts } from './matmul.js';
import { movementCosts } from './movement.js';
import { poolingCosts } from './pooling.js';
import { recurrentCosts } from './recurrent.js';
import { reductionCosts } from './reduction.js';
import { samplingCosts } from './sampling.js';

/** One line a family of operators. */
const families: readonly CostRules[] = [
  attentionCosts,
  convolutionCosts,
  einsumCosts,
  elementwiseCosts,
  matmulCosts,
  movementCosts,
  poolingCosts,
  recurrentCosts,
  reductionCosts,
  samplingCosts,
];

const rules = new Map<string, CostRule>(families.flatMap((family) => Object.entries(family)));

const isDefault = (domain: string): boolean => domain === '' || domain === 'ai.onnx';

/** The rule of an operator that computes by itself; undefined where it has none, and its cost stays unknown. */
export const costRule = (domain: string, opType: string): CostRule | undefined =>
  rules.get(isDefault(domain) ? opType : `${domain}:${opType}`);

/**
 * What one run of a node takes, as expressions over the symbols of the model's inputs (units: see `NodeCost`). If costs
 * what its dearer branch does, metric by metric; Loop and Scan their body as often as it runs, a call of a function the
 * function's body. What is not certain is undefined: all of an operator that we do not know, and whatever depends on
 * data or on a size that nobody knows.
 */
export function nodeCost(node: Node, inference: Inference): NodeCost {
  if (calledFunction(node) !== undefined) {
    const body = inference.bodyOf(node);
    return body === undefined ? unknownCost : graphCost(calledFunction(node)!.graph, body);
  }
  const context: CostContext = {
    input: inference.contextOf(node),
    inference,
    output: (index) => {
      const value = node.outputs[index];
      return value == null ? undefined : inference.shapeOf(value);
    },
  };
  if (isDefault(node.domain) && Object.hasOwn(subgraphCosts, node.opType)) {
    return subgraphCosts[node.opType]!(context, graphCost);
  }
  const rule = costRule(node.domain, node.opType);
  if (rule === undefined || !isKnown(node)) return unknownCost;
  const { macs, elementOps, bytes } = rule(context);
  return {
    macs,
    elementOps,
    bytesRead: bytes === undefined ? readBytes(context) : bytes.read,
    bytesWritten: bytes === undefined ? writtenBytes(node, inference) : bytes.written,
  };
}

/** The nodes of a graph together. */
const graphCost = (graph: Graph, inference: Inference): NodeCost =>
  sumCosts([...graph.nodes].map((node) => nodeCost(node, inference)));

/** ONNX Runtime has SimplifiedLayerNormalization in the default domain, where the standard does not. */
const isKnown = (node: Node): boolean => node.opType === 'SimplifiedLayerNormalization' || !isOpaque(node);
