import type { Graph, Node, Value } from '../../../src/ir/graph.js';
import { isDequantize, isQuantize, quantizedConstant } from '../../../src/passes/quantize/existing_pairs.js';

/**
 * A line a node, in order, pairs left out: `Add(conv2, 8 relu1 @relu1)` reads `relu1` through a Q/DQ pair with the scale
 * of that name, `8 w` a weight stored in 8 bits. Outputs of the graph come last.
 */
export function qdqText(graph: Graph): string[] {
  const shown = (value: Value | null): string => {
    if (value === null) return '_';
    if (quantizedConstant(value) !== undefined)
      return `8 ${value.producer!.inputs[0]!.name.replace(/_quantized$/, '')}`;
    const { producer } = value;
    if (!isDequantize(producer)) return value.name;
    const quantize = producer.inputs[0]?.producer;
    const scale = producer.inputs[1]!.name.replace(/_scale$/, '');
    return isQuantize(quantize)
      ? `8 ${shown(quantize.inputs[0]!)} @${scale}`
      : `8 ${producer.inputs[0]!.name} @${scale}`;
  };
  const line = (node: Node) => `${node.outputs[0]!.name} = ${node.opType}(${node.inputs.map(shown).join(', ')})`;
  const nodes = [...graph.nodes].filter((node) => !isQuantize(node) && !isDequantize(node));
  return [...nodes.map(line), ...graph.outputs.map(({ name, value }) => `return ${name} = ${shown(value)}`)];
}
