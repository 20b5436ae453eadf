import type * as Ort from 'onnxruntime-node';
import type { DataType } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { type Tensor, tensorData, tensorFromData, tensorFromStrings, type TypedData } from '../../ir/tensor.js';

export type SessionOptions = { readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all'; readonly intraOpThreads?: number };
export type OrtSession = {
  run(feeds: ReadonlyMap<string, Tensor>, wanted?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>;
  close(): Promise<void>;
};
const names: Record<string, DataType> = { float32: 'float', float64: 'double' };
const back: Record<string, string> = { float: 'float32', double: 'float64' };
export async function openSession(model: { path: string } | { bytes: Uint8Array }, options: SessionOptions = {}): Promise<OrtSession> {
  const ort: typeof Ort = await import('onnxruntime-node').then((m) => (m as unknown as { default?: typeof Ort }).default ?? m);
  let session: Ort.InferenceSession;
  try {
    const o = { graphOptimizationLevel: options.optimization ?? 'all', logSeverityLevel: 4, ...(options.intraOpThreads && { intraOpNumThreads: options.intraOpThreads }) } as Ort.InferenceSession.SessionOptions;
    session = 'path' in model ? await ort.InferenceSession.create(model.path, o) : await ort.InferenceSession.create(model.bytes, o);
  } catch (e) { throw new DiagnosticError({ code: 'ort/load-failed', message: String((e as Error).message).split('\n')[0]! }); }
  const bad = [...session.outputMetadata, ...session.inputMetadata].find((m) => !m.isTensor || !['float32','float64','int8','uint8','int16','uint16','int32','uint32','int64','uint64','bool','string','float16'].includes(m.type));
  if (bad) throw new DiagnosticError({ code: 'ort/unsupported-type', message: `the JavaScript binding cannot carry ${bad.isTensor ? bad.type : 'non-tensors'}` });
  return {
    async run(feeds, wanted) {
      try {
        const f: Record<string, Ort.Tensor> = {};
        for (const [n, t] of feeds) f[n] = t.dtype === 'string' ? new ort.Tensor('string', t.strings!.map((s) => new TextDecoder().decode(s)), t.dims) : new ort.Tensor((back[t.dtype] ?? t.dtype) as never, tensorData(t) as never, t.dims);
        const r = wanted ? await session.run(f, [...wanted]) : await session.run(f);
        return new Map(Object.entries(r).map(([n, t]) => [n, t.type === 'string' ? tensorFromStrings(t.dims, (t.data as string[]).map((s) => new TextEncoder().encode(s))) : tensorFromData(names[t.type] ?? (t.type as DataType), t.dims, t.data as TypedData)]));
      } catch (e) { throw new DiagnosticError({ code: 'ort/run-failed', message: String((e as Error).message).split('\n')[0]! }); }
    },
    async close() { await session.release(); },
  };
}
