import { parentPort } from 'node:worker_threads';
import { type Diagnostic, DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { buffersOf, type PlainTensors, toPlain, toTensors } from './plain_tensor.js';
import { type ModelSource, type OrtSession, openSession, type SessionOptions, type SessionPort } from './session.js';

// The thread behind `openWorkerSession`: one session, answering one question after the other.

export type WorkerQuestion =
  | { readonly kind: 'open'; readonly source: ModelSource; readonly options: SessionOptions }
  | { readonly kind: 'run'; readonly feeds: PlainTensors; readonly wanted: readonly string[] | undefined }
  | { readonly kind: 'close' };

export type WorkerAnswer =
  | { readonly kind: 'opened'; readonly inputs: readonly SessionPort[]; readonly outputs: readonly SessionPort[] }
  | { readonly kind: 'ran'; readonly results: PlainTensors }
  | { readonly kind: 'closed' }
  /** `diagnostic` is there where the model, the data or the user is at fault. */
  | { readonly kind: 'failed'; readonly message: string; readonly diagnostic: Diagnostic | undefined };

export type WorkerRequest = { readonly id: number; readonly question: WorkerQuestion };
export type WorkerResponse = { readonly id: number; readonly answer: WorkerAnswer };

if (parentPort === null) throw new InvariantError('session_worker runs as a worker thread');
const port = parentPort;

let session: OrtSession | undefined;
let turn: Promise<void> = Promise.resolve();

port.on('message', ({ id, question }: WorkerRequest) => {
  turn = turn.then(async () => {
    const answer = await answerTo(question).catch(failure);
    port.postMessage({ id, answer } satisfies WorkerResponse, answer.kind === 'ran' ? buffersOf(answer.results) : []);
  });
});

async function answerTo(question: WorkerQuestion): Promise<WorkerAnswer> {
  switch (question.kind) {
    case 'open': {
      session = await openSession(question.source, question.options);
      return { kind: 'opened', inputs: session.inputs, outputs: session.outputs };
    }
    case 'run': {
      if (session === undefined) throw new InvariantError('no session is open');
      const results = await session.run(toTensors(question.feeds), question.wanted);
      return { kind: 'ran', results: toPlain(results, 'move') };
    }
    case 'close': {
      await session?.close();
      return { kind: 'closed' };
    }
  }
}

function failure(error: unknown): WorkerAnswer {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'failed', message, diagnostic: error instanceof DiagnosticError ? error.diagnostic : undefined };
}
