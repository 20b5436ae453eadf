// MatMul(x, W), Gemm(x, W, c) => com.microsoft.MatMulBnb4(x, codes, largest) + c
// Needs: a constant float32 matrix that nobody reads in float.
import { intAttribute } from '../../ir/attribute.js';
import type { Value } from '../../ir/graph.js';
import { floatTensor, tensorFromBytes } from '../../ir/tensor.js';
import { definePass, type Pass } from '../pass.js';
import { LayerWriter } from './layer_writer.js';
import { requireLayers } from './quantize_weights.js';
import {
  finiteWeights,
  type MatrixLayer,
  matrixLayer,
  operandsOf,
  selectWeightLayers,
  type WeightSelectionOptions,
  weightRows,
} from './weight_layer.js';

export type Bnb4Options = WeightSelectionOptions & {
  /** `nf4`: quantiles of a normal distribution; `fp4`: sign, two bits of exponent, one of mantissa. */
  readonly type: 'nf4' | 'fp4';
  /** Weights that share a largest magnitude: a power of two, 16 to 256. */
  readonly blockSize: number;
};

const name = 'quantize-bnb4';

/** The numbers that 4 bits stand for, in shares of the block's largest magnitude (Dettmers and others, 2023). */
const values = {
  fp4: [
    0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25, -0, -0.005208333333, -0.66666667, -1,
    -0.33333333, -0.5, -0.16666667, -0.25,
  ],
  nf4: [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
} as const;

/** The operator's number for each. */
const quantTypes = { fp4: 0, nf4: 1 } as const;

/**
 * Stores matrices in 4 bits that stand for sixteen fixed numbers, as bitsandbytes does.
 * @throws DiagnosticError `quantize/weights-not-finite`, `quantize/nothing-to-quantize`; before anything has changed.
 */
export const quantizeBnb4 = (options: Bnb4Options): Pass =>
  definePass({
    name,
    summary: 'matrix products with constant float weights => weights of 4 bits that stand for fixed numbers',
    scope: 'model',
    run(_graph, { model, editor, inference, decline, fired }) {
      const { layers, floats } = selectWeightLayers(model, (node) => matrixLayer(node, inference), options);
      for (const float of floats) decline({ rule: name, ...float });
      requireLayers(layers.length, floats);
      for (const { node, weight } of layers) finiteWeights(node, weight);
      const written = new Map<Value, Map<boolean, readonly Value[]>>();
      for (const layer of layers) {
        const { node, weight, products, outputs, transposed } = layer;
        const { input, bias } = operandsOf(layer);
        fired(name, node);
        const forms = written.get(weight) ?? new Map<boolean, readonly Value[]>();
        written.set(weight, forms);
        const beside = new LayerWriter(editor, name, weight.graph, null, weight.name);
        const constants = forms.get(transposed) ?? writeCodes(beside, layer, options);
        forms.set(transposed, constants);
        const writer = LayerWriter.at(editor, name, node);
        const attributes = [
          intAttribute('K', products),
          intAttribute('N', outputs),
          intAttribute('block_size', options.blockSize),
          intAttribute('quant_type', quantTypes[options.type]),
        ];
        const result = writer.op('MatMulBnb4', [input, ...constants], { domain: 'com.microsoft', attributes });
        writer.replace(node, bias === null ? result : writer.op('Add', [result, bias]));
      }
    },
  });

function writeCodes(writer: LayerWriter, layer: MatrixLayer, { type, blockSize }: Bnb4Options): readonly Value[] {
  const { packed, largest } = bnb4Codes(weightRows(layer), type, blockSize);
  return [
    writer.constant(`${layer.weight.name}_codes`, tensorFromBytes('uint8', [packed.length], packed)),
    writer.constant(`${layer.weight.name}_largest`, floatTensor(largest)),
  ];
}

/**
 * Blocks run on over the ends of rows. The first code of a byte stands in its high bits. A block of zeros has largest
 * magnitude 0, which gives zeros back.
 */
export function bnb4Codes(weights: Float32Array, type: Bnb4Options['type'], blockSize: number) {
  const largest = new Float32Array(Math.ceil(weights.length / blockSize));
  for (const [index, weight] of weights.entries()) {
    const block = Math.floor(index / blockSize);
    largest[block] = Math.max(largest[block]!, Math.abs(weight));
  }
  const nearest = nearestCode(values[type]);
  const packed = new Uint8Array(Math.ceil(weights.length / 2));
  for (const [index, weight] of weights.entries()) {
    const unit = largest[Math.floor(index / blockSize)]!;
    const code = nearest(unit === 0 ? 0 : weight / unit);
    packed[index >> 1] = packed[index >> 1]! | (code << (index % 2 === 0 ? 4 : 0));
  }
  return { packed, largest };
}

/** By halving: sorted values and the middles between them. */
function nearestCode(table: readonly number[]): (share: number) => number {
  const sorted = [...table.keys()].filter((code) => !Object.is(table[code], -0)).sort((a, b) => table[a]! - table[b]!);
  const middles = sorted.slice(1).map((code, index) => (table[code]! + table[sorted[index]!]!) / 2);
  return (share) => {
    let low = 0;
    let high = middles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (share > middles[middle]!) low = middle + 1;
      else high = middle;
    }
    return sorted[low]!;
  };
}
