import type { RunningModel } from '../calibrate/runner.js';
import { randomSource } from '../calibrate/sources/random_source.js';
import type { InputSpec, Sample, SampleSource } from '../calibrate/sources/source.js';
import { constantTensor } from '../ir/constant.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { symbolsOf } from '../ir/dim.js';
import type { Graph, Node, Value } from '../ir/graph.js';
import { elementCount, floatTensor, reshapeTensor, type Tensor } from '../ir/tensor.js';
import { constantBytes } from '../ir/traversal.js';

/** Sizes tried for open dimensions behind the first axis, in this order: networks ask for multiples, or small ones. */
const sizes = [64, 32, 16, 8, 224, 128, 4, 2, 1, 96, 320, 640, 512] as const;

/** How many different bindings of open dimensions are kept, batches of 1 and 2 among them; fewer of large models. */
const [wantedBindings, wantedOfLarge] = [3, 2];

/** Bytes of constants from which on a model is large: a run takes as long as all passes together. */
const largeModel = 64 * 2 ** 20;

/**
 * Samples made from the declared types and shapes, for when nobody gives data: values random, open dimensions bound to
 * sizes that the model was seen to run with, and integers that the graph compares with a constant set to that constant
 * (a sampling rate, a mode).
 * @param edges whether large and odd values are tried as well; float16 overflows on them where it holds the data a network
 * is for.
 * @returns undefined where the model ran with none of them; `reason` is what the runtime said of the first.
 */
export async function samplesThatRun(
  graph: Graph,
  model: RunningModel,
  edges = true,
): Promise<{ source: SampleSource | undefined; reason?: string }> {
  const inputs = graph.inputs.filter(({ initializer }) => initializer === null);
  const open = openDimensions(inputs);
  const isOpen = open.batch.size + open.other.size > 0;
  const found: Sample[] = [];
  const withEdges = async (): Promise<Sample[]> => [...found, ...(edges ? await edgeSample(found, model) : [])];
  const wanted = constantBytes(graph.model) > largeModel ? wantedOfLarge : wantedBindings;
  let reason: string | undefined;
  for (const [index, bind] of (isOpen ? candidateBindings(open) : [{}]).entries()) {
    for (const values of integerChoices(inputs)) {
      try {
        const count = isOpen ? 1 : wanted;
        for await (const sample of randomSource(inputs, { bind, count, seed: index }).samples()) {
          const feeds = new Map([...sample.feeds, ...values]);
          await model.run(feeds);
          found.push({ ...sample, feeds });
        }
      } catch (error) {
        if (!(error instanceof DiagnosticError)) throw error;
        reason ??= error.diagnostic.message;
      }
      if (found.length >= wanted) return { source: listSource(await withEdges()) };
    }
  }
  if (found.length === 0) return { source: undefined, ...(reason !== undefined && { reason }) };
  return { source: listSource(await withEdges()) };
}

/** Where rewrites go wrong: both zeros, ones, and what activations clip, saturate or round. */
const edgeValues = [0, -0, 1, -1, 0.5, -0.5, 3, -3, 6, -6, 1e-6, -1e-6, 2.5, 100, -100] as const;

/** The first sample with its float inputs made of edge values; none where there are no such inputs. */
async function edgeSample([first]: readonly Sample[], model: RunningModel): Promise<readonly Sample[]> {
  const feeds = new Map(first?.feeds);
  for (const [name, { dtype, dims }] of feeds) {
    if (dtype !== 'float') continue;
    const values = Float32Array.from({ length: elementCount(dims) }, (_, at) => edgeValues[at % edgeValues.length]!);
    feeds.set(name, floatTensor(values, dims));
  }
  if (![...feeds.values()].some(({ dtype }) => dtype === 'float')) return [];
  try {
    await model.run(feeds);
    return [{ name: 'edge values', feeds }];
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return [];
  }
}

/** Values for integer inputs: the constants they are compared with, one choice each; or none, which leaves them random. */
function integerChoices(inputs: readonly Value[]): ReadonlyMap<string, Tensor>[] {
  const choices: Map<string, Tensor>[] = [];
  for (const input of inputs) {
    for (const use of input.uses) {
      if (use.kind !== 'node' || !isComparison(use.user)) continue;
      const constant = constantTensor(use.user.inputs[1 - use.index]);
      const rank = input.type?.kind === 'tensor' ? input.type.shape?.length : undefined;
      if (constant !== undefined && elementCount(constant.dims) === 1 && rank === 0) {
        choices.push(new Map([[input.name, reshapeTensor(constant, [])]]));
      }
    }
  }
  return [...choices.slice(0, 4), new Map()];
}

const isComparison = ({ opType }: Node): boolean => opType === 'Equal' || opType === 'Less' || opType === 'Greater';

function listSource(samples: readonly Sample[]): SampleSource {
  return {
    description: `${samples.length} random samples`,
    count: samples.length,
    async *samples() {
      yield* samples;
    },
  };
}

type OpenDimensions = { readonly batch: ReadonlySet<string>; readonly other: ReadonlySet<string> };

/** Names under which `randomSource` takes sizes: symbols, and `input[axis]` where there is none. */
function openDimensions(inputs: readonly InputSpec[]): OpenDimensions {
  const batch = new Set<string>();
  const other = new Set<string>();
  for (const { name, type } of inputs) {
    if (type?.kind !== 'tensor') continue;
    for (const [axis, dim] of (type.shape ?? []).entries()) {
      if (typeof dim === 'number') continue;
      const names = dim === undefined ? [`${name}[${axis}]`] : [...symbolsOf(dim)];
      for (const each of names) (axis === 0 ? batch : other).add(each);
    }
  }
  return { batch, other: new Set([...other].filter((name) => !batch.has(name))) };
}

/** All dimensions of one size, then one of that size among ones, as states and masks beside a sequence want it. */
function candidateBindings({ batch, other }: OpenDimensions): Record<string, number>[] {
  const bind = (batchSize: number, sizeOf: (name: string) => number) =>
    Object.fromEntries([
      ...[...batch].map((name) => [name, batchSize]),
      ...[...other].map((name) => [name, sizeOf(name)]),
    ]);
  if (other.size === 0) return [1, 2, 3].map((batchSize) => bind(batchSize, () => 1));
  const together = sizes.flatMap((size, index) => (index === 0 ? [1, 2] : [1]).map((n) => bind(n, () => size)));
  const alone = [...other]
    .slice(0, other.size > 1 ? 3 : 0)
    .flatMap((long) => sizes.map((size) => bind(1, (name) => (name === long ? size : 1))));
  return [...together, ...alone];
}
