// values that 8-bit nodes read or write => QuantizeLinear, DequantizeLinear; their weights and biases => integers
// Needs: a placement and a range for each value that has no known one.
import { intAttribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Editor } from '../../ir/editor.js';
import { type Graph, type Node, opsetVersion, type Use, type Value } from '../../ir/graph.js';
import { knownBounds } from '../../ir/ops/known_ranges.js';
import { floatTensor, type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';
import { definePass, type Pass } from '../pass.js';
import type { QuantizationScheme } from '../target_profile.js';
import type { ComputeNode } from './compute_node.js';
import { type ExistingPair, isDequantize, scalarParameters } from './existing_pairs.js';
import { quantizeToFloat8 } from './float8_weights.js';
import { dataInputs, type Placement } from './placement.js';
import { qdqDomain, qdqOpset } from './qdq_opset.js';
import { type ActivationParameters, activationParameters, type Range, type Ranges } from './ranges.js';
import { biasFloors, channelMaxima, quantizeBias, quantizeWeight, weightScales } from './weights.js';
import { zeroPointTensor } from './zero_point.js';

const name = 'insert-qdq';

export const insertQdq = (placement: Placement, ranges: Ranges, scheme: QuantizationScheme): Pass =>
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
      new Insertion(graph, editor, placement, ranges, scheme, domain).run();
    },
  });

/** The IR version that has 8-bit floats. */
const float8IrVersion = 9;

/** Values whose range has to be observed: not constants, not bounded by what produces them, and not given. */
export function valuesToObserve(placement: Placement): Value[] {
  const sources = new Set(placement.values.values());
  return [...sources].flatMap((source) =>
    placement.given.has(source)
      ? []
      : coveredBy(source, placement).filter((value) => rangeWithoutData(value) === undefined),
  );
}

/**
 * Ranges for every value that gets a pair, of those observed and known: whoever places fewer pairs in the same graph may
 * need one of a value that shared its scale with others here. Such a value lies within what they cover.
 */
export function rangesOfPlaced(placement: Placement, ranges: Ranges): Ranges {
  const all = new Map(ranges);
  for (const [value, source] of placement.values) {
    if (all.has(value.name)) continue;
    const covering = coveredBy(source, placement).map((each) => rangeWithoutData(each) ?? ranges.get(each.name));
    if (covering.length === 0 || covering.includes(undefined)) continue;
    all.set(value.name, unionOf(covering as Range[]));
  }
  return all;
}

/** How the value behind a scale is quantized. */
export const activationOf = (
  source: Value,
  { types }: Placement,
  { activation }: QuantizationScheme,
): QuantizationScheme['activation'] => ({ ...activation, dtype: types.get(source) ?? activation.dtype });

/** By name, of the values whose ranges are observed and that are quantized otherwise than the scheme says. */
export const activationsOf = (
  placement: Placement,
  scheme: QuantizationScheme,
): ReadonlyMap<string, QuantizationScheme['activation']> =>
  new Map(
    [...placement.types.keys()].flatMap((source) =>
      coveredBy(source, placement).map(({ name }) => [name, activationOf(source, placement, scheme)] as const),
    ),
  );

const unionOf = (ranges: readonly Range[]): Range => ({
  min: Math.min(...ranges.map(({ min }) => min)),
  max: Math.max(...ranges.map(({ max }) => max)),
});

/** The values whose ranges together make the scale of a source, but for those that brought their scale along. */
function coveredBy(source: Value, { covers, fixed, existing }: Placement): readonly Value[] {
  const all = covers.get(source) ?? [source];
  return fixed.has(source) ? all.filter((value) => !existing.has(value)) : all;
}

function rangeWithoutData(value: Value): Range | undefined {
  const tensor = constantTensor(value);
  if (tensor !== undefined) return rangeOf(tensor);
  if (value.producer === null) return undefined;
  const { min, max } = knownBounds(value.producer.domain, value.producer.opType);
  return min === undefined || max === undefined ? undefined : { min, max };
}

function rangeOf(tensor: Tensor): Range {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const element of tensorData(tensor) as Float32Array) {
    if (element < min) min = element;
    if (element > max) max = element;
  }
  return min <= max ? { min, max } : { min: 0, max: 0 };
}

class Insertion {
  private readonly graph: Graph;
  private readonly editor: Editor;
  private readonly placement: Placement;
  private readonly ranges: Ranges;
  private readonly scheme: QuantizationScheme;
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
    domain: string,
  ) {
    this.graph = graph;
    this.editor = editor;
    this.placement = placement;
    this.ranges = ranges;
    this.scheme = scheme;
    this.domain = domain;
    this.nodes = new Set([...placement.computes.map(({ node }) => node), ...placement.carries]);
  }

  run(): void {
    for (const source of new Set(this.placement.values.values())) {
      this.parameters.set(source, this.parametersOf(source));
    }
    for (const { result, value } of this.placement.dropped) this.editor.replaceAllUses(result, value);
    // Weights first: a bias needs the scale of an input that its node still reads directly.
    for (const compute of this.placement.computes) this.weights(compute);
    for (const [value, source] of this.placement.values) this.pair(value, source);
  }

  /** A scale that the model brought along counts for all that share it, unless they would not fit into its range. */
  private parametersOf(source: Value): ActivationParameters {
    const { given, fixed } = this.placement;
    const brought = fixed.get(source);
    const ranges = given.has(source) ? [given.get(source)!] : this.rangesOf(source);
    const asked = this.placement.types.get(source);
    if (brought !== undefined) {
      const { dtype, scale, zeroPoint, low, high } = brought;
      const span = { min: (low - zeroPoint) * scale, max: (high - zeroPoint) * scale };
      const mayKeep = asked === undefined || asked === dtype;
      if (mayKeep && ranges.every(({ min, max }) => min >= span.min - scale / 2 && max <= span.max + scale / 2))
        return brought;
      ranges.push(span);
    }
    return activationParameters(unionOf(ranges), activationOf(source, this.placement, this.scheme), source.name);
  }

  private rangesOf(source: Value): Range[] {
    return coveredBy(source, this.placement).map((value) => {
      const range = rangeWithoutData(value) ?? this.ranges.get(value.name);
      if (range !== undefined) return range;
      throw new DiagnosticError({
        code: 'quantize/missing-range',
        message: `no range for "${value.name}"`,
        help: 'Calibrate this model again; the ranges belong to another one',
      });
    });
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

  private weights({ node, input, weight, axis, bias, isQuantized }: ComputeNode): void {
    if (isQuantized) return;
    const { editor } = this;
    const tensor = constantTensor(weight)!;
    const { dtype, limit } = this.scheme.weight;
    const inputScale = this.scaleRead(input);
    const biasTensor = bias === null ? undefined : (tensorData(constantTensor(bias)!) as Float32Array);
    const asInteger = biasTensor !== undefined && inputScale !== undefined && this.scheme.bias === 'int32';
    // A bias has its own scale, which must not become subnormal either.
    const least = asInteger ? smallestScale / inputScale : 0;
    const floors = asInteger
      ? perScale(biasFloors(biasTensor, inputScale), axis).map((floor) => Math.max(floor, least))
      : undefined;
    const scales = weightScales(channelMaxima(tensor, axis), limit, floors);
    const quantized =
      dtype === 'int8' ? quantizeWeight(tensor, axis, scales, limit).quantized : quantizeToFloat8(tensor, axis, scales);
    const dims = axis === null ? [] : [scales.length];
    const dequantized = this.dequantizedConstant(
      weight.name,
      quantized,
      floatTensor(scales, dims),
      zeroPointTensor(dtype, axis === null ? 0 : Array.from(scales, () => 0)),
      axis,
      node,
    );
    editor.setInput(node, 1, dequantized);
    if (bias === null || !asInteger) return;
    const biasScales = scales.map((scale) => inputScale * scale);
    const integers = quantizeBias(biasTensor, biasScales);
    const biasAxis = axis === null ? null : 0;
    const zero = tensorFromData('int32', dims, new Int32Array(biasScales.length));
    const biasInteger = tensorFromData('int32', [integers.length], integers);
    editor.setInput(
      node,
      2,
      this.dequantizedConstant(bias.name, biasInteger, floatTensor(biasScales, dims), zero, biasAxis, node),
    );
  }

  /** The scale of the 8 bits that a layer reads; undefined where it is none of ours to know. */
  private scaleRead(input: Value): number | undefined {
    const { existing, values } = this.placement;
    const pair = existing.get(input);
    if (pair !== undefined) return pair.parameters?.scale;
    const source = values.get(input);
    if (source !== undefined) return this.parameters.get(source)?.scale;
    return isDequantize(input.producer) ? scalarParameters(input.producer)?.scale : undefined;
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

/** Just above the smallest positive normal float32, so that products rounded to float stay there. */
const smallestScale = 2 ** -126 * (1 + 2 ** -20);

/** With one scale for the whole tensor, the largest floor counts. */
const perScale = (floors: Float64Array, axis: number | null): Float64Array =>
  axis === null ? Float64Array.of(Math.max(...floors)) : floors;
