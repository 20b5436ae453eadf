import type * as Ort from 'onnxruntime-node';
import type { DataType } from '../../ir/data_type.js';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import type { Tensor } from '../../ir/tensor.js';
import { requireCudaLibraries } from './cuda_libraries.js';
import { cleanMessage, loadError, messageOf, notTensor, runError } from './runtime_error.js';
import { dataTypeOfBinding, fromBinding, isCarried, notCarried, toBinding } from './runtime_tensor.js';

/** `location` is the external-data location as the initializer states it, to the letter. */
export type ExternalData = { readonly location: string; readonly bytes: Uint8Array };

/** External data is found beside a model given by path; a model given as bytes brings its own. */
export type ModelSource =
  | { readonly path: string }
  | { readonly bytes: Uint8Array; readonly externalData?: readonly ExternalData[] };

export type SessionOptions = {
  /** Graph optimizations of the runtime; default `all`. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Threads inside one operator; one a physical core unless told. */
  readonly intraOpThreads?: number;
  /** Operators run at the same time; more than 1 switches to the parallel executor. */
  readonly interOpThreads?: number;
  /** `cuda` computes in TF32 wherever the GPU can; default `cpu`. */
  readonly provider?: 'cpu' | 'cuda';
  /**
   * Whether threads without work burn their core. The runtime's own `always` leaves them at it after a run, where they
   * slow down what runs next, another session above all; `while-running`, the default here, is as fast alone.
   */
  readonly spinning?: 'always' | 'while-running' | 'never';
  /** What the runtime may write to stderr; default `silent`, since faults arrive as errors. */
  readonly logging?: 'silent' | 'error' | 'warning' | 'info' | 'verbose';
  /** Records a profile, which `close` writes to `<profilePrefix>_<time>.json`. */
  readonly profilePrefix?: string;
  /** Where an optimized copy of the model is written. */
  readonly optimizedModel?: string;
  /** Whether memory is kept for the next run; the runtime's default is yes. */
  readonly memoryArena?: boolean;
  /** Whether allocations are planned after the first run; the runtime's default is yes. */
  readonly memoryPattern?: boolean;
};

/** An input or output. What is no tensor (a sequence, a map, an optional) has neither dtype nor shape. */
export type SessionPort = {
  readonly name: string;
  readonly dtype: DataType | undefined;
  /** Sizes and symbols, undefined where neither is stated. Empty for a scalar and for an unknown rank alike. */
  readonly shape: readonly (number | string | undefined)[] | undefined;
};

/** A model loaded by ONNX Runtime. */
export type OrtSession = {
  /** What must be fed; initializers that are graph inputs as well cannot be, and are not among them. */
  readonly inputs: readonly SessionPort[];
  readonly outputs: readonly SessionPort[];
  /**
   * Runs once. Results by output name: all outputs, or those wanted, in that order. Computes on this thread's event
   * loop; runs asked for at the same time follow each other.
   * @throws DiagnosticError `ort/run-failed`, `ort/unsupported-type`.
   */
  run(feeds: ReadonlyMap<string, Tensor>, wanted?: readonly string[]): Promise<Map<string, Tensor>>;
  /** Waits for runs under way and frees the memory, which garbage collection does not do in time. */
  close(): Promise<void>;
};

/**
 * Loads a model.
 * @throws DiagnosticError `ort/load-failed`, `ort/unsupported-type`, `ort/cuda-missing`, `ort/not-installed`.
 */
export async function openSession(source: ModelSource, options: SessionOptions = {}): Promise<OrtSession> {
  const ort = await loadRuntime();
  if (options.provider === 'cuda') requireCudaLibraries(ort);
  const session = await create(ort, source, options);
  const inputs = session.inputMetadata.map(toPort);
  const outputs = session.outputMetadata.map(toPort);

  const runNow = async (feeds: ReadonlyMap<string, Tensor>, wanted: readonly string[]) => {
    const values = toFeeds(ort, inputs, feeds);
    const fetched = await session.run(values, wanted).catch((error: unknown) => {
      throw runError(error);
    });
    return new Map(wanted.map((name) => [name, fromBinding(fetchedValue(fetched, name))]));
  };

  let underWay: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;
  const release = async () => {
    await underWay;
    if (options.profilePrefix !== undefined) session.endProfiling();
    await session.release();
  };
  return {
    inputs,
    outputs,
    async run(feeds, wanted = outputs.map(({ name }) => name)) {
      if (closing !== undefined) throw new InvariantError('the session is closed');
      const names = fetchable(outputs, wanted);
      // The runtime refuses a run that asks for nothing.
      if (names.length === 0) return new Map();
      const result = underWay.then(() => runNow(feeds, names));
      underWay = Promise.allSettled([result]);
      return result;
    },
    close() {
      closing ??= release();
      return closing;
    },
  };
}

/** Loaded when a model runs and not before: it takes longer than everything else at start. */
async function loadRuntime(): Promise<typeof Ort> {
  const ort = await import('onnxruntime-node').catch((cause: unknown) => {
    const platform = `${process.platform} ${process.arch}`;
    throw new DiagnosticError(
      {
        code: 'ort/not-installed',
        message: `ONNX Runtime cannot be loaded on ${platform}: ${cleanMessage(messageOf(cause))}`,
        help: 'Install onnxruntime-node for this platform',
      },
      { cause },
    );
  });
  // The logger of the whole process, made with the first session, reports on devices whatever sessions say.
  if (ort.env.logLevel === 'warning') ort.env.logLevel = 'fatal';
  return ort;
}

async function create(ort: typeof Ort, source: ModelSource, options: SessionOptions): Promise<Ort.InferenceSession> {
  const settings = toSettings(source, options);
  try {
    return 'path' in source
      ? await ort.InferenceSession.create(source.path, settings)
      : await ort.InferenceSession.create(unshared(source.bytes), settings);
  } catch (error) {
    throw loadError(error, 'path' in source ? source.path : undefined, options.provider === 'cuda');
  }
}

const logSeverity = { verbose: 0, info: 1, warning: 2, error: 3, silent: 4 } as const;

const spinningSettings = {
  always: {},
  'while-running': { force_spinning_stop: '1' },
  never: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } },
} as const;

function toSettings(source: ModelSource, options: SessionOptions): Ort.InferenceSession.SessionOptions {
  const { intraOpThreads, interOpThreads, profilePrefix, optimizedModel, memoryArena, memoryPattern } = options;
  const externalData = 'bytes' in source ? source.externalData : undefined;
  return {
    executionProviders: options.provider === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
    graphOptimizationLevel: options.optimization ?? 'all',
    logSeverityLevel: logSeverity[options.logging ?? 'silent'],
    extra: { session: spinningSettings[options.spinning ?? 'while-running'] },
    ...(intraOpThreads !== undefined && { intraOpNumThreads: intraOpThreads }),
    ...(interOpThreads !== undefined && {
      interOpNumThreads: interOpThreads,
      executionMode: interOpThreads > 1 ? 'parallel' : 'sequential',
    }),
    ...(profilePrefix !== undefined && { enableProfiling: true, profileFilePrefix: profilePrefix }),
    ...(optimizedModel !== undefined && { optimizedModelFilePath: optimizedModel }),
    ...(memoryArena !== undefined && { enableCpuMemArena: memoryArena }),
    ...(memoryPattern !== undefined && { enableMemPattern: memoryPattern }),
    ...(externalData !== undefined && {
      externalData: externalData.map(({ location, bytes }) => ({ path: location, data: unshared(bytes) })),
    }),
  };
}

/** The binding reads no shared memory. */
const unshared = (bytes: Uint8Array): Uint8Array =>
  bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);

function toPort(metadata: Ort.InferenceSession.ValueMetadata): SessionPort {
  const { name } = metadata;
  if (!metadata.isTensor) return { name, dtype: undefined, shape: undefined };
  const shape = metadata.shape.map((dim) => (dim === '' ? undefined : dim));
  return { name, dtype: dataTypeOfBinding(metadata.type), shape };
}

function toFeeds(
  ort: typeof Ort,
  inputs: readonly SessionPort[],
  feeds: ReadonlyMap<string, Tensor>,
): Record<string, Ort.Tensor> {
  for (const name of feeds.keys()) {
    if (inputs.every((input) => input.name !== name)) {
      throw runFailed(`the model has no input "${name}" to feed`, { help: `Its inputs are ${namesOf(inputs)}` });
    }
  }
  // Without a prototype: an input may be named like a member of Object.
  const values: Record<string, Ort.Tensor> = Object.create(null);
  for (const { name, dtype } of inputs) {
    const tensor = feeds.get(name);
    // An optional could be left out in ONNX, not in the binding.
    if (tensor === undefined && dtype === undefined) throw notTensor('input', name);
    const where = `input "${name}"`;
    if (tensor === undefined) throw runFailed('nothing was fed', { where });
    if (dtype !== undefined && tensor.dtype !== dtype) {
      throw runFailed(`it takes ${dtype}, fed was ${tensor.dtype}`, { where });
    }
    values[name] = toBinding(ort, name, tensor);
  }
  return values;
}

/** The binding must not even be asked for what it cannot carry: 4-bit integers and empty optionals end the process. */
function fetchable(outputs: readonly SessionPort[], wanted: readonly string[]): readonly string[] {
  for (const name of wanted) {
    const output = outputs.find((each) => each.name === name);
    if (output === undefined) {
      throw runFailed(`the model has no output "${name}"`, { help: `Its outputs are ${namesOf(outputs)}` });
    }
    if (output.dtype === undefined) throw notTensor('output', name);
    if (!isCarried(output.dtype)) throw notCarried('output', name, output.dtype);
  }
  return [...new Set(wanted)];
}

function fetchedValue(fetched: Ort.InferenceSession.ReturnType, name: string): Ort.OnnxValue {
  const value = Object.hasOwn(fetched, name) ? fetched[name] : undefined;
  if (value === undefined) throw runFailed('the runtime gave no value', { where: `output "${name}"` });
  return value;
}

const namesOf = (ports: readonly SessionPort[]): string => ports.map(({ name }) => `"${name}"`).join(', ') || 'none';

const runFailed = (message: string, rest: { readonly where?: string; readonly help?: string }): DiagnosticError =>
  new DiagnosticError({ code: 'ort/run-failed', message, ...rest });
