import { intAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import type { Model, Value } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { knownBounds } from '../ir/ops/known_ranges.js';
import { type Tensor, tensorData } from '../ir/tensor.js';
import type { Range } from '../passes/quantize/ranges.js';
import { meanRange } from './calibrators/average.js';
import type { ModelRunner } from './runner.js';
import type { Sample, SampleSource } from './sources/source.js';
import { toSumUnits } from './statistics.js';

/** The calibrators that need extremes only. `average`: the mean of each sample's; what lies beyond saturates. */
export type ExtremesCalibrator = 'minmax' | 'average';

export type ObserveOptions = {
  /** Default `minmax`. */
  readonly calibrator?: ExtremesCalibrator;
  /** Stop after this many samples. */
  readonly limit?: number;
  /** Called after each sample, for progress. */
  onSample?(done: number, total: number | undefined): void;
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
  const probes = withReductions(model, values);
  const session = await runner(probes.model);
  const gathered = new Map<string, Gathered>();
  let samples = 0;
  try {
    const total = options.limit === undefined ? source.count : Math.min(options.limit, source.count ?? options.limit);
    for await (const sample of source.samples()) {
      requireNumbers(sample);
      const results = await session.run(sample.feeds, probes.outputs);
      for (const { name, min, max } of probes.probes) {
        const least = typeof min === 'number' ? min : extremeAt(results, min);
        gather(gathered, name, least, extremeAt(results, max), sample.name);
      }
      samples += 1;
      options.onSample?.(samples, total);
      if (samples === options.limit) break;
    }
  } finally {
    await session.close();
  }
  if (samples === 0) throw new DiagnosticError({ code: 'calibrate/no-samples', message: 'the data holds no sample' });
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

/** The runtime's reductions pass NaN by, so what goes in is looked at here. */
function requireNumbers({ name, feeds }: Sample): void {
  for (const [input, tensor] of feeds) {
    if (tensor.dtype !== 'float') continue;
    for (const value of tensorData(tensor) as Float32Array)
      if (!Number.isFinite(value)) throw nonFinite(input, value, name);
  }
}

const nonFinite = (value: string, found: number, sample: string): DiagnosticError =>
  new DiagnosticError({
    code: 'calibrate/not-finite',
    message: `"${value}" takes ${Number.isNaN(found) ? 'NaN' : 'infinity'} on sample ${sample}`,
    help: 'Look at that sample; 8 bits cannot hold such a value',
  });

function gather(gathered: Map<string, Gathered>, name: string, min: number, max: number, sample: string): void {
  // An empty tensor reduces to nothing: the largest of no numbers is −infinity.
  if (max === Number.NEGATIVE_INFINITY && min > max) return;
  const odd = [min, max].find((value) => !Number.isFinite(value));
  if (odd !== undefined) throw nonFinite(name, odd, sample);
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

const extremeAt = (results: ReadonlyMap<string, Tensor>, { output, index }: Place): number =>
  Number(tensorData(results.get(output)!)[index]);

/** Where an extreme comes out: an output and the position in it. */
type Place = { output: string; index: number };

/** The extremes of one value; a number where the smallest is known without looking. */
type Probe = { readonly name: string; readonly min: Place | number; readonly max: Place };

type Probes = { readonly model: Model; readonly probes: readonly Probe[]; readonly outputs: readonly string[] };

/** A copy of the model whose only outputs are the extremes of the named values. */
function withReductions(source: Model, values: readonly Value[]): Probes {
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
    if (known === undefined) return { name, min: reduce('ReduceMin', value), max: reduce('ReduceMax', value) };
    // The runtime pools in the layout its convolutions write; a reduction would first bring the tensor back to NCHW.
    const pooled =
      rank === 4 ? editor.insertNode({ graph, opType: 'GlobalMaxPool', inputs: [value], outputs: 1 }) : undefined;
    return { name, min: known, max: reduce('ReduceMax', pooled?.outputs[0] ?? value) };
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
