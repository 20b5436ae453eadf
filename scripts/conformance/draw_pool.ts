import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DrawCounts, DrawOptions } from './draw_case.js';

/** What is asked of a worker. */
export type DrawQuestion = { readonly folder: string; readonly options: DrawOptions };

export type DrawAnswer =
  | { readonly kind: 'counted'; readonly counts: DrawCounts }
  | { readonly kind: 'failed'; readonly message: string }
  /** The runtime ended its process, mostly by a division by zero in a kernel, or came to no end. */
  | { readonly kind: 'ended'; readonly reason: string };

/** A kernel that counts down from −1 takes forever. */
const patience = 15_000;

const worker = path.join(import.meta.dirname, 'draw_worker.ts');
const loader = path.join(path.dirname(fileURLToPath(import.meta.resolve('jiti/package.json'))), 'lib', 'jiti-cli.mjs');

/** Draws for every folder in processes of their own, some at a time: with sizes of 0 the runtime may end its process. */
export async function drawAll(
  folders: readonly string[],
  options: DrawOptions,
  processes: number,
): Promise<ReadonlyMap<string, DrawAnswer>> {
  const answers = new Map<string, DrawAnswer>();
  const pending = [...folders];
  const work = async () => {
    let child: ChildProcess | undefined;
    for (let folder = pending.shift(); folder !== undefined; folder = pending.shift()) {
      child ??= fork(loader, [worker], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
      const answer = await ask(child, { folder, options });
      answers.set(folder, answer);
      if (answer.kind === 'ended') child = undefined;
    }
    child?.disconnect();
  };
  await Promise.all(Array.from({ length: processes }, work));
  return answers;
}

function ask(child: ChildProcess, question: DrawQuestion): Promise<DrawAnswer> {
  return new Promise((resolve) => {
    const onMessage = (answer: unknown) => finish(answer as DrawAnswer);
    const onExit = (code: number | null, signal: string | null) =>
      finish({ kind: 'ended', reason: signal ?? `exit code ${code}` });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      finish({ kind: 'ended', reason: `no answer within ${patience / 1000} s` });
    }, patience);
    const finish = (answer: DrawAnswer) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(answer);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.send(question);
  });
}
