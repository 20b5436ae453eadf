import type { ModelRunner, RunningModel } from '../calibrate/runner.js';
import { type OpenSourceOptions, openSource, type SourceSpec } from '../calibrate/sources/open_source.js';
import type { SampleSource } from '../calibrate/sources/source.js';
import { getInt } from '../ir/attribute.js';
import { constantTensor } from '../ir/constant.js';
import { type Diagnostic, DiagnosticError } from '../ir/diagnostic.js';
import type { Model, Node } from '../ir/graph.js';
import { modelGraphs } from '../ir/traversal.js';
import { samplesThatRun } from './check_samples.js';
import { type Comparison, compareOutputs, fedInputs, signatureDifferences } from './compare.js';
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
  | { readonly status: 'passed'; readonly comparison: Comparison; readonly data: string }
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

const int8Help = '--min-sqnr leaves in float what does most harm; quantize --analyze shows what that is';

/**
 * Compares a rewritten model with its original in the runtime: names, types and shapes, and every output on samples.
 * Skipped where the original itself does not run.
 * @throws CheckFailedError; DiagnosticError where the candidate does not run although the original does.
 */
export async function checkModel(
  reference: Model,
  candidate: Model,
  precision: keyof typeof tolerances,
  runner: ModelRunner,
  options: CheckOptions = {},
): Promise<Check> {
  const signature = signatureDifferences(reference, candidate);
  let original: RunningModel;
  try {
    original = rememberingRuns(await runner(reference));
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return { status: 'skipped', reason: `the runtime does not load the original: ${error.diagnostic.message}` };
  }
  try {
    const samples = await openSamples(reference, original, options);
    if (typeof samples === 'string') return { status: 'skipped', reason: samples };
    const rewritten = await runner(candidate);
    try {
      const names = reference.graph.outputs.map(({ name }) => name);
      const tolerance: Tolerance = { ...tolerances[precision], ...options.tolerance };
      const limit = options.limit ?? defaultLimit;
      const settings = { limit, ...(options.onSample && { onSample: options.onSample }) };
      const compared = await compareOutputs(original, rewritten, names, samples, tolerance, settings);
      const passed = compared.passed && signature.length === 0;
      const comparison: Comparison = { ...compared, signature, passed };
      if (!passed) throw new CheckFailedError(comparison, precision === 'int8' ? int8Help : undefined);
      return { status: 'passed', comparison, data: samples.description };
    } finally {
      await rewritten.close();
    }
  } finally {
    await original.close();
  }
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
): Promise<SampleSource | string> {
  const inputs = fedInputs(reference);
  if (options.data !== undefined) return openSource(options.data, inputs, options);
  const { source, reason } = await samplesThatRun(reference.graph, original);
  return source ?? `the original runs on no sample that could be made from its types: ${reason ?? 'no input fits'}`;
}

/** The precision that a model's own operators show, the coarsest where they show several; else fp32. */
export function apparentPrecision(model: Model): keyof typeof tolerances {
  let found: keyof typeof tolerances = 'fp32';
  for (const graph of modelGraphs(model)) {
    for (const node of graph.nodes) {
      if (hasFourBits(node)) return 'int4';
      if (quantizing.has(node.opType)) found = found === 'int8' || !isFloat8(node) ? 'int8' : 'fp8';
      else if (found === 'fp32' && dequantizing.has(node.opType)) found = 'int8-weights';
    }
  }
  return found;
}

const isFloat8 = (node: Node): boolean => constantTensor(node.inputs[2])?.dtype.startsWith('float8') === true;

const quantizing: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
  'QLinearConv',
  'QLinearMatMul',
]);

const dequantizing: ReadonlySet<string> = new Set(['DequantizeLinear', 'MatMulNBits', 'GatherBlockQuantized']);

function hasFourBits(node: Node): boolean {
  if (node.opType === 'MatMulBnb4') return true;
  if (!dequantizing.has(node.opType)) return false;
  const dtype = constantTensor(node.inputs[0])?.dtype;
  return node.opType === 'DequantizeLinear' ? dtype === 'int4' || dtype === 'uint4' : getInt(node, 'bits', 4) === 4;
}

/** How a check that did not happen is said. */
export const checkDiagnostics = (check: Check): readonly Diagnostic[] =>
  check.status === 'passed'
    ? []
    : [{ code: 'check/skipped', severity: 'warning', message: check.reason, help: 'Compare with data of your own' }];
