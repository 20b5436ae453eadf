import { getInts, intAttribute, intsAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import { type Graph, type Model, type Node, opsetVersion, type Value } from '../ir/graph.js';
import { floatTensor, int64Tensor, tensorData } from '../ir/tensor.js';
import type { ComputeNode } from '../passes/quantize/compute_node.js';
import { type LayerRows, layerRows } from '../passes/quantize/layer_rows.js';
import { groupsOfBytes, runSamples, type SampleOptions, sampleCount } from './run_samples.js';
import type { ModelRunner } from './runner.js';
import type { SampleSource } from './sources/source.js';

/** What a layer of the main graph sums over, its padding included. Products are ordered as in `LayerRows`. */
export type PatchStatistics = {
  /** The mean of each product's input, [groups · products]. */
  readonly mean: Float64Array;
  /** Σ x·xᵀ of each group's patches, [groups, products, products], over as many patches as `count` says. */
  readonly moments: Float64Array;
  readonly count: number;
};

/** Bytes of sums held at once; the samples are run again for what goes beyond. */
const mostBytes = 2 ** 28;

/**
 * About as many patches of all samples go into the moments, at even distances, and the mean is over the same: many times
 * the products of a sum, so that the moments have full rank.
 */
const patchesInAll = 2 ** 15;

/** Of one sample, where nobody knows how many there are, and at least. */
const patchesOfSample = { unknown: 1024, least: 16 };

/**
 * Statistics of the patches of each layer over all samples, handed on as soon as they are complete: they are large. The
 * patches are cut out by the layer's own operator, with weights that pick one element each, and summed inside the model
 * in float32; runs are added in double precision.
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/not-finite`, what the source or the runtime reports.
 */
export async function observePatches(
  model: Model,
  layers: readonly ComputeNode[],
  source: SampleSource,
  runner: ModelRunner,
  onLayer: (layer: ComputeNode, statistics: PatchStatistics) => void,
  options: SampleOptions = {},
): Promise<void> {
  const bytesOf = ({ node, weightDims }: ComputeNode) => {
    const { groups, products } = layerRows(node, weightDims);
    return groups * products ** 2 * 8;
  };
  for (const group of groupsOfBytes(layers, bytesOf, mostBytes)) {
    const sums = await observeGroup(model, group, source, runner, options);
    for (const [index, layer] of group.entries()) {
      const { mean, moments, count } = sums[index]!;
      onLayer(layer, { mean: mean.map((sum) => sum / Math.max(1, count)), moments, count });
    }
  }
}

type Sums = { readonly mean: Float64Array; readonly moments: Float64Array; count: number };

async function observeGroup(
  model: Model,
  group: readonly ComputeNode[],
  source: SampleSource,
  runner: ModelRunner,
  options: SampleOptions,
): Promise<Sums[]> {
  const total = sampleCount(source, options.limit);
  const { unknown, least } = patchesOfSample;
  const probes = withPatches(model, group, total ? Math.max(least, Math.ceil(patchesInAll / total)) : unknown);
  const outputs = probes.places.flatMap((place) => Object.values(place));
  const sums = group.map((layer): Sums => {
    const { groups, products } = layerRows(layer.node, layer.weightDims);
    const mean = new Float64Array(groups * products);
    return { mean, moments: new Float64Array(mean.length * products), count: 0 };
  });
  await runSamples({ model: probes.model, outputs }, source, runner, options, (results, sample) => {
    const numbers = (name: string) => tensorData(results.get(name)!) as Float32Array;
    for (const [index, { mean, shape, moments }] of probes.places.entries()) {
      const sum = sums[index]!;
      const patches = Number(tensorData(results.get(shape)!).at(-1));
      sum.count += patches;
      addInto(sum.mean, numbers(mean), patches);
      addInto(sum.moments, numbers(moments), 1);
      if (!isFiniteSum(sum)) throw nonFinite(group[index]!, sample.name);
    }
  });
  return sums;
}

/** Squares bound all other products, so that the diagonal tells of all moments. */
function isFiniteSum({ mean, moments }: Sums): boolean {
  if (!mean.every(Number.isFinite)) return false;
  const products = moments.length / mean.length;
  return mean.every((_, row) => Number.isFinite(moments[row * products + (row % products)]));
}

function addInto(sums: Float64Array, addends: Float32Array, times: number): void {
  for (let index = 0; index < addends.length; index += 1) sums[index] = sums[index]! + times * addends[index]!;
}

const nonFinite = ({ node }: ComputeNode, sample: string): DiagnosticError =>
  new DiagnosticError({
    code: 'calibrate/not-finite',
    message: `what "${node.inputs[0]!.name}" adds up to is no finite number on sample ${sample}`,
    help: 'Look at that sample',
  });

/** Names of outputs: the means, the shape of what they are taken of, whose last dimension they run over, the moments. */
type Place = { readonly mean: string; readonly shape: string; readonly moments: string };

/** A copy of the model whose only outputs are what is asked of the patches, about `most` of them in the moments. */
function withPatches(
  source: Model,
  group: readonly ComputeNode[],
  most: number,
): { model: Model; places: readonly Place[] } {
  const model = cloneModel(source);
  const { graph } = model;
  const build = new PatchBuilder(new Editor(model), graph);
  for (const slot of [...graph.outputs]) build.editor.removeOutput(slot);
  const places = group.map(({ node, weightDims }): Place => {
    const rows = layerRows(node, weightDims);
    const patches = build.patches(node, graph.values.get(node.inputs[0]!.name)!, weightDims, rows);
    const observed = build.sampled(patches, rows, most);
    return {
      mean: build.output(build.op('GlobalAveragePool', [observed]), 'mean', 'float'),
      shape: build.output(build.op('Shape', [observed]), 'shape', 'int64'),
      moments: build.output(build.products(observed), 'moments', 'float'),
    };
  });
  return { model, places };
}

class PatchBuilder {
  constructor(
    readonly editor: Editor,
    private readonly graph: Graph,
  ) {}

  op(
    opType: string,
    inputs: readonly Value[],
    attributes: Parameters<Editor['insertNode']>[0]['attributes'] = [],
  ): Value {
    const { graph } = this;
    return this.editor.insertNode({ graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  }

  output(value: Value, name: string, dtype: 'float' | 'int64'): string {
    return this.editor.addOutput(this.graph, value, this.editor.freshName(name), {
      kind: 'tensor',
      dtype,
      shape: undefined,
    }).name;
  }

  /** [batch, groups · products, places] */
  patches(node: Node, input: Value, dims: readonly number[], rows: LayerRows): Value {
    const { groups, products, taps } = rows;
    if (node.opType !== 'Conv' && node.opType !== 'ConvTranspose') {
      const flat = this.op('Transpose', [this.reshaped(input, [-1, products])], [intsAttribute('perm', [1, 0])]);
      return this.reshaped(flat, [1, products, -1]);
    }
    if (readsPlaceByPlace(node, taps)) return this.reshaped(input, [0, 0, -1]);
    const channels = (groups * products) / taps;
    const attributes = [...node.attributes.values()].filter(({ name }) => name !== 'group');
    const lead = node.opType === 'Conv' ? [channels * taps, 1] : [channels, taps];
    const picks = floatTensor(onePick(channels, taps), [...lead, ...dims.slice(2)]);
    const weight = this.editor.addInitializer(this.graph, picks, 'patch_picks');
    const cut = this.op(node.opType, [input, weight], [...attributes, intAttribute('group', channels)]);
    return this.reshaped(cut, [0, 0, -1]);
  }

  /** [groups, products, patches], between `most` and half of it where there are more. */
  sampled(patches: Value, { groups, products }: LayerRows, most: number): Value {
    const all = this.reshaped(this.op('Transpose', [patches], [intsAttribute('perm', [1, 0, 2])]), [
      groups,
      products,
      -1,
    ]);
    if ((opsetVersion(this.graph, '') ?? 1) < 10) return all;
    // An odd step: with an even one, every patch could come from the same few columns of an image.
    const count = this.op('Gather', [this.op('Shape', [all]), this.constant([2])], [intAttribute('axis', 0)]);
    const pairs = this.op('Div', [count, this.constant([2 * most])]);
    const step = this.op('Add', [this.op('Mul', [pairs, this.constant([2])]), this.constant([1])]);
    return this.op('Slice', [all, this.constant([0]), count, this.constant([2]), step]);
  }

  products(patches: Value): Value {
    return this.op('MatMul', [patches, this.op('Transpose', [patches], [intsAttribute('perm', [0, 2, 1])])]);
  }

  private reshaped(value: Value, shape: readonly number[]): Value {
    return this.op('Reshape', [value, this.constant(shape)]);
  }

  private constant(numbers: readonly number[]): Value {
    return this.editor.addInitializer(this.graph, int64Tensor(numbers), 'patch_numbers');
  }
}

/** For each channel and each place of the kernel, a kernel that is 1 there and 0 elsewhere. */
function onePick(channels: number, taps: number): Float32Array {
  const picks = new Float32Array(channels * taps * taps);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let tap = 0; tap < taps; tap += 1) picks[(channel * taps + tap) * taps + tap] = 1;
  }
  return picks;
}

/** Whether the patches of a convolution are its input as it is. */
function readsPlaceByPlace(node: Node, taps: number): boolean {
  if (node.opType !== 'Conv' || taps !== 1) return false;
  const strides = getInts(node, 'strides', []);
  const pads = getInts(node, 'pads', []);
  return strides.every((stride) => stride === 1) && pads.every((pad) => pad === 0);
}
