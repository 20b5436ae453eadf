// values that 8-bit nodes read or write => QuantizeLinear, DequantizeLinear; their weights and biases => integers
// Needs: a placement and a range for each value that has no known one.
import { intAttribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Editor } from '../../ir/editor.js';
import { type Graph, type Node, opsetVersion, type Use, type Value } from '../../ir/graph.js';
import { floatTensor, type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';
import { definePass, type Pass } from '../pass.js';
import type { QuantizationScheme } from '../target_profile.js';
import { parametersRead, sourceParameters } from './activation_ranges.js';
import type { ComputeNode } from './compute_node.js';
import type { ExistingPair } from './existing_pairs.js';
import { biasSum } from './layer_bias.js';
import { layerIntegers, type WeightCoding } from './layer_integers.js';
import { dataInputs, type Placement } from './placement.js';
import { qdqDomain, qdqOpset } from './qdq_opset.js';
import type { ActivationParameters, Ranges } from './ranges.js';
import { zeroPointTensor } from './zero_point.js';

const name = 'insert-qdq';

export const insertQdq = (
  placement: Placement,
  ranges: Ranges,
  scheme: QuantizationScheme,
  coding: WeightCoding = {},
): Pass =>
  definePass({
    name,
    summary: 'values that 8-bit nodes read or write => QuantizeLinear, DequantizeLinear',
    scope: 'model',
    run(graph, { editor, target }) {
      if (placement.values.size === 0 && placement.dropped.length === 0) return;
      const opset = opsetVersion(graph, '') ?? 1;
      const domain = qdqDomain(opset, qdqOpset(scheme, placement.types.values()), target.domains);
      if (domain !== '') editor.setOpsetImport(domain, 1);
      const { irVersion } = editor.model;
      if (scheme.weight.dtype.startsWith('float8') && irVersion < float8IrVersion) {
        editor.setModelProperties({ irVersion: float8IrVersion });
      }
      new Insertion(graph, editor, placement, ranges, scheme, coding, domain).run();
    },
  });

/** The IR version that has 8-bit floats. */
const float8IrVersion = 9;

class Insertion {
  private readonly graph: Graph;
  private readonly editor: Editor;
  private readonly placement: Placement;
  private readonly ranges: Ranges;
  private readonly scheme: QuantizationScheme;
  private readonly coding: WeightCoding;
  private readonly domain: string;
  /** Nodes that run on 8 bits. */
  private readonly nodes: ReadonlySet<Node>;
  private readonly parameters = new Map<Value, ActivationParameters>();
  private readonly scales = new Map<Value, { scale: Value; zeroPoint: Value }>();

  constructor(
    graph: Graph,
    editor: Editor,
    placement: Placement,
    ranges: Ranges,
    scheme: QuantizationScheme,
    coding: WeightCoding,
    domain: string,
  ) {
    this.graph = graph;
    this.editor = editor;
    this.placement = placement;
    this.ranges = ranges;
    this.scheme = scheme;
    this.coding = coding;
    this.domain = domain;
    this.nodes = new Set([...placement.computes.map(({ node }) => node), ...placement.carries]);
  }

  run(): void {
    for (const source of new Set(this.placement.values.values())) {
      this.parameters.set(source, sourceParameters(source, this.placement, this.ranges, this.scheme));
    }
    for (const { result, value } of this.placement.dropped) this.editor.replaceAllUses(result, value);
    // Weights first: a bias needs the scale of an input that its node still reads directly.
    for (const compute of this.placement.computes) this.weights(compute);
    for (const [value, source] of this.placement.values) this.pair(value, source);
  }

  /** The inputs that read the pair of a value. */
  private readersOf(value: Value): Use[] {
    const { nodes } = this;
    const { taps, fused, fromEightBits, existing } = this.placement;
    const comesInEightBits = fromEightBits.has(value) && !existing.has(value);
    return [...value.uses].filter((use) => {
      if (use.kind !== 'node') return comesInEightBits;
      if (taps.has(use)) return true;
      if (fused.has(use.user)) return false;
      return comesInEightBits || (nodes.has(use.user) && readsAsData(use.user, use.index));
    });
  }

  /** A Q/DQ pair behind `value`; 8-bit readers read the pair, and all do where 8 bits come in. */
  private pair(value: Value, source: Value): void {
    const { editor } = this;
    const existing = this.placement.existing.get(value);
    const readers = this.readersOf(value);
    if (existing !== undefined) {
      for (const use of readers) if (use.kind === 'node') editor.setInput(use.user, use.index, existing.result);
      if (this.placement.rescaled.has(value)) this.rescale(existing, source);
      return;
    }
    const parameters = this.parameters.get(source)!;
    const activation = this.placement.absorbed.get(value);
    const absorbs = activation !== undefined && this.isReplacedBySaturation(activation, parameters);
    const from = absorbs ? activation.inputs[0]! : value;
    const { scale, zeroPoint } = this.scaleOf(source, parameters);
    const before = value.producer === null ? this.graph.nodes.first : this.graph.nodes.after(value.producer);
    const quantize = this.node('QuantizeLinear', [from, scale, zeroPoint], `${value.name}_quantized`, before);
    const dequantize = this.node(
      'DequantizeLinear',
      [quantize.outputs[0]!, scale, zeroPoint],
      `${value.name}_dequantized`,
      before,
    );
    const result = dequantize.outputs[0]!;
    editor.setType(result, value.type);
    for (const use of readers) {
      if (use.kind === 'node') editor.setInput(use.user, use.index, result);
      else editor.setOutputValue(use.user, result);
    }
    if (absorbs && value.uses.size === 0 && !value.pinned) editor.eraseNode(activation);
  }

  /** Gives a pair that the model brought along the scale that was asked for, as a Q and DQ of its own. */
  private rescale({ value, quantize, dequantize, result }: ExistingPair, source: Value): void {
    const { scale, zeroPoint } = this.scaleOf(source, this.parameters.get(source)!);
    const made = this.node('QuantizeLinear', [value, scale, zeroPoint], `${value.name}_quantized`, quantize);
    const integers = made.outputs[0]!;
    for (const [index, input] of [integers, scale, zeroPoint].entries()) this.editor.setInput(dequantize, index, input);
    this.editor.setType(result, value.type);
    if (quantize.outputs[0]!.uses.size === 0 && !quantize.outputs[0]!.pinned) this.editor.eraseNode(quantize);
  }

  /** Relu, or a Clip whose ceiling the range does not pass: the integer type's own limits do the same. */
  private isReplacedBySaturation(activation: Node, { scale, zeroPoint, low, high }: ActivationParameters): boolean {
    if (zeroPoint !== low) return false;
    if (activation.opType === 'Relu') return true;
    const limit = constantTensor(activation.inputs[2]) ?? floatTensor([maxAttribute(activation)]);
    const ceiling = (tensorData(limit) as Float32Array)[0]!;
    return Math.fround(ceiling / scale) + zeroPoint >= high - 0.5;
  }

  private scaleOf(source: Value, parameters: ActivationParameters): { scale: Value; zeroPoint: Value } {
    const known = this.scales.get(source);
    if (known !== undefined) return known;
    const made = {
      scale: this.editor.addInitializer(this.graph, floatTensor([parameters.scale], []), `${source.name}_scale`),
      zeroPoint: this.editor.addInitializer(
        this.graph,
        zeroPointTensor(parameters.dtype, parameters.zeroPoint),
        `${source.name}_zero_point`,
      ),
    };
    this.scales.set(source, made);
    return made;
  }

  private weights(layer: ComputeNode): void {
    const { node, input, axis, isQuantized } = layer;
    if (isQuantized) return;
    const { editor } = this;
    const { weight, bias, biasIntegers } = layerIntegers(
      layer,
      parametersRead(input, this.placement, this.parameters)?.scale,
      this.scheme,
      this.coding,
    );
    const { scales, quantized } = weight;
    const dims = axis === null ? [] : [scales.length];
    const zero = zeroPointTensor(this.scheme.weight.dtype, axis === null ? 0 : Array.from(scales, () => 0));
    const dequantized = this.dequantizedConstant(
      layer.weight.name,
      quantized,
      floatTensor(scales, dims),
      zero,
      axis,
      node,
    );
    editor.setInput(node, 1, dequantized);
    const sum = biasSum(layer);
    if (sum !== undefined) {
      if (bias === undefined || this.nodes.has(sum.node)) return;
      const corrected = floatTensor(bias, sum.tensor.dims);
      const operand = sum.node.inputs[sum.index]!;
      editor.setInput(sum.node, sum.index, editor.addInitializer(this.graph, corrected, `${operand.name}_corrected`));
      return;
    }
    const biasName = layer.bias?.name ?? `${node.outputs[0]!.name}_bias`;
    if (biasIntegers !== undefined) {
      const integers = tensorFromData('int32', [biasIntegers.codes.length], biasIntegers.codes);
      const zeros = tensorFromData('int32', dims, new Int32Array(scales.length));
      const biasAxis = axis === null ? null : 0;
      const biasScales = floatTensor(biasIntegers.scales, dims);
      editor.setInput(node, 2, this.dequantizedConstant(biasName, integers, biasScales, zeros, biasAxis, node));
    } else if (
      bias !== undefined &&
      node.opType !== 'MatMul' &&
      (layer.bias !== null || this.scheme.bias === 'float')
    ) {
      // Beside a bias in float, integer kernels would not take the layer.
      editor.setInput(node, 2, editor.addInitializer(this.graph, floatTensor(bias), `${biasName}_corrected`));
    }
  }

  private dequantizedConstant(
    base: string,
    quantized: Tensor,
    scales: Tensor,
    zero: Tensor,
    axis: number | null,
    before: Node,
  ): Value {
    const { editor, graph } = this;
    const inputs = [
      editor.addInitializer(graph, quantized, `${base}_quantized`),
      editor.addInitializer(graph, scales, `${base}_scale`),
      editor.addInitializer(graph, zero, `${base}_zero_point`),
    ];
    const attributes = axis === null ? [] : [intAttribute('axis', axis)];
    return this.node('DequantizeLinear', inputs, `${base}_dequantized`, before, attributes).outputs[0]!;
  }

  private node(
    opType: string,
    inputs: readonly Value[],
    output: string,
    before: Node | null,
    attributes: readonly ReturnType<typeof intAttribute>[] = [],
  ): Node {
    const node = this.editor.insertNode(
      {
        graph: this.graph,
        domain: this.domain,
        opType,
        inputs,
        outputs: [{ name: output }],
        attributes,
        provenance: [name],
      },
      before,
    );
    // Two layers may share a weight; the value's name is one of its own by now, and the node's has to be.
    this.editor.setNodeName(node, `${node.outputs[0]!.name}/${opType}`);
    return node;
  }
}

function readsAsData(node: Node, index: number): boolean {
  const input = node.inputs[index];
  return input != null && (index === 0 || dataInputs(node).includes(input));
}

const maxAttribute = (activation: Node): number => {
  const attribute = activation.attributes.get('max');
  return attribute?.kind === 'float' ? attribute.value : Number.POSITIVE_INFINITY;
};
