import { parentPort } from 'node:worker_threads';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { type OrtSession, openSession } from './session.js';
import {
  packTensors,
  tensorBuffers,
  unpackTensors,
  type WorkerAnswer,
  type WorkerQuestion,
  type WorkerReply,
  type WorkerRequest,
} from './worker_session.js';

// The thread behind `openWorkerSession`: one session, answering one question after the other.

if (parentPort === null) throw new InvariantError('session_worker runs as a worker thread');
const port = parentPort;

let session: OrtSession | undefined;
let turn: Promise<void> = Promise.resolve();

port.on('message', ({ id, question }: WorkerRequest) => {
  turn = turn.then(async () => {
    const answer = await answerTo(question).catch(failure);
    const transfer = answer.kind === 'ran' ? tensorBuffers(answer.results) : [];
    port.postMessage({ id, answer } satisfies WorkerReply, transfer);
  });
});

async function answerTo(question: WorkerQuestion): Promise<WorkerAnswer> {
  switch (question.kind) {
    case 'open': {
      session = await openSession(question.model, question.options);
      return { kind: 'opened', inputs: session.inputs, outputs: session.outputs };
    }
    case 'run': {
      if (session === undefined) throw new InvariantError('no session is open');
      const results = await session.run(unpackTensors(question.feeds), question.wanted);
      return { kind: 'ran', results: packTensors(results, 'move') };
    }
    case 'close': {
      await session?.close();
      return { kind: 'closed' };
    }
  }
}

const failure = (error: unknown): WorkerAnswer => {
  if (error instanceof DiagnosticError) {
    return { kind: 'failed', message: error.message, diagnostic: error.diagnostic };
  }
  return { kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
};
