import { ortRunner } from '../src/backends/ort/run.js';
import type { RunningModel } from '../src/calibrate/runner.js';
import { floatValues } from '../src/evaluate/output_error.js';
import { cloneModel } from '../src/ir/clone.js';
import { dataTypeKind } from '../src/ir/data_type.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import { Editor } from '../src/ir/editor.js';
import type { Model, OutputSlot, Value } from '../src/ir/graph.js';
import { Inference } from '../src/ir/ops/inference/inference.js';
import type { Tensor } from '../src/ir/tensor.js';
import { formatType } from '../src/ir/value_type.js';

export type Feeds = ReadonlyMap<string, Tensor>;

/** What a float output may differ by; integers, bools and strings never may. */
export type Allowance = {
  /** |error| ≤ relative · the largest finite |reference| of the output; 0: the same bits, any NaN equal to any. */
  readonly relative: number;
  /** What that largest number counts as at least, where outputs may cancel to nearly nothing. */
  readonly floor?: number;
  /** −0 equals 0, for rules that say so. */
  readonly zeroSign?: 'kept' | 'free';
};

export const exact: Allowance = { relative: 0 };

/**
 * The model with the runtime's own optimizations off: every node runs as it stands. Inputs lose their defaults, so that
 * they are fed as a caller might override them, which this binding of the runtime has no other way to do.
 */
export function openPlain(model: Model): Promise<RunningModel> {
  const copy = cloneModel(model);
  const editor = new Editor(copy);
  for (const input of copy.graph.inputs) if (input.initializer !== null) editor.setInitializer(input, null);
  return ortRunner({ intraOpThreads: 1 })(copy, { optimize: false });
}

/** What the model answers, or the runtime's refusal: a kernel that rejects an input rejects it in both models. */
export async function answerOf(session: RunningModel, feeds: Feeds): Promise<ReadonlyMap<string, Tensor> | string> {
  try {
    return await session.run(feeds);
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostic.message;
    throw error;
  }
}

/**
 * Whether the runtime refuses a valid model by faults of 1.30: its memory plan trips over a buffer that it means to use again
 * for another shape, of tensors without elements and behind casts of its own (without that reuse it runs the model); or it
 * takes away a Cast that a subgraph reads.
 */
export const isRuntimeFault = (answer: ReadonlyMap<string, Tensor> | string): boolean =>
  typeof answer === 'string' && /attempting to re-use buffer|Missing Input: /.test(answer);

/** What a model answers; after such a fault with every value an output, which gives each a buffer of its own. */
export async function answerWithRoom(
  session: RunningModel,
  model: Model,
  feeds: Feeds,
): Promise<ReadonlyMap<string, Tensor> | string> {
  const answer = await answerOf(session, feeds);
  if (!isRuntimeFault(answer)) return answer;
  const copy = cloneModel(model);
  const editor = new Editor(copy);
  const inference = new Inference(copy);
  const named = new Set(copy.graph.outputs.map(({ name }) => name));
  for (const value of copy.graph.values.values()) {
    const type = inference.typeOf(value);
    if (value.producer === null || type?.kind !== 'tensor' || named.has(value.name)) continue;
    if (type.dtype === 'bfloat16') continue;
    editor.addOutput(copy.graph, value, editor.freshName('room'), { ...type, shape: undefined });
  }
  const roomy = await openPlain(copy);
  try {
    return await answerOf(roomy, feeds);
  } finally {
    await roomy.close();
  }
}

/** How two answers differ, in words; undefined: not at all. */
export function answersDiffer(
  expected: ReadonlyMap<string, Tensor>,
  actual: ReadonlyMap<string, Tensor>,
  allowance: Allowance,
): string | undefined {
  for (const [name, tensor] of expected) {
    const other = actual.get(name);
    const reason = other === undefined ? 'is missing' : tensorsDiffer(tensor, other, allowance);
    if (reason !== undefined) return `output "${name}" ${reason}`;
  }
  return undefined;
}

function tensorsDiffer(expected: Tensor, actual: Tensor, allowance: Allowance): string | undefined {
  const text = ({ dtype, dims }: Tensor) => `${dtype}[${dims}]`;
  if (text(expected) !== text(actual)) return `is ${text(actual)}, was ${text(expected)}`;
  if (Buffer.compare(expected.storage.bytes(), actual.storage.bytes()) === 0) return stringsDiffer(expected, actual);
  if (dataTypeKind(expected.dtype) !== 'float') return `has other ${expected.dtype} elements`;
  const a = floatValues(expected);
  const b = floatValues(actual);
  let peak = allowance.floor ?? 0;
  for (const value of a) if (Number.isFinite(value)) peak = Math.max(peak, Math.abs(value));
  for (let index = 0; index < a.length; index += 1) {
    const x = a[index]!;
    const y = b[index]!;
    if (Object.is(x, y) || (x === y && allowance.zeroSign === 'free')) continue;
    if (x === y && allowance.relative > 0) continue;
    if (Math.abs(x - y) <= allowance.relative * peak) continue;
    return `has ${y} at ${index}, was ${x}, where the largest is ${peak}`;
  }
  return undefined;
}

function stringsDiffer(expected: Tensor, actual: Tensor): string | undefined {
  const hex = ({ strings = [] }: Tensor) => strings.map((text) => Buffer.from(text).toString('hex')).join();
  return hex(expected) === hex(actual) ? undefined : 'has other strings';
}

/** How the signatures differ: names, order, types and declared shapes of inputs (defaults included) and of outputs. */
export function signaturesDiffer(expected: Model, actual: Model): string | undefined {
  const port = ({ name, type }: Value | OutputSlot) => `${name}: ${formatType(type)}`;
  const lines = ({ graph }: Model) => [
    ...graph.inputs.map((input) => `input ${port(input)}${input.initializer === null ? '' : ' with a default'}`),
    ...graph.outputs.map((output) => `output ${port(output)}`),
  ];
  const [before, after] = [lines(expected).join('\n'), lines(actual).join('\n')];
  return before === after ? undefined : `the signature is\n${after}\nwas\n${before}`;
}
