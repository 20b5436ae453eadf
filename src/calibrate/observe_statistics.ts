import { cloneModel } from '../ir/clone.js';
import { dataTypeKind } from '../ir/data_type.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import type { Model, Value } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import type { Tensor } from '../ir/tensor.js';
import { FetchPlanner } from './fetch_groups.js';
import { HistogramCounter } from './histogram.js';
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
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/not-finite` naming the value and the sample,
 * `calibrate/not-float`, what the source or the runtime reports.
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
  const limit = options.maxFetchBytes ?? defaultFetchBytes;
  const planner = new FetchPlanner(model.graph.inputs, fetched, inference, limit);
  const session = fetched.length === 0 ? undefined : await runner(probe.model);
  let samples = 0;
  try {
    const total = options.limit === undefined ? source.count : Math.min(options.limit, source.count ?? options.limit);
    for await (const sample of source.samples()) {
      for (const { name } of fed) gathered.get(name)?.add(sample.feeds.get(name)!, sample.name);
      if (session !== undefined) await fetch(session, sample, planner, probe.outputs, gathered);
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

async function fetch(
  session: RunningModel,
  sample: Sample,
  planner: FetchPlanner,
  outputs: ReadonlyMap<string, string>,
  gathered: ReadonlyMap<string, Gathering>,
): Promise<void> {
  for (const group of planner.groups(sample.feeds)) {
    const wanted = group.map((name) => outputs.get(name)!);
    const results = await session.run(sample.feeds, wanted);
    for (const [index, name] of group.entries()) {
      const tensor = results.get(wanted[index]!)!;
      planner.saw(name, tensor.byteLength);
      gathered.get(name)!.add(tensor, sample.name);
    }
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
    if (!finite) {
      throw new DiagnosticError({
        code: 'calibrate/not-finite',
        message: `"${this.name}" takes NaN or infinity on sample ${sample}`,
        help: 'Look at that sample; 8 bits cannot hold such a value',
      });
    }
    if (min > max) return;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    this.minSum += toSumUnits(min);
    this.maxSum += toSumUnits(max);
    this.samples += 1;
  }

  result(): TensorStatistics | undefined {
    const { min, max, minSum, maxSum, samples } = this;
    return samples === 0
      ? undefined
      : { histogram: this.counter.histogram(), min, max, minSum, maxSum, samples };
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
