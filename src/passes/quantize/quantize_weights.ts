// MatMul(x, W), Gemm(x, W, c) => com.microsoft.MatMulNBits(x, codes, scales), or MatMul(x, DequantizeLinear(codes, scales))
// Needs: a constant float32 matrix that nobody reads in float; opset 21 for DequantizeLinear.
import { intAttribute } from '../../ir/attribute.js';
import { type Diagnostic, DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import type { Editor } from '../../ir/editor.js';
import { describeNode, type Graph, type Model, opsetVersion, type Value } from '../../ir/graph.js';
import { floatTensor, tensorFromBytes, tensorFromData } from '../../ir/tensor.js';
import { definePass, type Pass } from '../pass.js';
import type { WeightOnlyScheme } from '../target_profile.js';
import { type BlockCodes, type BlockOptions, blockCodes, packRows } from './block_codes.js';
import { gptqCodes } from './gptq.js';
import { LayerWriter } from './layer_writer.js';
import { gatherFromRows, writeTable } from './quantize_table.js';
import {
  finiteWeights,
  type MatrixLayer,
  matrixLayer,
  operandsOf,
  selectWeightLayers,
  type TableLayer,
  tableLayer,
  type WeightSelectionOptions,
  weightRows,
} from './weight_layer.js';

export type QuantizeWeightsOptions = Omit<BlockOptions, 'negativeScales'> &
  WeightSelectionOptions & {
    /** How exactly MatMulNBits computes: 0 as it comes, 1 float32, 4 int8 activations, which is faster. */
    readonly accuracyLevel: 0 | 1 | 4;
    /** Tables that Gather picks rows from as well. */
    readonly embeddings: boolean;
    /** Σ x·xᵀ of activations of the main graph, for `gptq`; layers without are rounded. */
    readonly moments?: MomentsObserver;
  };

/** Observes activations whose last axis has the given size, on samples that its maker has. */
export type MomentsObserver = (
  model: Model,
  requests: readonly { readonly value: Value; readonly size: number }[],
) => Promise<ReadonlyMap<Value, Float64Array>>;

const name = 'quantize-weights';

/** The opset in which DequantizeLinear got blocks. */
export const blockedOpset = 21;

/**
 * Stores the matrices of a model in blocks of 4 or 8 bits, which are brought back to float as they are used.
 * @throws DiagnosticError `quantize/weights-not-finite`, `quantize/opset-too-old`, `quantize/nothing-to-quantize`; before
 * anything has changed.
 */
export const quantizeWeights = (options: QuantizeWeightsOptions, scheme: WeightOnlyScheme): Pass =>
  definePass({
    name,
    summary: `matrix products with constant float weights => weights in blocks of ${options.bits} bits`,
    scope: 'model',
    async run(graph, { model, editor, inference, decline, fired, report }) {
      const { layers, floats } = selectWeightLayers<MatrixLayer | TableLayer>(
        model,
        (node) => matrixLayer(node, inference) ?? (options.embeddings ? tableLayer(node) : undefined),
        options,
      );
      for (const float of floats) decline({ rule: name, ...float });
      requireLayers(layers.length, floats);
      if (scheme.form === 'DequantizeLinear') requireBlockedOpset(graph);
      for (const { node, weight } of layers) finiteWeights(node, weight);
      const matrices = layers.filter((layer) => layer.kind === 'matrix');
      const observable = matrices.filter(({ node }) => node.graph === graph);
      const moments = options.method === 'gptq' ? await momentsOf(model, observable, options.moments) : new Map();
      const unobserved = matrices.find(({ weight }) => !moments.has(weight));
      if (options.method === 'gptq' && unobserved !== undefined) report(roundedInstead(unobserved));
      const writing = new Writing(editor, options, scheme, moments);
      for (const layer of layers) {
        fired(name, layer.node);
        writing.layer(layer);
      }
    },
  });

const roundedInstead = ({ node }: MatrixLayer): Diagnostic => ({
  code: 'quantize/rounded-instead',
  severity: 'warning',
  message: 'layers in subgraphs are rounded, since gptq observes the main graph alone',
  where: describeNode(node),
});

/** By weight: the layers that share one share its codes, which have to suit the inputs of all. */
async function momentsOf(
  model: Model,
  layers: readonly MatrixLayer[],
  observe: MomentsObserver | undefined,
): Promise<ReadonlyMap<Value, Float64Array>> {
  if (observe === undefined) throw new InvariantError('gptq needs moments');
  const sizes = new Map(layers.map((layer) => [operandsOf(layer).input, layer.products]));
  const observed = await observe(
    model,
    Array.from(sizes, ([value, size]) => ({ value, size })),
  );
  const moments = new Map<Value, Float64Array>();
  for (const layer of layers) {
    const own = observed.get(operandsOf(layer).input);
    const known = moments.get(layer.weight);
    if (own === undefined) continue;
    moments.set(layer.weight, known?.length === own.length ? own.map((moment, index) => moment + known[index]!) : own);
  }
  return moments;
}

/** @throws DiagnosticError `quantize/nothing-to-quantize` with the first reason. */
export function requireLayers(count: number, floats: readonly { readonly reason: string }[]): void {
  if (count > 0) return;
  const [first] = floats;
  throw new DiagnosticError({
    code: 'quantize/nothing-to-quantize',
    message:
      first === undefined ? 'the model has no layer of constant weights to quantize' : 'no layer can be quantized',
    ...(first && { help: `Of ${floats.length} layers, the first stays in float since ${first.reason}` }),
  });
}

function requireBlockedOpset(graph: Graph): void {
  const opset = opsetVersion(graph, '') ?? 1;
  if (opset >= blockedOpset) return;
  throw new DiagnosticError({
    code: 'quantize/opset-too-old',
    message: `opset ${opset} has no DequantizeLinear with a scale a block`,
    help: `Convert the model to opset ${blockedOpset} first`,
  });
}

class Writing {
  private readonly editor: Editor;
  private readonly options: QuantizeWeightsOptions;
  private readonly scheme: WeightOnlyScheme;
  /** What a weight has become, by its layout; several layers may share it. */
  private readonly written = new Map<Value, Map<string, readonly Value[]>>();

  private readonly moments: ReadonlyMap<Value, Float64Array>;

  constructor(
    editor: Editor,
    options: QuantizeWeightsOptions,
    scheme: WeightOnlyScheme,
    moments: ReadonlyMap<Value, Float64Array>,
  ) {
    this.editor = editor;
    this.options = options;
    this.scheme = scheme;
    this.moments = moments;
  }

  layer(layer: MatrixLayer | TableLayer): void {
    if (layer.kind === 'table') this.table(layer);
    else if (this.scheme.form === 'MatMulNBits') this.product(layer);
    else this.dequantized(layer);
  }

  private product(layer: MatrixLayer): void {
    const { input, bias } = operandsOf(layer);
    const { bits, blockSize, accuracyLevel } = this.options;
    const [codes, ...parameters] = this.once(layer.weight, `${layer.transposed} packed`, () =>
      this.packed(layer.weight, this.codes(layer)),
    );
    const writer = LayerWriter.at(this.editor, name, layer.node);
    const attributes = [
      intAttribute('K', layer.products),
      intAttribute('N', layer.outputs),
      intAttribute('bits', bits),
      intAttribute('block_size', blockSize),
      ...(accuracyLevel === 0 ? [] : [intAttribute('accuracy_level', accuracyLevel)]),
    ];
    const result = writer.op('MatMulNBits', [input, codes!, ...parameters], { domain: 'com.microsoft', attributes });
    // An Add: not every runtime of this operator takes a bias.
    writer.replace(layer.node, bias === null ? result : writer.op('Add', [result, bias]));
  }

  /** Codes [outputs, blocks, bytes], scales [outputs, blocks] and, unless all are in the middle, zero points. */
  private packed(weight: Value, codes: BlockCodes): readonly Value[] {
    const { rows, blocks, bits, blockSize } = codes;
    const { symmetric, method } = this.options;
    const writer = this.besideWeight(weight);
    const bytes = packRows(codes.codes, rows, bits);
    const packed = tensorFromBytes('uint8', [rows, blocks, (blockSize * bits) / 8], bytes);
    const made = [
      writer.constant(`${weight.name}_codes`, packed),
      writer.constant(`${weight.name}_scales`, floatTensor(codes.scales, [rows, blocks])),
    ];
    if (symmetric) return made;
    const points =
      method === 'hqq'
        ? floatTensor(codes.zeroPoints, [rows, blocks])
        : tensorFromBytes('uint8', [rows, Math.ceil((blocks * bits) / 8)], packRows(codes.zeroPoints, rows, bits));
    return [...made, writer.constant(`${weight.name}_zero_points`, points)];
  }

  private dequantized(layer: MatrixLayer): void {
    const { node, weight, transposed } = layer;
    const constants = this.once(weight, `${transposed} blocked`, () => this.blocked(layer, this.codes(layer)));
    const writer = LayerWriter.at(this.editor, name, node);
    const attributes = [intAttribute('axis', transposed ? 1 : 0), intAttribute('block_size', this.options.blockSize)];
    this.editor.setInput(node, 1, writer.op('DequantizeLinear', constants, { attributes }));
  }

  /** Codes in the layout of the weight, with scales and zero points along its axis of sums. */
  private blocked({ weight, transposed, products, outputs }: MatrixLayer, codes: BlockCodes): readonly Value[] {
    const { bits, symmetric: centred } = this.options;
    const { blocks, blockSize } = codes;
    const shift = centred ? 2 ** (bits - 1) : 0;
    const dtype = bits === 4 ? (centred ? 'int4' : 'uint4') : centred ? 'int8' : 'uint8';
    const mask = 2 ** bits - 1;
    const lay = <T extends Uint8Array | Float32Array>(
      to: T,
      width: number,
      stride: number,
      from: ArrayLike<number>,
    ): T => {
      for (let row = 0; row < outputs; row += 1) {
        for (let column = 0; column < width; column += 1) {
          to[transposed ? row * width + column : column * outputs + row] = from[row * stride + column]!;
        }
      }
      return to;
    };
    const dims = (width: number) => (transposed ? [outputs, width] : [width, outputs]);
    const integers = (width: number, stride: number, from: ArrayLike<number>) => {
      const laid = lay(new Uint8Array(outputs * width), width, stride, from).map((code) => (code - shift) & mask);
      return tensorFromBytes(dtype, dims(width), packRows(laid, 1, bits));
    };
    const writer = this.besideWeight(weight);
    const scales = lay(new Float32Array(outputs * blocks), blocks, blocks, codes.scales);
    return [
      writer.constant(`${weight.name}_codes`, integers(products, blocks * blockSize, codes.codes)),
      writer.constant(`${weight.name}_scales`, tensorFromData('float', dims(blocks), scales)),
      ...(centred ? [] : [writer.constant(`${weight.name}_zero_points`, integers(blocks, blocks, codes.zeroPoints))]),
    ];
  }

  private table(layer: TableLayer): void {
    const { node, weight, rows, columns } = layer;
    if (this.scheme.form === 'DequantizeLinear') {
      const table = this.once(weight, 'rows', () => writeTable(this.besideWeight(weight), layer));
      gatherFromRows(LayerWriter.at(this.editor, name, node), layer, table);
      return;
    }
    const constants = this.once(weight, 'table', () => {
      // Its zero points are codes.
      const options = { ...this.options, method: 'round', negativeScales: false } as const;
      return this.tableBlocks(weight, blockCodes(finiteWeights(node, weight), rows, columns, options));
    });
    const [data, scales, zeroPoints = null] = constants;
    const writer = LayerWriter.at(this.editor, name, node);
    const attributes = [
      intAttribute('bits', this.options.bits),
      intAttribute('block_size', this.options.blockSize),
      intAttribute('gather_axis', 0),
      intAttribute('quantize_axis', 1),
    ];
    const inputs = [data!, node.inputs[1]!, scales!, ...(zeroPoints === null ? [] : [zeroPoints])];
    writer.replace(node, writer.op('GatherBlockQuantized', inputs, { domain: 'com.microsoft', attributes }));
  }

  /** The packed form without the padding of the last block. */
  private tableBlocks(weight: Value, codes: BlockCodes): readonly Value[] {
    const { rows, columns, blocks, blockSize, bits } = codes;
    const dense = new Uint8Array(rows * columns);
    for (let row = 0; row < rows; row += 1) {
      const from = row * blocks * blockSize;
      dense.set(codes.codes.subarray(from, from + columns), row * columns);
    }
    const writer = this.besideWeight(weight);
    const width = (count: number) => Math.ceil((count * bits) / 8);
    return [
      writer.constant(
        `${weight.name}_table`,
        tensorFromBytes('uint8', [rows, width(columns)], packRows(dense, rows, bits)),
      ),
      writer.constant(`${weight.name}_table_scales`, floatTensor(codes.scales, [rows, blocks])),
      writer.constant(
        `${weight.name}_table_zero_points`,
        tensorFromBytes('uint8', [rows, width(blocks)], packRows(codes.zeroPoints, rows, bits)),
      ),
    ];
  }

  private codes(layer: MatrixLayer): BlockCodes {
    const { negativeScales } = this.scheme;
    const options = { ...this.options, negativeScales };
    const { outputs, products } = layer;
    const moments = this.moments.get(layer.weight);
    return moments?.length === products ** 2
      ? gptqCodes(weightRows(layer), outputs, products, options, moments)
      : blockCodes(weightRows(layer), outputs, products, options);
  }

  private besideWeight(weight: Value): LayerWriter {
    return new LayerWriter(this.editor, name, weight.graph, null, weight.name);
  }

  private once(weight: Value, form: string, make: () => readonly Value[]): readonly Value[] {
    const forms = this.written.get(weight) ?? new Map<string, readonly Value[]>();
    this.written.set(weight, forms);
    const made = forms.get(form) ?? make();
    forms.set(form, made);
    return made;
  }
}
