import { hostCpu } from '../backends/ort/host.js';
import { ortRunner } from '../backends/ort/run.js';
import type { Feeds } from '../calibrate/sources/source.js';
import type { Model } from '../ir/graph.js';
import type { TimedModel } from './latency_gate_rounds.js';

/** How many threads an operator gets: one, or as many as the runtime takes by itself. */
export type Threads = 'one' | 'default';

/** What the gate measures with. */
export type LatencyClock = {
  /** What the whole model is to be fast with. Parts of it are timed with one thread. */
  readonly threads: readonly Threads[];
  /**
   * Whether other programs held the processor for much of the runs so far. Threads that wait for each other then show
   * how the machine is shared out, not what a model costs.
   */
  isBusy(): boolean;
  /** Milliseconds since any moment. */
  now(): number;
  load(model: Model, threads: Threads): Promise<TimedModel>;
};

/**
 * ONNX Runtime with all its optimizations, as a program that only opens a session has it; one sample each run. With one
 * thread a run's time is the processor's, which other programs on the machine disturb least; with more it is the wall
 * clock's.
 */
export function ortClock(feeds: Feeds): LatencyClock {
  const waited: number[] = [];
  return {
    threads: hostCpu().cores > 1 ? ['one', 'default'] : ['one'],
    now: () => performance.now(),
    isBusy: () => waited.length > 0 && waited.toSorted((a, b) => a - b)[waited.length >> 1]! > busy,
    async load(model, threads) {
      const running = await ortRunner(threads === 'one' ? { intraOpThreads: 1 } : {})(model);
      return {
        async run() {
          const [start, startOfWork] = [performance.now(), processorTime()];
          await running.run(feeds);
          const [wall, work] = [performance.now() - start, processorTime() - startOfWork];
          if (threads !== 'one' || !tellsProcessorTime || work <= 0) return wall;
          waited.push(wall / work);
          return work;
        },
        close: () => running.close(),
      };
    },
  };
}

/** Wall time over processor time of a thread that other programs leave alone is 1; one that waits for a fifth of the time has 1.25. */
const busy = 1.25;

/** Windows counts the time of a process in steps of 16 ms. */
const tellsProcessorTime = process.platform !== 'win32';

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
