import fs from 'node:fs';

/** One figure. `bar` is what it must not pass, where something is promised. */
export type Measurement = {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly bar?: number;
};

export type BenchOptions = {
  /** A short run that shows the benchmark works; its figures are rough. */
  readonly smoke: boolean;
  /** A folder with models of another tool, by benchmark model, to be measured in the same run. */
  readonly peers?: string;
  /** Folders of further models. */
  readonly models?: readonly string[];
  /** Accuracy: each calibrator, beside the default one. */
  readonly calibrators?: boolean;
  /** Accuracy: the tasks wanted, by name; all unless told. */
  readonly tasks?: readonly string[];
  /** Accuracy: where the calibration samples are written, for other tools. */
  readonly writeSamples?: string;
};

export type Bench = {
  readonly name: string;
  readonly summary: string;
  run(options: BenchOptions): Promise<readonly Measurement[]>;
};

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Peak memory of this process. Linux hands the peak of a parent down in getrusage; /proc starts anew with the program. */
export function peakMegabytes(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) / 1024;
  } catch {
    // No /proc here: the other way is what there is.
  }
  return process.resourceUsage().maxRSS / 1024;
}
