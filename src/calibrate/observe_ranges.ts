import { intAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import type { Model, Value } from '../ir/graph.js';
import { type Tensor, tensorData } from '../ir/tensor.js';
import type { Range } from '../passes/quantize/ranges.js';
import type { ModelRunner } from './runner.js';
import type { SampleSource } from './sources/source.js';

export type ObserveOptions = {
  /** Stop after this many samples. */
  readonly limit?: number;
  /** Called after each sample, for progress. */
  onSample?(done: number, total: number | undefined): void;
};

export type Observation = { readonly ranges: ReadonlyMap<string, Range>; readonly samples: number };

/**
 * The smallest and largest value that each of `values` (of the main graph) takes over the samples. The reductions run
 * inside the model, so that two numbers a value and sample come out, whatever the size of the tensors.
 * @throws DiagnosticError `calibrate/no-samples`, `calibrate/non-finite`, what the source or the runtime reports.
 */
export async function observeRanges(
  model: Model,
  values: readonly Value[],
  source: SampleSource,
  runner: ModelRunner,
  options: ObserveOptions = {},
): Promise<Observation> {
  if (values.length === 0) return { ranges: new Map(), samples: 0 };
  const probes = withReductions(
    model,
    values.map(({ name }) => name),
  );
  const session = await runner(probes.model);
  const ranges = new Map<string, { min: number; max: number }>();
  let samples = 0;
  try {
    const total = options.limit === undefined ? source.count : Math.min(options.limit, source.count ?? options.limit);
    for await (const sample of source.samples()) {
      const results = await session.run(sample.feeds, probes.outputs);
      for (const { name, min, max } of probes.probes) {
        widen(ranges, name, scalar(results.get(min)), scalar(results.get(max)), sample.name);
      }
      samples += 1;
      options.onSample?.(samples, total);
      if (samples === options.limit) break;
    }
  } finally {
    await session.close();
  }
  if (samples === 0) throw new DiagnosticError({ code: 'calibrate/no-samples', message: 'the data holds no sample' });
  return { ranges, samples };
}

function widen(
  ranges: Map<string, { min: number; max: number }>,
  name: string,
  min: number,
  max: number,
  sample: string,
): void {
  // An empty tensor reduces to nothing: the largest of no numbers is −infinity.
  if (min === Number.POSITIVE_INFINITY && max === Number.NEGATIVE_INFINITY) return;
  if (!Number.isFinite(min) || !Number.isFinite(max)) {
    throw new DiagnosticError({
      code: 'calibrate/non-finite',
      message: `"${name}" takes ${Number.isNaN(min) || Number.isNaN(max) ? 'NaN' : 'infinity'} on sample ${sample}`,
      help: 'Look at that sample; 8 bits cannot hold such a value',
    });
  }
  const range = ranges.get(name);
  if (range === undefined) ranges.set(name, { min, max });
  else {
    range.min = Math.min(range.min, min);
    range.max = Math.max(range.max, max);
  }
}

const scalar = (tensor: Tensor | undefined): number =>
  tensor === undefined ? Number.NaN : Number(tensorData(tensor)[0]);

type Probe = { readonly name: string; readonly min: string; readonly max: string };

/** A copy of the model whose only outputs are the extremes of the named values. */
function withReductions(source: Model, names: readonly string[]): { model: Model; probes: Probe[]; outputs: string[] } {
  const model = cloneModel(source);
  const editor = new Editor(model);
  const { graph } = model;
  for (const slot of [...graph.outputs]) editor.removeOutput(slot);
  const probes = names.map((name): Probe => {
    const value = graph.values.get(name)!;
    const reduce = (opType: string): string => {
      const node = editor.insertNode({
        graph,
        opType,
        inputs: [value],
        outputs: [{ name: `${name}/${opType}` }],
        attributes: [intAttribute('keepdims', 0)],
      });
      return editor.addOutput(graph, node.outputs[0]!, undefined, { kind: 'tensor', dtype: 'float', shape: [] }).name;
    };
    return { name, min: reduce('ReduceMin'), max: reduce('ReduceMax') };
  });
  return { model, probes, outputs: probes.flatMap(({ min, max }) => [min, max]) };
}
