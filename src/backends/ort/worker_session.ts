import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { toPlain, toTensor } from './plain_tensor.js';
import type { ModelSource, OrtSession, SessionOptions } from './session.js';
import type { WorkerRequest, WorkerResponse } from './session_worker.js';

type Request = WorkerRequest extends infer R ? (R extends WorkerRequest ? Omit<R, 'id'> : never) : never;

type Pending = { resolve(response: WorkerResponse): void; reject(error: unknown): void };

/**
 * Loads a model in a thread of its own: the runtime blocks the thread it runs in, and progress would stand still.
 * The thread does not keep the process alive while it has nothing to do, and ends with `close`.
 * @throws DiagnosticError as `openSession`; `ort/worker-died` where the thread ends on its own.
 */
export async function openWorkerSession(source: ModelSource, options: SessionOptions = {}): Promise<OrtSession> {
  const worker = startWorker();
  const pending = new Map<number, Pending>();
  let lastId = 0;
  const died = (reason: string) => {
    for (const { reject } of pending.values()) {
      reject(
        new DiagnosticError({ code: 'ort/worker-died', message: `the thread that runs the model ended: ${reason}` }),
      );
    }
    pending.clear();
  };
  worker.on('message', (response: WorkerResponse) => {
    const waiting = pending.get(response.id);
    pending.delete(response.id);
    if (pending.size === 0) worker.unref();
    if (response.kind === 'failed') waiting?.reject(new DiagnosticError(response.diagnostic));
    else waiting?.resolve(response);
  });
  worker.on('error', (error) => died(error.message));
  worker.on('exit', (code) => died(`exit code ${code}`));
  const ask = (request: Request): Promise<WorkerResponse> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      pending.set(lastId, { resolve, reject });
      worker.ref();
      worker.postMessage({ ...request, id: lastId });
    });
  try {
    const opened = await ask({ kind: 'open', source, options });
    if (opened.kind !== 'opened') throw new DiagnosticError({ code: 'ort/load-failed', message: 'no answer' });
    return {
      inputNames: opened.inputNames,
      outputNames: opened.outputNames,
      async run(feeds, wanted) {
        const plain = new Map([...feeds].map(([name, tensor]) => [name, toPlain(tensor)]));
        const response = await ask({ kind: 'run', feeds: plain, wanted });
        if (response.kind !== 'results') return new Map();
        return new Map([...response.results].map(([name, tensor]) => [name, toTensor(tensor)]));
      },
      async close() {
        await ask({ kind: 'close' });
        await worker.terminate();
      },
    };
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

/** From the compiled file; from TypeScript, as tests and scripts run it, through the loader that reads configurations. */
function startWorker(): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const url = new URL(`./session_worker.${extension}`, import.meta.url);
  if (extension === 'js') return new Worker(url);
  const jiti = createRequire(import.meta.url).resolve('jiti');
  const file = JSON.stringify(fileURLToPath(url));
  return new Worker(`require(${JSON.stringify(jiti)}).createJiti(${file}).import(${file})`, { eval: true });
}
