import { intAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { Editor } from '../ir/editor.js';
import type { Model, Value } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { knownBounds } from '../ir/ops/known_ranges.js';
import { type Tensor, tensorData } from '../ir/tensor.js';
import type { Range } from '../passes/quantize/ranges.js';
import { meanRange } from './calibrators/average.js';
import { type MagnitudeBounds, magnitudeBounds } from './magnitude_bounds.js';
import { nonFiniteError } from './non_finite.js';
import { observeStatistics } from './observe_statistics.js';
import { runSamples, type SampleOptions } from './run_samples.js';
import type { ModelRunner } from './runner.js';
import type { Sample, SampleSource } from './sources/source.js';
import { toSumUnits } from './statistics.js';

/** The calibrators that need extremes only. `average`: the mean of each sample's; what lies beyond saturates. */
export type ExtremesCalibrator = 'minmax' | 'average';

export type ObserveOptions = SampleOptions & {
  /** Default `minmax`. */
  readonly calibrator?: ExtremesCalibrator;
  /** What becomes of a value that takes NaN or infinity: an error unless told, or no range for it. */
  readonly nonFinite?: 'error' | 'no range';
};

export type Observation = { readonly ranges: ReadonlyMap<string, Range>; readonly samples: number };

/**
 * The smallest and largest value that each of `values` (of the main graph) takes over the samples. The reductions run
 * inside the model, so that two numbers a value and sample come out, whatever the size of the tensors.
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/not-finite`, what the source or the runtime reports.
 */
export async function observeRanges(
  model: Model,
  values: readonly Value[],
  source: SampleSource,
  runner: ModelRunner,
  options: ObserveOptions = {},
): Promise<Observation> {
  if (values.length === 0) return { ranges: new Map(), samples: 0 };
  const magnitudes = magnitudeBounds(model.graph, values);
  const probes = withReductions(model, values, magnitudes.follows);
  const gathered = new Map<string, Gathered>();
  const odd = new Set<string>();
  const isLenient = options.nonFinite === 'no range';
  const samples = await runSamples(probes, source, runner, options, async (results, sample) => {
    const fed = isLenient ? new Map<string, number>() : requireNumbers(sample);
    const found = probes.probes.map((probe) => reductionsOf(probe, results));
    // What is odd here may still be numbers whose sum is none.
    if (!isLenient && (found.some(isOdd) || mayOverflow(magnitudes, found, fed)))
      await requireFiniteValues(model, values, sample, runner);
    for (const extremes of found) {
      if (isLenient && isOdd(extremes)) odd.add(extremes.name);
      else gather(gathered, extremes);
    }
  });
  for (const name of odd) gathered.delete(name);
  return { ranges: rangesOf(gathered, options.calibrator ?? 'minmax'), samples };
}

/** What the samples gave so far of one value. */
type Gathered = { min: number; max: number; minSum: bigint; maxSum: bigint; samples: number };

function rangesOf(gathered: ReadonlyMap<string, Gathered>, calibrator: ExtremesCalibrator): Map<string, Range> {
  return new Map(
    [...gathered].map(([name, { min, max, minSum, maxSum, samples }]) => [
      name,
      calibrator === 'minmax' ? { min, max } : meanRange(minSum, maxSum, samples),
    ]),
  );
}

/** Looks at what goes in, and gives its largest magnitudes. */
function requireNumbers({ name, feeds }: Sample): Map<string, number> {
  const magnitudes = new Map<string, number>();
  for (const [input, tensor] of feeds) {
    if (tensor.dtype !== 'float') continue;
    let largest = 0;
    for (const value of tensorData(tensor) as Float32Array) {
      if (!Number.isFinite(value)) throw nonFiniteError(input, value, name);
      const size = Math.abs(value);
      if (size > largest) largest = size;
    }
    magnitudes.set(input, largest);
  }
  return magnitudes;
}

/** Far enough below the largest float that rounding of sums does not matter. */
const safeMagnitude = 1e37;

/** Whether something may have overflowed on the way to a value that is not summed. */
function mayOverflow(
  { follows, bounds }: MagnitudeBounds,
  found: readonly Reductions[],
  fed: ReadonlyMap<string, number>,
): boolean {
  const observed = new Map(fed);
  for (const each of found)
    observed.set(each.name, isEmpty(each) ? 0 : Math.max(Math.abs(each.min), Math.abs(each.max)));
  const reached = bounds(observed);
  return [...follows].some(({ name }) => !(reached.get(name)! < safeMagnitude));
}

/**
 * Runs one sample again and looks at every element, in the order in which the values are computed.
 * @throws DiagnosticError `calibrate/not-finite`.
 */
async function requireFiniteValues(
  model: Model,
  values: readonly Value[],
  sample: Sample,
  runner: ModelRunner,
): Promise<void> {
  const inOrder = values.toSorted((a, b) => (a.producer?.order ?? -1) - (b.producer?.order ?? -1));
  const source: SampleSource = {
    description: sample.name,
    async *samples() {
      yield sample;
    },
  };
  await observeStatistics(model, inOrder, source, runner);
}

/** What one sample gave of one value. */
type Reductions = { readonly name: string; readonly min: number; readonly max: number; readonly sum: number };

const reductionsOf = ({ name, min, max, sum }: Probe, results: ReadonlyMap<string, Tensor>): Reductions => ({
  name,
  min: typeof min === 'number' ? min : reductionAt(results, min),
  max: reductionAt(results, max),
  sum: sum === undefined ? 0 : reductionAt(results, sum),
});

/** An empty tensor reduces to nothing: the largest of no numbers is −infinity. */
const isEmpty = ({ min, max }: Reductions): boolean => max === Number.NEGATIVE_INFINITY && min > max;

const isOdd = (each: Reductions): boolean =>
  !isEmpty(each) && !(Number.isFinite(each.min) && Number.isFinite(each.max) && Number.isFinite(each.sum));

function gather(gathered: Map<string, Gathered>, extremes: Reductions): void {
  if (isEmpty(extremes)) return;
  const { name, min, max } = extremes;
  const known = gathered.get(name);
  if (known === undefined) {
    gathered.set(name, { min, max, minSum: toSumUnits(min), maxSum: toSumUnits(max), samples: 1 });
    return;
  }
  known.min = Math.min(known.min, min);
  known.max = Math.max(known.max, max);
  known.minSum += toSumUnits(min);
  known.maxSum += toSumUnits(max);
  known.samples += 1;
}

const reductionAt = (results: ReadonlyMap<string, Tensor>, { output, index }: Place): number =>
  Number(tensorData(results.get(output)!)[index]);

/** Where a reduction comes out: an output and the position in it. */
type Place = { output: string; index: number };

/**
 * The reductions of one value; a number where the smallest is known without looking. The runtime's extremes pass NaN by,
 * its sums do not; inputs are looked at before, and of some values numbers alone can come.
 */
type Probe = {
  readonly name: string;
  readonly min: Place | number;
  readonly max: Place;
  readonly sum: Place | undefined;
};

type Probes = { readonly model: Model; readonly probes: readonly Probe[]; readonly outputs: readonly string[] };

/** A copy of the model whose only outputs are the extremes of the named values. */
function withReductions(source: Model, values: readonly Value[], finite: ReadonlySet<Value>): Probes {
  const model = cloneModel(source);
  const editor = new Editor(model);
  const { graph } = model;
  for (const slot of [...graph.outputs]) editor.removeOutput(slot);
  const inference = new Inference(source);
  // Extremes of one rank are joined into one output: fetching each on its own would cost more than computing it.
  const groups = new Map<string, { value: Value; place: Place }[]>();
  const probes = values.map((observed): Probe => {
    const { name, producer } = observed;
    const value = graph.values.get(name)!;
    const rank = inference.shapeOf(observed)?.length;
    const reduce = (opType: string, of: Value): Place => {
      const node = editor.insertNode({ graph, opType, inputs: [of], outputs: 1 });
      const place = { output: '', index: 0 };
      const group = rank === undefined || rank === 0 ? name : `rank ${rank}`;
      groups.set(group, [...(groups.get(group) ?? []), { value: node.outputs[0]!, place }]);
      return place;
    };
    const known = producer === null ? undefined : knownBounds(producer.domain, producer.opType).min;
    const isSummed = producer !== null && !finite.has(observed);
    const sumOf = (of: () => Value) => (isSummed ? reduce('ReduceSum', of()) : undefined);
    if (known === undefined) {
      return { name, min: reduce('ReduceMin', value), max: reduce('ReduceMax', value), sum: sumOf(() => value) };
    }
    // The runtime pools in the layout its convolutions write; a reduction would first bring the tensor back to NCHW.
    const pooled = (opType: string): Value =>
      rank === 4 ? editor.insertNode({ graph, opType, inputs: [value], outputs: 1 }).outputs[0]! : value;
    return {
      name,
      min: known,
      max: reduce('ReduceMax', pooled('GlobalMaxPool')),
      sum: sumOf(() => pooled('GlobalAveragePool')),
    };
  });
  const outputs = [...groups].flatMap(([group, extremes]) => joinExtremes(editor, group, extremes));
  return { model, probes, outputs };
}

/** Makes a group of extremes one output, or one each where they cannot be joined; returns the names of the outputs. */
function joinExtremes(editor: Editor, group: string, extremes: readonly { value: Value; place: Place }[]): string[] {
  const { graph } = editor.model;
  const output = (value: Value): string =>
    editor.addOutput(graph, value, editor.freshName('extremes'), { kind: 'tensor', dtype: 'float', shape: undefined })
      .name;
  if (!group.startsWith('rank ')) {
    return extremes.map(({ value, place }) => {
      place.output = output(value);
      return place.output;
    });
  }
  const joined = editor.insertNode({
    graph,
    opType: 'Concat',
    inputs: extremes.map(({ value }) => value),
    outputs: 1,
    attributes: [intAttribute('axis', 0)],
  });
  const name = output(joined.outputs[0]!);
  for (const [index, { place }] of extremes.entries()) Object.assign(place, { output: name, index });
  return [name];
}
