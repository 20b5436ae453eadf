import type { RunningModel } from '../calibrate/runner.js';
import type { SampleSource } from '../calibrate/sources/source.js';
import type { Model, OutputSlot, Value } from '../ir/graph.js';
import type { Tensor } from '../ir/tensor.js';
import { formatType, type ValueType } from '../ir/value_type.js';
import { ErrorAccumulator, type OutputError } from './output_error.js';
import { type Tolerance, toleranceViolation } from './tolerance.js';

export type OutputComparison = {
  readonly name: string;
  readonly error: OutputError;
  /** Why it is out of tolerance; undefined where it is within. */
  readonly violation: string | undefined;
};

export type Comparison = {
  /** Differences in names, order, types or shapes of inputs and outputs, in words. */
  readonly signature: readonly string[];
  /** Inputs and outputs that are 16-bit floats where the reference has float32, as they may be, in words. */
  readonly retyped: readonly string[];
  readonly outputs: readonly OutputComparison[];
  readonly samples: number;
  readonly passed: boolean;
};

/** Inputs and outputs, by name, that may be 16-bit floats where the reference has float32. */
export type HalfPorts = ReadonlySet<string> | 'any';

export const signatureDifferences = (reference: Model, candidate: Model): readonly string[] =>
  compareSignatures(reference, candidate, new Set()).signature;

/** What a caller sees of a model: its inputs that need feeding, and its outputs. */
export function compareSignatures(
  reference: Model,
  candidate: Model,
  halfPorts: HalfPorts,
): Pick<Comparison, 'signature' | 'retyped'> {
  const differences: string[] = [];
  const retyped: string[] = [];
  const compare = (kind: string, a: readonly (Value | OutputSlot)[], b: readonly (Value | OutputSlot)[]) => {
    const names = (parts: readonly { readonly name: string }[]) => parts.map(({ name }) => name).join(', ');
    if (names(a) !== names(b)) differences.push(`${kind}s are named ${names(b)}, were ${names(a)}`);
    else {
      for (const [index, part] of a.entries()) {
        const { type } = b[index]!;
        if (sameType(part.type, type)) continue;
        const mayChange = (halfPorts === 'any' || halfPorts.has(part.name)) && isNarrowed(part.type, type);
        const words = `${kind} "${part.name}" is ${formatType(type)}, was ${formatType(part.type)}`;
        (mayChange ? retyped : differences).push(words);
      }
    }
  };
  compare('input', fedInputs(reference), fedInputs(candidate));
  compare('output', reference.graph.outputs, candidate.graph.outputs);
  return { signature: differences, retyped };
}

/** Whether a type is another one with 16-bit floats in the place of float32. */
const isNarrowed = (wide: ValueType | undefined, narrow: ValueType | undefined): boolean =>
  wide?.kind === 'tensor' &&
  narrow?.kind === 'tensor' &&
  wide.dtype === 'float' &&
  (narrow.dtype === 'float16' || narrow.dtype === 'bfloat16') &&
  sameType({ ...wide, dtype: narrow.dtype }, narrow);

/** Inputs a caller has to feed: those without a default. */
export const fedInputs = (model: Model): Value[] =>
  model.graph.inputs.filter(({ initializer }) => initializer === null);

const sameType = (a: ValueType | undefined, b: ValueType | undefined): boolean => formatType(a) === formatType(b);

/**
 * Runs both models on every sample and measures how far the candidate's outputs are from the reference's.
 * @throws DiagnosticError where a model does not run.
 */
export async function compareOutputs(
  reference: RunningModel,
  candidate: RunningModel,
  outputs: readonly string[],
  source: SampleSource,
  tolerance: Tolerance,
  options: { readonly limit?: number; onSample?(done: number, total: number | undefined): void } = {},
): Promise<Omit<Comparison, 'signature' | 'retyped'>> {
  const errors = new Map(outputs.map((name) => [name, new ErrorAccumulator()]));
  const shapes = new Map<string, string>();
  const total = options.limit === undefined ? source.count : Math.min(options.limit, source.count ?? options.limit);
  let samples = 0;
  for await (const sample of source.samples()) {
    const expected = await reference.run(sample.feeds);
    const actual = await candidate.run(sample.feeds);
    for (const name of outputs) {
      const difference = addOutput(errors.get(name)!, expected.get(name), actual.get(name));
      if (difference !== undefined && !shapes.has(name)) shapes.set(name, `${difference} on sample ${sample.name}`);
    }
    samples += 1;
    options.onSample?.(samples, total);
    if (samples === options.limit) break;
  }
  const compared = outputs.map((name): OutputComparison => {
    const error = errors.get(name)!.result();
    return { name, error, violation: shapes.get(name) ?? toleranceViolation(error, tolerance) };
  });
  return {
    outputs: compared,
    samples,
    passed: samples > 0 && compared.every(({ violation }) => violation === undefined),
  };
}

/** Adds one answer to the errors of its output; gives what differs in kind, which has no error, in words. */
export function addOutput(
  errors: ErrorAccumulator,
  expected: Tensor | undefined,
  actual: Tensor | undefined,
): string | undefined {
  if (expected === undefined && actual === undefined) return undefined;
  if (expected === undefined || actual === undefined) return 'only one of the models gives it';
  // The element types were compared with the signatures; 16-bit floats are compared as the numbers they are.
  const kind = ({ dtype }: Tensor) => (dtype === 'float16' || dtype === 'bfloat16' ? 'float' : dtype);
  const isSame = kind(actual) === kind(expected);
  const given = `${isSame ? expected.dtype : actual.dtype}[${actual.dims}]`;
  const wanted = `${expected.dtype}[${expected.dims}]`;
  if (given !== wanted) return `is ${given}, was ${wanted}`;
  errors.add(expected, actual);
  return undefined;
}
