import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { type Bench, type Measurement, median } from './measurement.js';
import { digits, recognizer, repository } from './models.js';

type Run = { readonly seconds: number; readonly peakMegabytes: number };

/** Calibration against bare inference of the same samples, each in a process of its own, in turn. */
export const calibrationBench: Bench = {
  name: 'calibration',
  summary: 'time of calibrating / time of bare inference of the same samples; memory beyond that of bare inference',
  async run({ smoke }) {
    const measurements: Measurement[] = [];
    for (const [model, samples] of [
      [digits, smoke ? 50 : 1000],
      [recognizer, smoke ? 10 : 100],
    ] as const) {
      const ratios: number[] = [];
      const memory: number[] = [];
      for (let round = 0; round < (smoke ? 1 : 5); round += 1) {
        const bare = child('bare', model.name, samples);
        const calibrate = child('calibrate', model.name, samples);
        ratios.push(calibrate.seconds / bare.seconds);
        memory.push(calibrate.peakMegabytes - bare.peakMegabytes);
      }
      measurements.push({ what: `${model.name}, ${samples} samples`, value: median(ratios), unit: 'ratio', bar: 1.5 });
      measurements.push({ what: `${model.name}, memory beyond`, value: median(memory), unit: 'MB', bar: 300 });
    }
    return measurements;
  },
};

function child(mode: string, model: string, samples: number): Run {
  const jiti = path.join(repository, 'node_modules/jiti/lib/jiti-cli.mjs');
  const script = path.join(repository, 'bench/calibration_child.ts');
  const text = execFileSync(process.execPath, [jiti, script, mode, model, String(samples)], { encoding: 'utf8' });
  return JSON.parse(text.trim().split('\n').at(-1)!) as Run;
}
