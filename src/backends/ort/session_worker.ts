import { parentPort } from 'node:worker_threads';
import { type Diagnostic, DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { type PlainTensor, toPlain, toTensor } from './plain_tensor.js';
import { type ModelSource, type OrtSession, openSession, type SessionOptions } from './session.js';

/** What the worker is asked; it answers in the order of the questions. */
export type WorkerRequest =
  | { readonly id: number; readonly kind: 'open'; readonly source: ModelSource; readonly options: SessionOptions }
  | {
      readonly id: number;
      readonly kind: 'run';
      readonly feeds: ReadonlyMap<string, PlainTensor>;
      readonly wanted: readonly string[] | undefined;
    }
  | { readonly id: number; readonly kind: 'close' };

export type WorkerResponse =
  | {
      readonly id: number;
      readonly kind: 'opened';
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
    }
  | { readonly id: number; readonly kind: 'results'; readonly results: ReadonlyMap<string, PlainTensor> }
  | { readonly id: number; readonly kind: 'closed' }
  | { readonly id: number; readonly kind: 'failed'; readonly diagnostic: Diagnostic };

// The thread behind `openWorkerSession`: one session, answering one question after the other.

if (parentPort === null) throw new InvariantError('session_worker runs as a worker thread');
const port = parentPort;

let session: OrtSession | undefined;
let turn: Promise<void> = Promise.resolve();

port.on('message', (request: WorkerRequest) => {
  turn = turn.then(async () => {
    const response = await respond(request).catch((error: unknown) => failure(request.id, error));
    port.postMessage(response);
  });
});

async function respond(request: WorkerRequest): Promise<WorkerResponse> {
  const { id } = request;
  switch (request.kind) {
    case 'open': {
      session = await openSession(request.source, request.options);
      return { id, kind: 'opened', inputNames: session.inputNames, outputNames: session.outputNames };
    }
    case 'run': {
      if (session === undefined) throw new InvariantError('no session is open');
      const feeds = new Map(Array.from(request.feeds, ([name, tensor]) => [name, toTensor(tensor)]));
      const results = await session.run(feeds, request.wanted);
      return {
        id,
        kind: 'results',
        results: new Map(Array.from(results, ([name, tensor]) => [name, toPlain(tensor)])),
      };
    }
    case 'close': {
      await session?.close();
      return { id, kind: 'closed' };
    }
  }
}

function failure(id: number, error: unknown): WorkerResponse {
  if (error instanceof DiagnosticError) return { id, kind: 'failed', diagnostic: error.diagnostic };
  const message = error instanceof Error ? error.message : String(error);
  return { id, kind: 'failed', diagnostic: { code: 'ort/worker-failed', severity: 'error', message } };
}
