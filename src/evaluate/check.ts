import type { ModelRunner, RunningModel } from '../calibrate/runner.js';
import { type OpenSourceOptions, openSource, type SourceSpec } from '../calibrate/sources/open_source.js';
import type { SampleSource } from '../calibrate/sources/source.js';
import { type Diagnostic, DiagnosticError } from '../ir/diagnostic.js';
import type { Model } from '../ir/graph.js';
import { encodeHalf } from '../ir/half_float.js';
import { floatTensor, type Tensor, tensorData, tensorFromData } from '../ir/tensor.js';
import { apparentHalf } from './apparent_precision.js';
import { samplesThatRun } from './check_samples.js';
import { type Comparison, compareOutputs, compareSignatures, fedInputs, type HalfPorts } from './compare.js';
import { floatValues } from './output_error.js';
import { spellRounding } from './spell_rounding.js';
import { type Tolerance, tolerances } from './tolerance.js';

export type CheckOptions = OpenSourceOptions & {
  /** Samples to compare on; made from the declared types where none are given. */
  readonly data?: SourceSpec;
  /** Samples to compare at most; default 8. */
  readonly limit?: number;
  /** What outputs may differ by, instead of what follows from the precision. */
  readonly tolerance?: Partial<Tolerance>;
  onSample?(done: number, total: number | undefined): void;
};

/** The proof that a model still answers the same, or why there is none. */
export type Check =
  | {
      readonly status: 'passed';
      readonly comparison: Comparison;
      readonly data: string;
      /** Why the result was not run as it is, but in float32 with every rounding spelled out. */
      readonly spelledOut?: string;
    }
  | { readonly status: 'skipped'; readonly reason: string };

/** The candidate answers otherwise than the reference. */
export class CheckFailedError extends DiagnosticError {
  readonly comparison: Comparison;

  /** `help` says what may be done about it. */
  constructor(comparison: Comparison, help?: string) {
    const reasons = [
      ...comparison.signature,
      ...comparison.outputs.flatMap(({ name, violation }) =>
        violation === undefined ? [] : [`"${name}": ${violation}`],
      ),
    ];
    super({
      code: 'check/failed',
      message: `the result does not answer as the original: ${reasons.slice(0, 3).join('; ')}`,
      ...(help !== undefined && { help }),
    });
    this.name = 'CheckFailedError';
    this.comparison = comparison;
  }
}

const defaultLimit = 8;

/** What is special about a candidate of 16-bit floats. */
export type HalfCandidate = {
  /** Inputs and outputs that may be of the 16-bit type. */
  readonly ports: HalfPorts;
  /** Whether it fails where the runtime does not load it; otherwise its roundings are spelled out for the runtime. */
  readonly mustLoad: boolean;
};

const int8Help = '--min-sqnr leaves in float what does most harm; quantize --analyze shows what that is';

/**
 * Compares a rewritten model with its original in the runtime: names, types and shapes, and every output on samples.
 * One of 16-bit floats is compared twice: as the runtime runs it, which may leave out roundings between nodes that it has
 * no kernels for, and with every rounding spelled out. Skipped where the original itself does not run.
 * @throws CheckFailedError; DiagnosticError where the candidate does not run although the original does.
 */
export async function checkModel(
  reference: Model,
  candidate: Model,
  precision: keyof typeof tolerances,
  runner: ModelRunner,
  options: CheckOptions = {},
  half?: HalfCandidate,
): Promise<Check> {
  const signature = compareSignatures(reference, candidate, half?.ports ?? new Set());
  const original = await openReference(reference, runner, options, half === undefined);
  if (typeof original === 'string') return { status: 'skipped', reason: original };
  const { running, samples } = original;
  try {
    const names = reference.graph.outputs.map(({ name }) => name);
    const tolerance: Tolerance = { ...tolerances[precision], ...options.tolerance };
    const limit = options.limit ?? defaultLimit;
    const settings = { limit, ...(options.onSample && { onSample: options.onSample }) };
    const compare = async (opened: RunningModel): Promise<Comparison> => {
      try {
        const compared = await compareOutputs(running, opened, names, samples, tolerance, settings);
        const comparison = { ...compared, ...signature, passed: compared.passed && signature.signature.length === 0 };
        if (!comparison.passed) throw new CheckFailedError(comparison, precision === 'int8' ? int8Help : undefined);
        return comparison;
      } finally {
        await opened.close();
      }
    };
    const data = samples.description;
    if (half === undefined) return { status: 'passed', comparison: await compare(await runner(candidate)), data };
    const direct = await openHalf(candidate, runner, half);
    if (typeof direct !== 'string') await compare(direct);
    // This one is reported: it is the same whatever kernels the runtime here has.
    const comparison = await compare(await openSpelled(candidate, runner));
    return { status: 'passed', comparison, data, ...(typeof direct === 'string' && { spelledOut: direct }) };
  } finally {
    await running.close();
  }
}

/** A reference that runs, with samples for it, edge values among those made up or not; in words, why there is none. */
export async function openReference(
  reference: Model,
  runner: ModelRunner,
  options: CheckOptions,
  edges: boolean,
): Promise<{ readonly running: RunningModel; readonly samples: SampleSource } | string> {
  let running: RunningModel;
  try {
    running = rememberingRuns(await runner(reference));
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return `the runtime does not load the original: ${error.diagnostic.message}`;
  }
  try {
    const samples = await openSamples(reference, running, options, edges);
    if (typeof samples !== 'string') return { running, samples };
    await running.close();
    return samples;
  } catch (error) {
    await running.close();
    throw error;
  }
}

/** A candidate of 16-bit floats as it is; in words, why the runtime does not run it. */
async function openHalf(
  candidate: Model,
  runner: ModelRunner,
  { mustLoad }: HalfCandidate,
): Promise<RunningModel | string> {
  const ports = [...candidate.graph.inputs, ...candidate.graph.outputs];
  if (ports.some(({ type }) => type?.kind === 'tensor' && type.dtype === 'bfloat16')) {
    return 'its inputs or outputs are bfloat16, which does not pass the JavaScript binding of ONNX Runtime';
  }
  try {
    return fedAsDeclared(await runner(candidate), candidate);
  } catch (error) {
    if (!(error instanceof DiagnosticError) || mustLoad) throw error;
    return `the runtime does not load it here: ${error.diagnostic.message}`;
  }
}

/** A running model that is fed float32 where it wants float16, and the other way round. */
function fedAsDeclared(running: RunningModel, { graph }: Model): RunningModel {
  const types = new Map(graph.inputs.map(({ name, type }) => [name, type?.kind === 'tensor' ? type.dtype : undefined]));
  const brought = (name: string, tensor: Tensor): Tensor => {
    const { dtype, dims } = tensor;
    const wanted = types.get(name);
    if (dtype === 'float' && wanted === 'float16') {
      return tensorFromData('float16', dims, encodeHalf('float16', tensorData(tensor) as Float32Array));
    }
    return dtype === 'float16' && wanted === 'float' ? floatTensor(floatValues(tensor), dims) : tensor;
  };
  return {
    run(feeds, wanted) {
      return running.run(new Map(Array.from(feeds, ([name, tensor]) => [name, brought(name, tensor)])), wanted);
    },
    close: () => running.close(),
  };
}

/** A model whose roundings are all spelled out, ready to be fed what the model itself is fed. */
export async function openSpelled(candidate: Model, runner: ModelRunner): Promise<RunningModel> {
  const spelled = spellRounding(candidate);
  return fedAsDeclared(await runner(spelled), spelled);
}

/** Samples are found by running them on the original: what it answered then needs no second run. */
function rememberingRuns(model: RunningModel): RunningModel {
  const answers = new WeakMap<object, ReturnType<RunningModel['run']>>();
  return {
    ...model,
    run(feeds, wanted) {
      const answer = wanted === undefined ? (answers.get(feeds) ?? model.run(feeds)) : model.run(feeds, wanted);
      if (wanted === undefined) answers.set(feeds, answer);
      return answer;
    },
    close: () => model.close(),
  };
}

async function openSamples(
  reference: Model,
  original: RunningModel,
  options: CheckOptions,
  edges: boolean,
): Promise<SampleSource | string> {
  const inputs = fedInputs(reference);
  if (options.data !== undefined) return openSource(options.data, inputs, options);
  const { source, reason } = await samplesThatRun(reference.graph, original, edges);
  return source ?? `the original runs on no sample that could be made from its types: ${reason ?? 'no input fits'}`;
}

/** How a candidate that came as a file is compared: inputs and outputs may be of 16 bits where the model is. */
export const halfCandidateOf = (reference: Model, candidate: Model): HalfCandidate | undefined =>
  apparentHalf(candidate) !== undefined && apparentHalf(reference) === undefined
    ? { ports: 'any', mustLoad: false }
    : undefined;

const spelled = 'the result was not run as it is but in float32 with every rounding spelled out';

/** How a check that did not happen is said. */
export const checkDiagnostics = (check: Check): readonly Diagnostic[] =>
  check.status === 'passed'
    ? check.spelledOut === undefined
      ? []
      : [{ code: 'check/spelled-out', severity: 'warning', message: `${spelled}: ${check.spelledOut}` }]
    : [{ code: 'check/skipped', severity: 'warning', message: check.reason, help: 'Compare with data of your own' }];
