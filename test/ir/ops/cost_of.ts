import type { Attribute } from '../../../src/ir/attribute.js';
import { formatDim } from '../../../src/ir/dim.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Node } from '../../../src/ir/graph.js';
import type { NodeCost } from '../../../src/ir/ops/cost/cost.js';
import { nodeCost } from '../../../src/ir/ops/cost/node_cost.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import type { Given } from './inference/infer_one.js';

type Options = {
  readonly domain?: string;
  readonly opset?: number;
  readonly outputs?: number;
  readonly attributes?: readonly Attribute[];
};

/** A node of one operator in a model of its own. */
export function oneNode(opType: string, given: readonly Given[], options: Options = {}): Node {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport('', options.opset ?? 25);
  if (options.domain !== undefined) editor.setOpsetImport(options.domain, 1);
  const inputs = given.map((each, index) => {
    if (each === null) return null;
    if (each === 'untyped') return editor.addInput(graph, `x${index}`, undefined);
    return each.kind === 'dense'
      ? editor.addInitializer(graph, each, `x${index}`)
      : editor.addInput(graph, `x${index}`, each);
  });
  const { domain = '', outputs = 1, attributes = [] } = options;
  return editor.insertNode({ graph, opType, inputs, outputs, domain, attributes });
}

/** Counts as text, '?' where unknown: MACs, element operations, bytes read, bytes written. */
export const costText = ({ macs, elementOps, bytesRead, bytesWritten }: NodeCost): string[] =>
  [macs, elementOps, bytesRead, bytesWritten].map((count) => (count === undefined ? '?' : formatDim(count)));

/** The cost of one operator in a model of its own. */
export function costOf(opType: string, given: readonly Given[], options: Options = {}): string[] {
  const node = oneNode(opType, given, options);
  return costText(nodeCost(node, new Inference(node.graph.model)));
}
