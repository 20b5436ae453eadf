import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { DataType } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { type Tensor, type TypedData, tensorData, tensorFromData, tensorFromStrings } from '../../ir/tensor.js';

export type SessionOptions = {
  /** Graph optimizations of the runtime; default `all`. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Threads inside one operator; the runtime's own choice (every core) unless told. */
  readonly intraOpThreads?: number;
  /** Where an optimized copy of the model is written. */
  readonly optimizedModel?: string;
};

/** Where the runtime loads a model from; external data is found beside a path only. */
export type ModelSource = { readonly path: string } | { readonly bytes: Uint8Array };

/** A model loaded by ONNX Runtime. */
export type OrtSession = {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs once. Results by output name: all outputs, or those wanted.
   * @throws DiagnosticError `ort/run-failed`, `ort/unsupported-type`.
   */
  run(feeds: ReadonlyMap<string, Tensor>, wanted?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>;
  close(): Promise<void>;
};

/** Element types under the binding's names, those it carries without harm: on the 4-bit ones it aborts the process. */
const bindingTypes = {
  float: 'float32',
  double: 'float64',
  float16: 'float16',
  int8: 'int8',
  uint8: 'uint8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  uint32: 'uint32',
  int64: 'int64',
  uint64: 'uint64',
  bool: 'bool',
  string: 'string',
} as const satisfies Partial<Record<DataType, OrtTensor.Type>>;

type CarriedType = keyof typeof bindingTypes;

const carriedTypes = new Map<string, CarriedType>(
  (Object.keys(bindingTypes) as CarriedType[]).map((dtype) => [bindingTypes[dtype], dtype]),
);

type Runtime = Pick<typeof import('onnxruntime-node'), 'InferenceSession' | 'Tensor'>;

/** Loaded when a model runs and not before: it takes longer than everything else at start. */
async function loadRuntime(): Promise<Runtime> {
  try {
    return await import('onnxruntime-node');
  } catch (cause) {
    throw new DiagnosticError(
      {
        code: 'ort/not-installed',
        message: `ONNX Runtime cannot be loaded on ${process.platform} ${process.arch}: ${firstLine(cause)}`,
        help: 'Install onnxruntime-node for this platform',
      },
      { cause },
    );
  }
}

/**
 * Loads a model.
 * @throws DiagnosticError `ort/load-failed`, `ort/unsupported-type`, `ort/not-installed`.
 */
export async function openSession(source: ModelSource, options: SessionOptions = {}): Promise<OrtSession> {
  const runtime = await loadRuntime();
  const session = await create(runtime, source, options);
  const unsupported = [...session.inputMetadata, ...session.outputMetadata].find(
    (value) => !value.isTensor || !carriedTypes.has(value.type),
  );
  if (unsupported !== undefined) {
    await session.release();
    const type = unsupported.isTensor ? unsupported.type : 'no tensor';
    throw new DiagnosticError({
      code: 'ort/unsupported-type',
      message: `"${unsupported.name}" is ${type}, which the JavaScript binding of ONNX Runtime does not carry`,
    });
  }
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds, wanted) {
      const inputs: Record<string, OrtTensor> = {};
      for (const [name, tensor] of feeds) inputs[name] = toBinding(runtime, name, tensor);
      try {
        const results = wanted === undefined ? await session.run(inputs) : await session.run(inputs, [...wanted]);
        return new Map(Object.entries(results).map(([name, tensor]) => [name, fromBinding(tensor)]));
      } catch (cause) {
        if (cause instanceof DiagnosticError) throw cause;
        throw new DiagnosticError({ code: 'ort/run-failed', message: firstLine(cause) }, { cause });
      }
    },
    close: () => session.release(),
  };
}

async function create(
  { InferenceSession: sessions }: Runtime,
  source: ModelSource,
  options: SessionOptions,
): Promise<InferenceSession> {
  const settings: InferenceSession.SessionOptions = {
    graphOptimizationLevel: options.optimization ?? 'all',
    // Its errors come as exceptions as well; only those that end the process are printed.
    logSeverityLevel: 4,
    ...(options.intraOpThreads !== undefined && { intraOpNumThreads: options.intraOpThreads }),
    ...(options.optimizedModel !== undefined && { optimizedModelFilePath: options.optimizedModel }),
  };
  try {
    return 'path' in source
      ? await sessions.create(source.path, settings)
      : await sessions.create(source.bytes, settings);
  } catch (cause) {
    throw new DiagnosticError({ code: 'ort/load-failed', message: firstLine(cause) }, { cause });
  }
}

function toBinding({ Tensor: BindingTensor }: Runtime, name: string, tensor: Tensor): OrtTensor {
  const { dtype, dims } = tensor;
  if (!(dtype in bindingTypes)) {
    throw new DiagnosticError({
      code: 'ort/unsupported-type',
      message: `"${name}" is ${dtype}, which the JavaScript binding of ONNX Runtime does not carry`,
    });
  }
  if (dtype === 'string') {
    const decoder = new TextDecoder();
    return new BindingTensor(
      'string',
      (tensor.strings ?? []).map((text) => decoder.decode(text)),
      dims,
    );
  }
  // One constructor for each type in the binding's declarations; the data fit by the table above.
  const Constructor = BindingTensor as unknown as new (
    type: string,
    data: TypedData,
    dims: readonly number[],
  ) => OrtTensor;
  return new Constructor(bindingTypes[dtype as CarriedType], tensorData(tensor), dims);
}

function fromBinding(tensor: OrtTensor): Tensor {
  if (tensor.type === 'string') {
    const encoder = new TextEncoder();
    return tensorFromStrings(
      tensor.dims,
      (tensor.data as string[]).map((text) => encoder.encode(text)),
    );
  }
  const dtype = carriedTypes.get(tensor.type);
  if (dtype === undefined) {
    throw new DiagnosticError({ code: 'ort/unsupported-type', message: `an output is ${tensor.type}` });
  }
  return tensorFromData(dtype, tensor.dims, tensor.data as TypedData);
}

/** The runtime's message without its source locations and line breaks. */
function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message
    .replace(/\/\S*onnxruntime\S*?:\d+ /g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(0, 2)
    .join(' ')
    .slice(0, 600);
}
