// MatMul(x, W), Gemm(x, W, c) => MatMulInteger(DynamicQuantizeLinear(x), codes) · scales + c, or DynamicQuantizeMatMul
// Needs: a constant float32 matrix that nobody reads in float; opset 11.
import { intAttribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { dataTypeCode } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Editor } from '../../ir/editor.js';
import { type Graph, type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { floatTensor, tensorFromData } from '../../ir/tensor.js';
import { definePass, type Pass } from '../pass.js';
import { type ConvolutionLayer, convolutionLayer, writeConvolution } from './dynamic_convolution.js';
import { type LstmLayer, lstmLayer, writeLstm } from './dynamic_lstm.js';
import { LayerWriter } from './layer_writer.js';
import { gatherFromRows, writeTable } from './quantize_table.js';
import { requireLayers } from './quantize_weights.js';
import { type RowOptions, rowCodes, turned } from './row_codes.js';
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

export type DynamicOptions = RowOptions &
  WeightSelectionOptions & {
    /** `DynamicQuantizeMatMul` and `DynamicQuantizeLSTM`, or operators of the standard alone, which leave LSTM in float. */
    readonly form: 'DynamicQuantizeMatMul' | 'MatMulInteger';
    /** Convolutions as well, with one scale and zero point for the input of each. */
    readonly convolutions: boolean;
    /** Tables that Gather picks rows from as well. */
    readonly embeddings: boolean;
  };

const name = 'quantize-dynamic';

/** The opset in which DynamicQuantizeLinear came. */
export const dynamicOpset = 11;

type Layer = MatrixLayer | TableLayer | ConvolutionLayer | LstmLayer;

/**
 * Products whose weights are stored in 8 bits and whose activations are brought to 8 bits as they come, by the range
 * they have then.
 * @throws DiagnosticError `quantize/weights-not-finite`, `quantize/opset-too-old`, `quantize/nothing-to-quantize`; before
 * anything has changed.
 */
export const quantizeDynamic = (options: DynamicOptions): Pass =>
  definePass({
    name,
    summary: 'products with constant float weights => 8-bit products with ranges found as they run',
    scope: 'model',
    run(graph, { model, editor, inference, decline, fired }) {
      const find = (node: Node): Layer | string | undefined =>
        matrixLayer(node, inference) ??
        lstmLayer(node, inference, options.form === 'DynamicQuantizeMatMul') ??
        (options.convolutions ? convolutionLayer(node, inference) : undefined) ??
        (options.embeddings ? tableLayer(node) : undefined);
      const { layers, floats } = selectWeightLayers(model, find, options);
      for (const float of floats) decline({ rule: name, ...float });
      requireLayers(layers.length, floats);
      requireOpset(graph);
      for (const layer of layers) {
        finiteWeights(layer.node, layer.weight);
        if (layer.kind === 'lstm') finiteWeights(layer.node, layer.recurrence);
      }
      const writing = new Writing(editor, options);
      for (const layer of layers) {
        fired(name, layer.node);
        writing.layer(layer);
      }
    },
  });

function requireOpset(graph: Graph): void {
  const opset = opsetVersion(graph, '') ?? 1;
  if (opset >= dynamicOpset) return;
  throw new DiagnosticError({
    code: 'quantize/opset-too-old',
    message: `opset ${opset} has no DynamicQuantizeLinear`,
    help: `Convert the model to opset ${dynamicOpset} first`,
  });
}

/** An activation in 8 bits, with the scale and zero point it was given. */
export type DynamicActivation = { readonly codes: Value; readonly scale: Value; readonly zeroPoint: Value };

class Writing {
  private readonly editor: Editor;
  private readonly options: DynamicOptions;
  private readonly written = new Map<Value, Map<string, readonly Value[]>>();
  private readonly activations = new Map<Graph, Map<Value, DynamicActivation>>();

  constructor(editor: Editor, options: DynamicOptions) {
    this.editor = editor;
    this.options = options;
  }

  layer(layer: Layer): void {
    const writer = LayerWriter.at(this.editor, name, layer.node);
    const beside = new LayerWriter(this.editor, name, layer.weight.graph, null, layer.weight.name);
    switch (layer.kind) {
      case 'matrix':
        if (this.options.form === 'MatMulInteger') this.integerProduct(layer, writer, beside);
        else this.ownProduct(layer, writer, beside);
        return;
      case 'table':
        gatherFromRows(
          writer,
          layer,
          this.once(layer.weight, 'rows', () => writeTable(beside, layer)),
        );
        return;
      case 'convolution': {
        const activation = this.activation(layer.node.graph, layer.node.inputs[0]!);
        writeConvolution(writer, beside, layer, activation, this.options.scales);
        return;
      }
      case 'lstm':
        writeLstm(writer, beside, layer, this.options);
        return;
      default:
        throw layer satisfies never;
    }
  }

  /** Codes [products, outputs], scales [outputs] and zero points [outputs]. */
  private matrix(layer: MatrixLayer, beside: LayerWriter): readonly Value[] {
    const { weight, products, outputs, transposed } = layer;
    const { dtype } = this.options;
    return this.once(weight, `${transposed} matrix`, () => {
      const { codes, scales, zeroPoints } = rowCodes(weightRows(layer), outputs, products, this.options);
      return [
        beside.constant(
          `${weight.name}_codes`,
          tensorFromData(dtype, [products, outputs], turned(codes, outputs, products)),
        ),
        beside.constant(`${weight.name}_scales`, floatTensor(scales, [outputs])),
        beside.constant(`${weight.name}_zero_points`, tensorFromData(dtype, [outputs], zeroPoints)),
      ];
    });
  }

  private integerProduct(layer: MatrixLayer, writer: LayerWriter, beside: LayerWriter): void {
    const { node } = layer;
    const { input, bias } = operandsOf(layer);
    const [codes, scales, zeroPoints] = this.matrix(layer, beside);
    const activation = this.activation(node.graph, input);
    const zero = this.options.dtype === 'int8' ? [] : [zeroPoints!];
    const sums = writer.op('MatMulInteger', [activation.codes, codes!, activation.zeroPoint, ...zero]);
    const attributes = [intAttribute('to', dataTypeCode('float'))];
    const scale = writer.op('Mul', [activation.scale, scales!]);
    const result = writer.op('Mul', [writer.op('Cast', [sums], { attributes }), scale]);
    writer.replace(node, bias === null ? result : writer.op('Add', [result, bias]));
  }

  private ownProduct(layer: MatrixLayer, writer: LayerWriter, beside: LayerWriter): void {
    const { node, outputs } = layer;
    const { input, bias } = operandsOf(layer);
    const dims = constantTensor(bias)?.dims;
    const fits = dims?.length === 1 && dims[0] === outputs;
    const inputs = [input, ...this.matrix(layer, beside), ...(fits ? [bias] : [])];
    const result = writer.op('DynamicQuantizeMatMul', inputs, { domain: 'com.microsoft' });
    writer.replace(node, bias === null || fits ? result : writer.op('Add', [result, bias]));
  }

  /** Once for all layers of a graph that read it. */
  private activation(graph: Graph, value: Value): DynamicActivation {
    const known = this.activations.get(graph) ?? new Map<Value, DynamicActivation>();
    this.activations.set(graph, known);
    const found = known.get(value);
    if (found !== undefined) return found;
    const isHere = value.producer !== null && value.producer.graph === graph;
    const before = isHere ? graph.nodes.after(value.producer) : graph.nodes.first;
    const writer = new LayerWriter(this.editor, name, graph, before, value.name);
    const [codes, scale, zeroPoint] = writer.ops('DynamicQuantizeLinear', [value], { outputs: 3 });
    const made = { codes: codes!, scale: scale!, zeroPoint: zeroPoint! };
    known.set(value, made);
    return made;
  }

  private once(weight: Value, form: string, make: () => readonly Value[]): readonly Value[] {
    const forms = this.written.get(weight) ?? new Map<string, readonly Value[]>();
    this.written.set(weight, forms);
    const made = forms.get(form) ?? make();
    forms.set(form, made);
    return made;
  }
}
