import type { Progress } from '../progress.js';

/** Draws how far a job is on stderr where that is a terminal; silent elsewhere. */
export type ProgressBar = Progress & { clear(): void };

const width = 24;

export function progressBar(quiet: boolean): ProgressBar {
  const { stderr } = process;
  if (quiet || !stderr.isTTY) return { clear: () => undefined };
  let stage = '';
  let started = performance.now();
  let drawn = 0;
  const draw = (text: string) => {
    stderr.write(`\r\x1b[2K${text.slice(0, (stderr.columns ?? 80) - 1)}`);
  };
  return {
    stage(name) {
      stage = name;
      started = performance.now();
      draw(name);
    },
    pass(name) {
      draw(`rewriting: ${name}`);
    },
    sample(done, total) {
      const now = performance.now();
      if (now - drawn < 50 && done !== total) return;
      drawn = now;
      const seconds = (now - started) / 1000;
      if (total === undefined) draw(`${stage} ${done} samples, ${seconds.toFixed(0)} s`);
      else {
        const filled = Math.round((width * done) / Math.max(total, 1));
        const left = (seconds / done) * (total - done);
        const bar = '█'.repeat(filled) + '░'.repeat(Math.max(0, width - filled));
        draw(`${stage} ${bar} ${done}/${total}, ${formatSeconds(left)} left`);
      }
    },
    clear() {
      stderr.write('\r\x1b[2K');
    },
  };
}

const formatSeconds = (seconds: number): string =>
  seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
