import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { type Bench, type Measurement, median } from './measurement.js';
import { digits, recognizer, repository } from './models.js';

type Run = { readonly seconds: number; readonly peakMegabytes: number };

/** Ratios to inference of the model as it came and of the simplified one; megabytes beyond the former. */
type Found = { readonly ratios: number[]; readonly toSimplified: number[]; readonly memory: number[] };

const bars = { extremes: 1.5, histograms: 1.6 } as const;

/**
 * Calibration against bare inference of the same samples, each in a process of its own, in turn: inference of the model as
 * it came, for which the bars are; and of the simplified model, whose fusions observing takes apart again.
 */
export const calibrationBench: Bench = {
  name: 'calibration',
  summary: 'time of calibrating / time of bare inference of the same samples; memory beyond; memory by samples',
  async run({ smoke }) {
    const measurements: Measurement[] = [];
    for (const [model, samples] of [
      [digits, smoke ? 50 : 1000],
      [recognizer, smoke ? 10 : 100],
    ] as const) {
      const modes = ['extremes', 'histograms'] as const;
      const empty = (): Found => ({ ratios: [], toSimplified: [], memory: [] });
      const found = { extremes: empty(), histograms: empty() };
      for (let round = 0; round < (smoke ? 1 : 5); round += 1) {
        const bare = child('bare', model.name, samples);
        const simplified = child('simplified', model.name, samples);
        for (const mode of modes) {
          const calibrate = child(mode, model.name, samples);
          found[mode].ratios.push(calibrate.seconds / bare.seconds);
          found[mode].toSimplified.push(calibrate.seconds / simplified.seconds);
          found[mode].memory.push(calibrate.peakMegabytes - bare.peakMegabytes);
        }
      }
      for (const mode of modes) {
        const what = `${model.name}, ${mode}, ${samples} samples`;
        measurements.push({ what, value: median(found[mode].ratios), unit: 'ratio', bar: bars[mode] });
        measurements.push({ what: `${what}, to simplified`, value: median(found[mode].toSimplified), unit: 'ratio' });
        measurements.push({ what: `${what}, memory beyond`, value: median(found[mode].memory), unit: 'MB', bar: 300 });
      }
      const [few, many] = smoke ? [5, 50] : [10, 1000];
      const growth =
        child('histograms', model.name, many).peakMegabytes - child('histograms', model.name, few).peakMegabytes;
      measurements.push({
        what: `${model.name}, memory, ${many} samples − ${few}`,
        value: growth,
        unit: 'MB',
        bar: 100,
      });
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
