// normalization(x, g, h) – MatMul(W) => normalization(x, g / s, h / s) – MatMul(W · s), with layers and products as well
// Needs: samples, constant float32 weights, and nobody else who reads what lies between; or a Mul in between.
import { InvariantError } from '../../../ir/diagnostic.js';
import type { Editor } from '../../../ir/editor.js';
import type { Model, Node, Value } from '../../../ir/graph.js';
import { floatTensor } from '../../../ir/tensor.js';
import { definePass, type Pass, type PassContext } from '../../pass.js';
import { weightsBy } from './channel_layer.js';
import { ChannelNumbers } from './channel_numbers.js';
import { type RescaleGroup, type RescaleOptions, readerMaxima, rescale, rescaleGroups } from './rescale_group.js';

/** Observes how large the channels along the last axis of values of the main graph become. */
export type ChannelsObserver = (
  model: Model,
  requests: readonly { readonly value: Value; readonly size: number }[],
) => Promise<ReadonlyMap<Value, { readonly largest: Float64Array; readonly sum: Float64Array }>>;

export type SmoothOptions = RescaleOptions & {
  /** How much of the spread goes from the activations into the weights: 0 to 1. */
  readonly alpha: number;
  readonly channels: ChannelsObserver;
  /** Multiply an activation where nothing before it takes the factors up. */
  readonly insertMul?: boolean;
};

const name = 'smooth-activations';

/**
 * SmoothQuant (Xiao and others, 2023): channels of activations that are many times larger than the others are divided
 * by s = max|X_j|^alpha / max|W_j|^(1−alpha), and the weights that read them multiplied, since weights have scales of
 * their own. What reads one value shares s. The model computes the same up to rounding.
 */
export const smoothActivations = (options: SmoothOptions): Pass =>
  definePass({
    name,
    summary: 'activations with a few large channels => even ones, and weights that make up for it',
    scope: 'model',
    async run(graph, context) {
      const { model, inference } = context;
      const { groups, declined } = rescaleGroups(graph, inference, options);
      const found = matrixGroups(groups, context, name, options);
      for (const each of declined) if (isMatrix(each.node)) context.decline({ rule: name, ...each });
      const sizes = await options.channels(
        model,
        found.map(({ value, place }) => ({ value, size: place.channels })),
      );
      const numbers = new ChannelNumbers();
      for (const group of found) {
        const observed = sizes.get(group.value);
        if (observed === undefined) throw new InvariantError(`"${group.value.name}" was not observed`);
        const factors = smoothing(observed.largest, readerMaxima(group, numbers), options.alpha);
        if (factors.every((factor) => factor === 1)) {
          context.decline({ rule: name, node: group.readers[0]!.node, reason: 'its channels are even already' });
          continue;
        }
        applyFactors(context.editor, name, group, factors, numbers);
        context.fired(name, group.readers[0]!.node);
      }
      numbers.write(context.editor);
    },
  });

/** Groups of matrix products whose channels can be scaled; of the others the reason is told. */
export function matrixGroups(
  groups: readonly RescaleGroup[],
  { decline }: Pick<PassContext, 'decline'>,
  rule: string,
  { insertMul = false }: { readonly insertMul?: boolean },
): RescaleGroup[] {
  return groups.filter((group) => {
    const { node } = group.readers[0]!;
    if (!group.readers.every((reader) => isMatrix(reader.node))) {
      if (isMatrix(node)) decline({ rule, node, reason: 'a convolution reads its input as well' });
      return false;
    }
    if (typeof group.source !== 'string' || insertMul) return true;
    decline({ rule, node, reason: group.source });
    return false;
  });
}

const isMatrix = ({ opType }: Node): boolean => opType === 'MatMul' || opType === 'Gemm';

/** Divides what gives a value its sizes by the factors, or the value itself by a Mul, and multiplies its readers. */
export function applyFactors(
  editor: Editor,
  rule: string,
  group: RescaleGroup,
  factors: Float64Array,
  numbers: ChannelNumbers,
): void {
  const { source, value, readers } = group;
  if (typeof source !== 'string') {
    rescale(group, source, factors, numbers);
    return;
  }
  const { node: first } = readers[0]!;
  const { graph } = first;
  const inverse = floatTensor(factors.map((factor) => 1 / factor));

  const constant = editor.addInitializer(graph, inverse, `${value.name}_factors`);
  const outputs = [{ name: `${value.name}_scaled`, type: value.type }];
  const spec = { graph, opType: 'Mul', inputs: [value, constant], outputs, provenance: [rule] };
  const mul = editor.insertNode(spec, first);
  editor.setNodeName(mul, `${mul.outputs[0]!.name}/Mul`);
  for (const reader of readers) {
    editor.setInput(reader.node, 0, mul.outputs[0]!);
    numbers.multiply(weightsBy(reader, 'inputs'), factors);
  }
}

/** A channel grows or shrinks by this at most, so that no number comes near the ends of float32. */
const furthest = 2 ** 16;

function smoothing(activations: Float64Array, weights: Float64Array, alpha: number): Float64Array {
  return activations.map((activation, channel) => {
    const weight = weights[channel]!;
    // Of a channel that is always 0, or that nobody reads, no size is known.
    if (!(activation > 0) || !(weight > 0) || !Number.isFinite(activation)) return 1;
    const factor = activation ** alpha / weight ** (1 - alpha);
    return Math.min(furthest, Math.max(1 / furthest, factor));
  });
}
