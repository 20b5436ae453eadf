import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { type Bench, median } from './measurement.js';
import { recognizer, repository } from './models.js';

const main = path.join(repository, 'dist/cli/main.js');

/** Whole processes, from start to exit. */
export const commandBench: Bench = {
  name: 'command',
  summary: 'time of whole commands, median',
  async run({ smoke }) {
    const rounds = smoke ? 3 : 15;
    return [
      { what: 'onnxopt --help', value: time(['--help'], rounds), unit: 'ms', bar: 200 },
      {
        what: 'onnxopt inspect (10 MB recognizer)',
        value: time(['inspect', recognizer.file], rounds),
        unit: 'ms',
        bar: 500,
      },
    ];
  },
};

function time(args: readonly string[], rounds: number): number {
  const runs = Array.from({ length: rounds + 1 }, () => {
    const start = performance.now();
    execFileSync(process.execPath, [main, ...args], { stdio: 'ignore' });
    return performance.now() - start;
  });
  return median(runs.slice(1));
}
