import { cloneModel } from '../ir/clone.js';
import { dataTypeKind } from '../ir/data_type.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import type { Model, Value } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import type { Tensor } from '../ir/tensor.js';
import { type FetchGroup, FetchPlanner } from './fetch_groups.js';
import { HistogramCounter } from './histogram.js';
import { nonFiniteError } from './non_finite.js';
import type { ModelRunner, RunningModel } from './runner.js';
import type { Sample, SampleSource } from './sources/source.js';
import { type Statistics, type TensorStatistics, toSumUnits } from './statistics.js';

export type ObserveOptions = {
  /** Stop after this many samples. */
  readonly limit?: number;
  /** Activations held at a time, in bytes; 256 MiB unless told. A sample that gives more is run once per so many. */
  readonly maxFetchBytes?: number;
  /** Called after each sample, for progress. */
  onSample?(done: number, total: number | undefined): void;
};

const defaultFetchBytes = 2 ** 28;

/**
 * What each of `values` (floats of the main graph) holds over the samples, every element of it counted. Memory follows
 * the number of values and `maxFetchBytes`, not the number of samples.
 * @throws DiagnosticError `calibrate/not-finite` naming the value and the sample, `calibrate/not-float`, what the source
 * or the runtime reports.
 */
export async function observeStatistics(
  model: Model,
  values: readonly Value[],
  source: SampleSource,
  runner: ModelRunner,
  options: ObserveOptions = {},
): Promise<Statistics> {
  if (values.length === 0) return { samples: 0, tensors: new Map() };
  const inference = new Inference(model);
  requireFloats(values, inference);
  const gathered = new Map(values.map(({ name }) => [name, new Gathering(name)]));
  const fed = new Set(model.graph.inputs.filter(({ initializer }) => initializer === null));
  const fetched = values.filter((value) => !fed.has(value));
  const probe = withOutputs(model, fetched, inference);
  // Two runs' results are there at a time.
  const limit = (options.maxFetchBytes ?? defaultFetchBytes) / 2;
  const planner = new FetchPlanner(model.graph.inputs, fetched, inference, limit);
  const session = fetched.length === 0 ? undefined : await runner(probe.model);
  let samples = 0;
  const total = options.limit === undefined ? source.count : Math.min(options.limit, source.count ?? options.limit);
  try {
    for await (const { sample, results, group, isLast } of ahead(runs(source, session, planner, probe.outputs))) {
      if (isLast) for (const { name } of fed) gathered.get(name)?.add(sample.feeds.get(name)!, sample.name);
      const fetched = await results;
      for (const name of group) {
        const tensor = fetched.get(probe.outputs.get(name)!)!;
        planner.saw(name, tensor.byteLength);
        gathered.get(name)!.add(tensor, sample.name);
      }
      if (!isLast) continue;
      samples += 1;
      options.onSample?.(samples, total);
      if (samples === options.limit) break;
    }
  } finally {
    await session?.close();
  }
  if (samples === 0) throw new DiagnosticError({ code: 'calibrate/no-samples', message: 'the data holds no sample' });
  const tensors = [...gathered].flatMap(([name, gathering]) => {
    const statistics = gathering.result();
    return statistics === undefined ? [] : [[name, statistics] as const];
  });
  return { samples, tensors: new Map(tensors) };
}

function requireFloats(values: readonly Value[], inference: Inference): void {
  for (const value of values) {
    const type = inference.typeOf(value);
    if (type?.kind !== 'tensor' || type.dtype === undefined || dataTypeKind(type.dtype) === 'float') continue;
    throw new DiagnosticError({
      code: 'calibrate/not-float',
      message: `"${value.name}" holds ${type.dtype}; ranges are of floats`,
    });
  }
}

/** One run that was asked for: the values of a group, on a sample. */
type Run = {
  readonly sample: Sample;
  readonly group: FetchGroup;
  readonly results: Promise<ReadonlyMap<string, Tensor>>;
  /** The sample's last run. */
  readonly isLast: boolean;
};

async function* runs(
  source: SampleSource,
  session: RunningModel | undefined,
  planner: FetchPlanner,
  outputs: ReadonlyMap<string, string>,
): AsyncGenerator<Run> {
  for await (const sample of source.samples()) {
    const groups = session === undefined ? [] : planner.groups(sample.feeds);
    if (session === undefined || groups.length === 0) {
      yield { sample, group: [], results: Promise.resolve(new Map()), isLast: true };
      continue;
    }
    for (const [index, group] of groups.entries()) {
      const wanted = group.map((name) => outputs.get(name)!);
      const results = session.run(sample.feeds, wanted);
      // Who waits for it comes later, or, where an earlier run failed, never.
      results.catch(() => undefined);
      yield { sample, group, results, isLast: index === groups.length - 1 };
    }
  }
}

/** Asks for the next run before the last one is looked at, so that the model runs while its results are counted. */
async function* ahead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = items.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = items.next();
      next.catch(() => undefined);
      yield value;
    }
  } finally {
    await next.catch(() => undefined);
    await items.return(undefined);
  }
}

/** What the samples gave so far of one value. */
class Gathering {
  private readonly name: string;
  private readonly counter = new HistogramCounter();
  private min = Number.POSITIVE_INFINITY;
  private max = Number.NEGATIVE_INFINITY;
  private minSum = 0n;
  private maxSum = 0n;
  private samples = 0;

  constructor(name: string) {
    this.name = name;
  }

  add(tensor: Tensor, sample: string): void {
    const { min, max, finite } = this.counter.add(tensor);
    if (!finite) throw nonFiniteError(this.name, undefined, sample);
    if (min > max) return;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    this.minSum += toSumUnits(min);
    this.maxSum += toSumUnits(max);
    this.samples += 1;
  }

  result(): TensorStatistics | undefined {
    const { min, max, minSum, maxSum, samples } = this;
    return samples === 0 ? undefined : { histogram: this.counter.histogram(), min, max, minSum, maxSum, samples };
  }
}

/** A copy of the model whose outputs are the named values; the outputs' names by those of the values. */
function withOutputs(
  source: Model,
  values: readonly Value[],
  inference: Inference,
): { model: Model; outputs: ReadonlyMap<string, string> } {
  const model = cloneModel(source);
  const editor = new Editor(model);
  const { graph } = model;
  for (const slot of [...graph.outputs]) editor.removeOutput(slot);
  const outputs = new Map<string, string>();
  for (const value of values) {
    const type = inference.typeOf(value);
    const dtype = type?.kind === 'tensor' && type.dtype !== undefined ? type.dtype : 'float';
    const slot = editor.addOutput(graph, graph.values.get(value.name)!, editor.freshName('observed'), {
      kind: 'tensor',
      dtype,
      shape: undefined,
    });
    outputs.set(value.name, slot.name);
  }
  return { model, outputs };
}
