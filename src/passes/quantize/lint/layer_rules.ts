import { getInt } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { Editor } from '../../../ir/editor.js';
import type { Node } from '../../../ir/graph.js';
import { leadOf, productObstacle, tooSmall, weightAxis } from '../compute_node.js';
import { isDequantize, isQuantize, pairOf, quantizedConstant, scalesOf } from '../existing_pairs.js';
import { defineLintRule, type Fix, isLayer, isStandard } from './lint_rule.js';
import { dequantizedTensor, quantizedTensor, readingFloat, storeFloat } from './mends.js';

const readsPair = (node: Node, index: number): boolean => {
  const producer = node.inputs[index]?.producer;
  return producer != null && pairOf(producer) !== undefined;
};

export const quantizedBias = defineLintRule({
  code: 'lint/quantized-bias',
  summary: 'a bias behind DequantizeLinear for a target that takes it in float',
  *find(graph, { scheme }) {
    if (scheme.bias !== 'float') return;
    for (const node of graph.nodes) {
      const dequantize = node.inputs[2]?.producer;
      if (!isLayer(node, scheme) || !isDequantize(dequantize)) continue;
      if (quantizedConstant(node.inputs[2]) === undefined) continue;
      const canMend = dequantizedTensor(dequantize) !== undefined;
      // Behind a QuantizeLinear the float bias is still there, and is what the layer meant.
      const kind = isQuantize(dequantize.inputs[0]?.producer) ? 'harmless' : 'exact';
      yield {
        node,
        why: 'its bias is quantized: the target adds biases in float',
        mend: 'store the bias as floats',
        ...(canMend && { fix: { kind, apply: (editor: Editor) => storeFloat(node, 2, editor) } as const }),
      };
    }
  },
});

export const wrongAxis = defineLintRule({
  code: 'lint/weight-axis',
  summary: 'weights whose scales are not those of the output channels',
  *find(graph, { scheme }) {
    for (const node of graph.nodes) {
      const dequantize = node.inputs[1]?.producer;
      const dims = quantizedConstant(node.inputs[1])?.dims;
      if (!isLayer(node, scheme) || !isDequantize(dequantize) || dims === undefined) continue;
      const count = scalesOf(dequantize)?.length ?? 1;
      if (count === 1 || dequantize.attributes.has('block_size')) continue;
      const given = getInt(dequantize, 'axis', 1);
      const axis = given < 0 ? given + dims.length : given;
      const right = weightAxis(node, dims);
      if (axis === right && dims[axis] === count) continue;
      yield {
        node,
        why: `its weights have ${count} scales along axis ${axis}; ${typeof right === 'string' ? right : `its outputs are axis ${right}`}`,
        mend: typeof right === 'string' ? 'one scale for all weights' : `quantize the weights along axis ${right}`,
      };
    }
  },
});

export const unfoldedWeight = defineLintRule({
  code: 'lint/unfolded-weight',
  summary: 'constants in float behind a QuantizeLinear that could be stored as integers',
  *find(graph) {
    for (const node of graph.nodes) {
      if (!isQuantize(node) || constantTensor(node.inputs[0]) === undefined) continue;
      const canMend = quantizedTensor(node) !== undefined && !node.outputs[0]!.pinned;
      yield {
        node,
        why: 'it quantizes a constant anew in every run, and the file holds four bytes an element',
        mend: 'store the integers',
        ...(canMend && { fix: { kind: 'exact', apply: (editor: Editor) => storeIntegers(node, editor) } as const }),
      };
    }
  },
});

function storeIntegers(quantize: Node, editor: Editor): void {
  const output = quantize.outputs[0]!;
  const value = editor.addInitializer(quantize.graph, quantizedTensor(quantize)!, output.name);
  editor.replaceAllUses(output, value);
  editor.eraseNode(quantize);
}

export const keptFloat = defineLintRule({
  code: 'lint/sensitive-operator',
  summary: 'operators that lose from 8 bits and read them',
  *find(graph, { scheme }) {
    for (const node of graph.nodes) {
      const reason = isStandard(node) ? scheme.keepsFloat?.[node.opType] : undefined;
      if (reason === undefined || !readsPair(node, 0)) continue;
      yield {
        node,
        why: `${node.opType} reads 8 bits: ${reason}`,
        mend: 'let it read the float value',
        ...readingFloat(node, 0),
      };
    }
  },
});

export const smallLayer = defineLintRule({
  code: 'lint/small-layer',
  summary: 'layers in 8 bits that are too small to win from it',
  *find(graph, { scheme, inference }) {
    for (const node of graph.nodes) {
      if (!isLayer(node, scheme)) continue;
      const dims = quantizedConstant(node.inputs[1])?.dims;
      const isProduct = dims === undefined && readsPair(node, 0) && readsPair(node, 1);
      const reason = isProduct
        ? productObstacle(node, inference, scheme)
        : dims === undefined || typeof weightAxis(node, dims) === 'string'
          ? undefined
          : tooSmall(node, dims, inference, scheme);
      if (reason === undefined) continue;
      yield {
        node,
        why: `${reason}: it is slower in 8 bits than in float`,
        mend: 'leave it in float',
        ...leavingFloat(node, isProduct),
      };
    }
  },
});

/** Its weights are stored as floats again. */
function leavingFloat(node: Node, isProduct: boolean): { readonly fix?: Fix } {
  if (isProduct) return readingFloat(node, 0, 1);
  const input = readsPair(node, 0) ? readingFloat(node, 0).fix : nothing;
  if (input === undefined) return {};
  const apply = (editor: Editor) => {
    input.apply(editor);
    storeFloat(node, 1, editor);
  };
  return { fix: { kind: 'harmless', apply } };
}

const nothing: Fix = { kind: 'exact', apply: () => undefined };

export const halfQuantized = defineLintRule({
  code: 'lint/half-quantized',
  summary: 'layers with 8-bit weights whose input is float',
  *find(graph, { scheme }) {
    for (const node of graph.nodes) {
      const weight = quantizedConstant(node.inputs[1]);
      if (!isLayer(node, scheme) || weight === undefined || (weight.dtype !== 'int8' && weight.dtype !== 'uint8'))
        continue;
      const input = node.inputs[0];
      const source = input == null ? undefined : (leadOf(input, scheme)?.inputs[0] ?? input);
      if (source?.producer == null ? source === undefined : isDequantize(source.producer)) continue;
      yield {
        node,
        why: 'its weights are stored in 8 bits and its input is float: it runs in float, and converts its weights each time',
        mend: 'quantize its input as well (optimize --precision int8 completes the model), or store the weights as floats',
      };
    }
  },
});
