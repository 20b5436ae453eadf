// Q/DQ pairs that a model brought along => the same range in the form that the target takes
// Needs: one scale and zero point a tensor. A range around 0 that is not symmetric gets coarser steps.
import { constantTensor } from '../../ir/constant.js';
import type { Editor } from '../../ir/editor.js';
import type { Node } from '../../ir/graph.js';
import { floatTensor, tensorFromData } from '../../ir/tensor.js';
import { tensorType } from '../../ir/value_type.js';
import { definePass, type Pass } from '../pass.js';
import type { QuantizationScheme } from '../target_profile.js';
import { isDequantize, isPositive, isQuantize, sameParameters, scalarParameters } from './existing_pairs.js';
import { applyMends } from './lint/apply_mends.js';
import type { ActivationParameters } from './ranges.js';

const name = 'adapt-pairs';

export const adaptPairs = (scheme: QuantizationScheme): Pass =>
  definePass({
    name,
    summary: 'Q/DQ pairs of the model => the same range in the form that the target takes',
    scope: 'model',
    run(graph, { editor, target, report }) {
      if (![...graph.nodes].some(isQuantize)) return;
      applyMends(editor, target, scheme, ['exact']);
      if (!scheme.activation.symmetric || scheme.activation.dtype !== 'int8') return;
      let count = 0;
      for (const node of graph.nodes) {
        if (!isQuantize(node) || constantTensor(node.inputs[0]) !== undefined) continue;
        if (makeSymmetric(node, editor)) count += 1;
      }
      if (count === 0) return;
      report({
        code: 'quantize/pairs-made-symmetric',
        severity: 'info',
        message: `${count} pairs of the model had a zero point, which ${target.name} does not take: their ranges are kept, with coarser steps`,
      });
    },
  });

/** scale = max(|low|, |high|) / 127 of the range that the pair had. */
function makeSymmetric(quantize: Node, editor: Editor): boolean {
  const parameters = scalarParameters(quantize);
  const integers = quantize.outputs[0];
  if (parameters === undefined || integers == null || integers.pinned) return false;
  if (parameters.dtype === 'int8' && parameters.zeroPoint === 0) return false;
  const readers = Array.from(integers.uses, (use) => (use.kind === 'node' && use.index === 0 ? use.user : undefined));
  const dequantizers = readers.filter(isDequantize);
  if (dequantizers.length !== readers.length || !dequantizers.every((each) => sameParameters(quantize, each))) {
    return false;
  }
  // Saturation at 0 may be all that is left of an activation.
  if (parameters.zeroPoint === parameters.high) return false;
  if (parameters.zeroPoint === parameters.low) cutOffAtZero(quantize, editor);
  const base = quantize.inputs[0]!.name;
  const scale = editor.addInitializer(quantize.graph, floatTensor([symmetricScale(parameters)], []), `${base}_scale`);
  const zero = editor.addInitializer(
    quantize.graph,
    tensorFromData('int8', [], new Int8Array(1)),
    `${base}_zero_point`,
  );
  for (const node of [quantize, ...dequantizers]) {
    editor.setInput(node, 1, scale);
    editor.setInput(node, 2, zero);
  }
  editor.setType(integers, tensorType('int8', integers.type?.kind === 'tensor' ? integers.type.shape : undefined));
  return true;
}

function cutOffAtZero(quantize: Node, editor: Editor): void {
  const value = quantize.inputs[0]!;
  if (isPositive(value)) return;
  const relu = editor.insertNode(
    {
      graph: quantize.graph,
      opType: 'Relu',
      inputs: [value],
      outputs: [{ name: `${value.name}_positive`, type: value.type }],
      provenance: [name],
    },
    quantize,
  );
  editor.setNodeName(relu, `${relu.outputs[0]!.name}/Relu`);
  editor.setInput(quantize, 0, relu.outputs[0]!);
}

const symmetricScale = ({ scale, zeroPoint, low, high }: ActivationParameters): number =>
  (Math.max(Math.abs(low - zeroPoint), Math.abs(high - zeroPoint)) * scale) / 127;
