import { constantTensor } from '../../ir/constant.js';
import type { Graph, Node, Use, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { keepsOrder } from '../../ir/ops/traits.js';
import { shapesEqual } from '../../ir/value_type.js';
import type { QuantizationScheme, QuantizedRole } from '../target_profile.js';
import {
  type ComputeNode,
  computeNode,
  isDepthwise,
  isFloat,
  layerSize,
  leadOf,
  productObstacle,
  readsModelInput,
  tooSmall,
} from './compute_node.js';
import { type ExistingPair, existingPairs, onlyRounds } from './existing_pairs.js';
import { requireOwnType, requireRounding, requireTypes } from './placement_requirements.js';
import { skipOf } from './residual.js';
import { saturatesLike } from './saturation.js';
import { ScaleGroups, type SharedScales, sharedScales } from './scale_groups.js';
import { type PlacementOptions, type Selection, selectParts } from './selection.js';

/** Where 8 bits begin and end in a graph, decided before any range is known. */
export type Placement = SharedScales & {
  readonly computes: readonly ComputeNode[];
  /** Nodes between them that run on 8 bits as well, and products of two activations. */
  readonly carries: readonly Node[];
  /** Pairs that the model brought along, by the value they round; they stay, but for their scale where one is given. */
  readonly existing: ReadonlyMap<Value, ExistingPair>;
  readonly rescaled: ReadonlySet<Value>;
  /** Pairs that the model brought along for values that are to stay in float. */
  readonly dropped: readonly ExistingPair[];
  /** Values that come out of a layer in 8 bits: whoever reads them reads the pair. */
  readonly fromEightBits: ReadonlySet<Value>;
  /** Inputs that read 8 bits although their nodes do not run on them. */
  readonly taps: ReadonlySet<Use>;
  /** Nodes that are part of the layer before them, or lose from 8 bits: their inputs stay float, but for taps. */
  readonly fused: ReadonlySet<Node>;
  /** Activations that the saturation of the value before them may replace, by their output. */
  readonly absorbed: ReadonlyMap<Value, Node>;
  /** Nodes that could run on 8 bits and stay in float, with the reason. */
  readonly floats: readonly { readonly node: Node; readonly reason: string }[];
};

/**
 * Decides where Q/DQ pairs go in the main graph, from a scheme's table of operator roles.
 * @throws DiagnosticError `quantize/override-matches-nothing`, `quantize/type-not-offered`, `quantize/pair-cuts-off`,
 * `quantize/pair-keeps-type`.
 */
export function placeQuantization(
  graph: Graph,
  inference: Inference,
  scheme: QuantizationScheme,
  options: PlacementOptions = {},
): Placement {
  const selection = selectParts(graph, options);
  requireTypes(selection, scheme);
  const careful = new Placing(graph, inference, scheme, selection).run();
  if (careful.computes.length > 0 || hasLeftAll(graph, inference, scheme, options)) return careful;
  // Who asks for 8 bits and has sensitive layers only gets those.
  const leaves = { depthwise: false, first: false, shorterSums: 0, fewerOutputs: 0 };
  return new Placing(graph, inference, { ...scheme, leaves }, selection).run();
}

/** Whether there were layers to run on 8 bits and all of them are among the further floats. */
function hasLeftAll(
  graph: Graph,
  inference: Inference,
  scheme: QuantizationScheme,
  options: PlacementOptions,
): boolean {
  const { floats, ...others } = options;
  if (floats === undefined || floats.size === 0) return false;
  return new Placing(graph, inference, scheme, selectParts(graph, others)).run().computes.length > 0;
}

class Placing {
  private readonly computes = new Map<Node, ComputeNode>();
  private readonly products = new Set<Node>();
  private readonly absorbed = new Map<Value, Node>();
  /** Values that come out of an 8-bit node. */
  private readonly available = new Set<Value>();
  private readonly candidates = new Set<Node>();
  private readonly wanted = new Set<Value>();
  private readonly fused = new Set<Node>();
  /** Sums that become part of the layer before one of their inputs, with the position of the other. */
  private readonly skips = new Map<Node, 0 | 1>();
  private readonly taps = new Set<Use>();
  private readonly floats: { node: Node; reason: string }[] = [];
  private readonly existing: ReadonlyMap<Value, ExistingPair>;
  private readonly dropped: readonly ExistingPair[];
  /** Values that get no pair. */
  private readonly keptFloat: ReadonlySet<Value>;
  private readonly rounded: ReadonlyMap<Value, Value>;

  constructor(
    private readonly graph: Graph,
    private readonly inference: Inference,
    private readonly scheme: QuantizationScheme,
    private readonly selection: Selection,
  ) {
    const all = existingPairs(graph);
    this.dropped = all.filter(({ value }) => selection.skipped.has(value));
    for (const pair of this.dropped) requireRounding(pair);
    for (const pair of all) requireOwnType(pair, selection);
    const pairs = all.filter((pair) => !selection.skipped.has(pair.value) && onlyRounds(pair));
    // Whoever reads such a value itself means it as it was before it was cut off.
    const cutOff = all.filter((pair) => !onlyRounds(pair)).map(({ value }) => value);
    this.keptFloat = new Set([...selection.skipped, ...cutOff]);
    // Reversed, so that of several pairs of a value the first one counts.
    this.existing = new Map(pairs.toReversed().map((pair) => [pair.value, pair]));
    this.rounded = new Map(all.filter(onlyRounds).map(({ result, value }) => [result, value]));
  }

  run(): Placement {
    for (const node of this.graph.nodes) this.forward(node);
    for (const node of this.graph.nodes.reversed()) this.backward(node);
    const carries = [...this.candidates].filter((node) => this.isWanted(node));
    return {
      computes: [...this.computes.values()],
      carries: [...carries, ...this.products],
      ...this.values(new Set(carries)),
      existing: this.existing,
      rescaled: new Set([...this.selection.ranges.keys()].filter((value) => this.existing.has(value))),
      dropped: this.dropped,
      fromEightBits: this.available,
      taps: this.taps,
      fused: this.fused,
      absorbed: this.absorbed,
      floats: this.floats,
    };
  }

  private role(node: Node): QuantizedRole | undefined {
    return node.domain === '' || node.domain === 'ai.onnx' ? this.scheme.roles[node.opType] : undefined;
  }

  /** The float value behind the pairs that the model brought along. */
  private behindPairs(value: Value): Value {
    return this.rounded.get(value) ?? value;
  }

  private dataInputs(node: Node): Value[] {
    return dataInputs(node).map((input) => this.behindPairs(input));
  }

  /** Why a node was asked to stay in float, or undefined. */
  private exclusion(node: Node): string | undefined {
    return this.selection.excluded.get(node);
  }

  /** What each node could do, given what comes in. */
  private forward(node: Node): void {
    const role = this.role(node);
    switch (role) {
      case undefined:
        // It loses what 8 bits drop, also where its input happens to come in them.
        if (this.scheme.keepsFloat?.[node.opType] !== undefined) this.fused.add(node);
        return;
      case 'absorb':
      case 'lead':
        return;
      case 'compute':
      case 'compute-float-output':
        this.forwardCompute(node);
        return;
      case 'fuse':
      case 'residual':
        this.forwardFused(node, role);
        return;
      case 'join':
      case 'move':
      case 'carry':
        this.forwardCarry(node, role);
        return;
    }
  }

  private forwardCarry(node: Node, role: 'join' | 'move' | 'carry'): void {
    const inputs = this.dataInputs(node);
    if (role === 'join') {
      if (inputs.every((input) => constantTensor(input) !== undefined)) return;
      if (carryReason(node, this.inference) !== undefined) return;
    } else if (!inputs.every((input) => this.isAvailable(input))) return;
    else if (!inputs.some((input) => this.available.has(input))) return;
    const parts = [...inputs, node.outputs[0]!];
    const reason =
      this.exclusion(node) ??
      (parts.some((value) => this.keptFloat.has(value))
        ? 'a value that it reads or writes is to stay in float'
        : role === 'move' && !keepsOrder(node)
          ? 'it computes with its elements'
          : carryReason(node, this.inference));
    if (reason !== undefined) {
      this.floats.push({ node, reason });
      return;
    }
    this.candidates.add(node);
    for (const result of this.resultsOf(node, role === 'carry')) this.available.add(result);
  }

  private forwardCompute(node: Node): void {
    const found = this.exclusion(node) ?? computeNode(node, this.inference, this.scheme);
    if (found === 'both operands are activations') {
      this.forwardProduct(node);
      return;
    }
    const reason = typeof found === 'string' ? found : this.obstacle(found);
    if (typeof found === 'string' || reason !== undefined) {
      this.floats.push({ node, reason: reason ?? '' });
      return;
    }
    this.computes.set(node, { ...found, input: this.behindPairs(found.input) });
    for (const result of this.resultsOf(node, true)) this.available.add(result);
  }

  private forwardProduct(node: Node): void {
    const reason =
      this.exclusion(node) ??
      (this.selection.included?.has(node) === false
        ? 'not among the nodes asked for'
        : this.operands(node).some((input) => this.keptFloat.has(input))
          ? 'its input is to stay in float'
          : productObstacle(node, this.inference, this.scheme));
    if (reason !== undefined) {
      this.floats.push({ node, reason });
      return;
    }
    this.products.add(node);
    for (const result of this.resultsOf(node, true)) this.available.add(result);
  }

  /** Why a layer that could run on 8 bits does not, or undefined. */
  private obstacle(compute: ComputeNode): string | undefined {
    const { included, skipped } = this.selection;
    if (this.keptFloat.has(this.behindPairs(compute.input))) return 'its input is to stay in float';
    if (this.role(compute.node) === 'compute' && this.peekResults(compute.node).some((value) => skipped.has(value)))
      return 'its output is to stay in float';
    if (included !== undefined) return included.has(compute.node) ? undefined : 'not among the nodes asked for';
    return (
      tooSmall(compute.node, compute.weightDims, this.inference, this.scheme) ?? this.sensitivity(compute, this.scheme)
    );
  }

  /** Why a layer that could run on 8 bits had better not, or undefined. */
  private sensitivity({ node, input, weightDims }: ComputeNode, { leaves }: QuantizationScheme): string | undefined {
    const { depthwise, first, shorterSums, fewerOutputs } = leaves;
    const { outputs, products } = layerSize(node, weightDims);
    if (depthwise && node.opType.startsWith('Conv') && isDepthwise(node, weightDims)) return 'depthwise';
    if (first && readsModelInput(input)) return 'it reads the input of the model';
    if (products < shorterSums) return `sums of fewer than ${shorterSums} products`;
    return outputs < fewerOutputs ? `fewer than ${fewerOutputs} outputs` : undefined;
  }

  /** An operator that belongs to the layer before it gives 8 bits where that could. */
  private forwardFused(node: Node, role: 'fuse' | 'residual'): void {
    this.fused.add(node);
    const [output] = node.outputs;
    const inputs = node.inputs.filter((input) => input !== null && constantTensor(input) === undefined);
    if (output == null || inputs.length === 0) return;
    if (role === 'residual' && inputs.length === 2) this.decideSkip(node, [inputs[0]!, inputs[1]!]);
    const isPart = this.skips.has(node) || inputs.every((input) => this.available.has(this.behindPairs(input!)));
    if (isPart && isFloat(output, this.inference)) this.available.add(output);
  }

  private decideSkip(node: Node, inputs: readonly [Value, Value]): void {
    const shapes = [...inputs, node.outputs[0]!].map((value) => {
      const type = this.inference.typeOf(value);
      return type?.kind === 'tensor' && type.dtype === 'float' ? type.shape : undefined;
    });
    if (shapes[0] === undefined || !shapes.every((shape) => shapesEqual(shape, shapes[0]))) return;
    const isLayer = (layer: Node) => this.scheme.fusesResidual?.includes(layer.opType) === true;
    const ends = inputs.map(({ producer, uses, pinned }) => {
      const layer = producer?.opType === 'BatchNormalization' ? (producer.inputs[0]?.producer ?? null) : producer;
      return layer !== null && isLayer(layer) && this.computes.has(layer) && uses.size === 1 && !pinned;
    });
    const skip = skipOf(inputs, [ends[0]!, ends[1]!], isLayer);
    if (skip === undefined || this.exclusion(node) !== undefined) return;
    if (this.keptFloat.has(this.behindPairs(inputs[skip]))) return;
    this.skips.set(node, skip);
  }

  private isAvailable(value: Value): boolean {
    return this.available.has(value) || constantTensor(value)?.dtype === 'float';
  }

  /**
   * The values that leave a node as 8 bits: the output, behind the activation that its saturation replaces where there
   * is one; the results of a split.
   */
  private resultsOf(node: Node, mayAbsorb: boolean): Value[] {
    const output = node.outputs[0]!;
    const [use] = output.uses;
    if (node.opType === 'Split') return node.outputs.filter((each) => each !== null);
    if (!mayAbsorb || output.uses.size !== 1 || use?.kind !== 'node' || output.pinned) return [output];
    const activation = use.user;
    const result = activation.outputs[0];
    if (activation.graph !== this.graph || this.role(activation) !== 'absorb' || use.index !== 0) return [output];
    if (result == null || !saturatesLike(activation)) return [output];
    this.absorbed.set(result, activation);
    return [result];
  }

  private backward(node: Node): void {
    const skip = this.skips.get(node);
    if (this.computes.has(node)) this.wanted.add(this.computes.get(node)!.input);
    else if (this.products.has(node) || (this.candidates.has(node) && this.isWanted(node))) {
      for (const input of this.products.has(node) ? this.operands(node) : this.dataInputs(node)) this.wanted.add(input);
    } else if (skip !== undefined) this.wanted.add(this.behindPairs(node.inputs[skip]!));
  }

  private operands(product: Node): Value[] {
    return product.inputs.slice(0, 2).map((input) => this.behindPairs(input!));
  }

  /** A split has one scale for all its parts, which costs those that go on in float. */
  private isWanted(node: Node): boolean {
    return this.peekResults(node).every((result) => this.wanted.has(result));
  }

  private peekResults(node: Node): Value[] {
    const output = node.outputs[0]!;
    if (node.opType === 'Split') return node.outputs.filter((each) => each !== null);
    const [use] = output.uses;
    const behind = output.uses.size === 1 && use?.kind === 'node' ? use.user.outputs[0] : undefined;
    return [behind != null && this.absorbed.get(behind) === use?.user ? behind : output];
  }

  /** Pairs go on what 8-bit nodes read and write; a node that can give float does so where nobody reads 8 bits. */
  private values(carries: ReadonlySet<Node>): SharedScales {
    const quantized = new Set<Value>();
    const groups = new ScaleGroups();
    const derived = new Set<Value>();
    for (const { node, input } of this.computes.values()) {
      quantized.add(input);
      this.tap(leadOf(node.inputs[0]!, this.scheme), 0);
      for (const result of this.peekResults(node)) {
        if (this.role(node) === 'compute' || this.wanted.has(result)) quantized.add(result);
      }
    }
    for (const node of this.products) {
      for (const [index, input] of this.operands(node).entries()) {
        quantized.add(input);
        this.tap(node, index);
      }
    }
    for (const [node, skip] of this.skips) {
      quantized.add(this.behindPairs(node.inputs[skip]!));
      this.tap(node, skip);
    }
    for (const node of carries) {
      const [first, ...others] = this.dataInputs(node);
      const results = this.peekResults(node);
      for (const value of [first!, ...others, ...results]) quantized.add(value);
      if (this.role(node) === 'carry') continue;
      for (const value of [...others, ...results]) groups.unite(first!, value);
      for (const result of results) derived.add(result);
    }
    for (const value of this.keptFloat) quantized.delete(value);
    return sharedScales(quantized, groups, derived, this.existing, this.selection);
  }

  private tap(node: Node | undefined, index: number): void {
    for (const use of node?.inputs[index]?.uses ?? []) {
      if (use.kind === 'node' && use.user === node && use.index === index) this.taps.add(use);
    }
  }
}

/** Inputs that carry activations; the rest are shapes, axes and the like. */
export const dataInputs = (node: Node): Value[] => {
  const count = node.opType === 'Concat' ? node.inputs.length : node.opType === 'Add' || node.opType === 'Mul' ? 2 : 1;
  return node.inputs.slice(0, count).filter((input) => input !== null);
};

function carryReason(node: Node, inference: Inference): string | undefined {
  const others = node.opType === 'Split' ? [] : node.outputs.slice(1);
  if (others.some((output) => output !== null && output.uses.size > 0)) return 'a second output is read';
  if (!dataInputs(node).every((input) => isFloat(input, inference))) return 'its inputs are not float32';
  return undefined;
}
