import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { buffersOf, toPlain, toTensors } from './plain_tensor.js';
import type { ModelSource, OrtSession, SessionOptions } from './session.js';
import type { WorkerAnswer, WorkerQuestion, WorkerRequest, WorkerResponse } from './session_worker.js';

/**
 * Loads a model in a thread of its own: the runtime blocks the thread it runs in, and progress would stand still.
 * A session that has nothing to do does not keep the process alive. Feeds are copied once, results not at all.
 * @throws DiagnosticError as `openSession`; `ort/worker-died` where the thread ends on its own.
 */
export const openWorkerSession = (source: ModelSource, options: SessionOptions = {}): Promise<OrtSession> =>
  sessionOver(startWorker(), source, options);

/** From the compiled file; from TypeScript, as tests and scripts run it, through the loader that reads configurations. */
function startWorker(): Worker {
  const here = import.meta.url;
  if (!here.endsWith('.ts')) return new Worker(new URL('./session_worker.js', here));
  const text = JSON.stringify;
  const script = new URL('./session_worker.ts', here).href;
  const loader = `require(${text(createRequire(here).resolve('jiti'))}).createJiti(${text(here)})`;
  // Whatever flags load TypeScript in this thread are not wanted in that one.
  return new Worker(`${loader}.import(${text(script)})`, { eval: true, execArgv: [] });
}

/** A session over a thread that answers as `session_worker.ts` does. */
export async function sessionOver(worker: Worker, source: ModelSource, options: SessionOptions): Promise<OrtSession> {
  const { ask, isDead } = questionsTo(worker);
  const close = async () => {
    try {
      if (!isDead()) await ask({ kind: 'close' }, 'closed');
    } finally {
      await worker.terminate();
    }
  };
  let closing: Promise<void> | undefined;
  try {
    const copy = copySource(source);
    const { inputs, outputs } = await ask({ kind: 'open', source: copy, options }, 'opened', sourceBuffers(copy));
    return {
      inputs,
      outputs,
      async run(feeds, wanted) {
        if (closing !== undefined) throw new InvariantError('the session is closed');
        const plain = toPlain(feeds, 'copy');
        return toTensors((await ask({ kind: 'run', feeds: plain, wanted }, 'ran', buffersOf(plain))).results);
      },
      close() {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

type AnswerOf<Kind> = Extract<WorkerAnswer, { readonly kind: Kind }>;

type Ask = <Kind extends WorkerAnswer['kind']>(
  question: WorkerQuestion,
  expected: Kind,
  transfer?: readonly ArrayBuffer[],
) => Promise<AnswerOf<Kind>>;

type Waiting = { resolve(answer: WorkerAnswer): void; reject(error: Error): void };

/**
 * Questions with their answers. The thread keeps the process alive only while an answer is due; where it dies, every
 * question, open or to come, gets that for an answer.
 */
function questionsTo(worker: Worker): { ask: Ask; isDead(): boolean } {
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let death: DiagnosticError | undefined;
  const die = (reason: string, cause?: unknown) => {
    const message = `the thread that ran the model ended: ${reason}`;
    death ??= new DiagnosticError({ code: 'ort/worker-died', message }, { cause });
    for (const { reject } of waiting.values()) reject(death);
    waiting.clear();
  };
  worker.unref();
  worker.on('message', ({ id, answer }: WorkerResponse) => {
    waiting.get(id)?.resolve(answer);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
  });
  worker.on('messageerror', (error) => die(error.message, error));
  worker.on('error', (error: unknown) => die(error instanceof Error ? error.message : String(error), error));
  worker.on('exit', (code) => die(`exit code ${code}`));
  const ask: Ask = async (question, expected, transfer = []) => {
    if (death !== undefined) throw death;
    const id = asked++;
    const answer = await new Promise<WorkerAnswer>((resolve, reject) => {
      worker.postMessage({ id, question } satisfies WorkerRequest, transfer);
      waiting.set(id, { resolve, reject });
      worker.ref();
    });
    if (isAnswer(answer, expected)) return answer;
    if (answer.kind !== 'failed') throw new InvariantError(`asked to ${question.kind}, the worker ${answer.kind}`);
    throw answer.diagnostic === undefined ? new InvariantError(answer.message) : new DiagnosticError(answer.diagnostic);
  };
  return { ask, isDead: () => death !== undefined };
}

const isAnswer = <Kind extends WorkerAnswer['kind']>(answer: WorkerAnswer, kind: Kind): answer is AnswerOf<Kind> =>
  answer.kind === kind;

function copySource(source: ModelSource): ModelSource {
  if ('path' in source) return source;
  const externalData = source.externalData?.map(({ location, bytes }) => ({ location, bytes: new Uint8Array(bytes) }));
  return { bytes: new Uint8Array(source.bytes), ...(externalData !== undefined && { externalData }) };
}

const sourceBuffers = (source: ModelSource): ArrayBuffer[] =>
  'path' in source
    ? []
    : [source, ...(source.externalData ?? [])]
        .map(({ bytes }) => bytes.buffer)
        .filter((buffer) => buffer instanceof ArrayBuffer);
