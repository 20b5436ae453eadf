import { Command, InvalidArgumentError, Option } from 'commander';
import { type CalibratorName, calibratorNames } from '../calibrate/calibrators/calibrator.js';
import type { Shard } from '../calibrate/statistics_file.js';
import { addDataOptions, type DataFlags, openOptions, parseCount, parseNumber } from './data_options.js';

type Flags = DataFlags & {
  readonly output: string;
  readonly data?: string;
  readonly limit?: number;
  readonly calibrator?: CalibratorName;
  readonly percentile?: number;
  readonly target?: string;
  readonly cpu?: string;
  readonly precision?: 'int8' | 'fp8';
  readonly exclude?: string[];
  readonly shard?: Shard;
  readonly merge?: string[];
  readonly saveStatistics?: string;
  readonly quiet?: boolean;
};

export const calibrateCommand = (): Command =>
  addDataOptions(
    new Command('calibrate')
      .description('Find the ranges of the activations that int8 needs, for optimize --ranges')
      .argument('[model]', 'ONNX file; not needed with --merge')
      .requiredOption('-o, --output <file>', 'where the ranges are written, or with --shard the statistics')
      .option('--data <path>', 'samples: a folder, file or glob of npy, npz, pb or images, a module, or "random"')
      .option('--limit <count>', 'samples at most', parseCount)
      .addOption(
        new Option('--calibrator <name>', 'how ranges come from samples (default: minmax)').choices(calibratorNames),
      )
      .option('--percentile <percent>', 'what --calibrator percentile keeps (default: 99.99)', parseNumber)
      .option('--target <name>', 'whose int8 the ranges are for (default: ort-cpu)')
      .addOption(new Option('--precision <name>', 'what the ranges are for (default: int8)').choices(['int8', 'fp8']))
      .option('--cpu <kind>', 'processor that int8 is laid out for (default: this one)')
      .option('--exclude <pattern...>', 'nodes to leave in float, as for optimize')
      .option('--shard <i/n>', 'every n-th sample from the i-th on; writes statistics to be merged', parseShard)
      .option('--merge <file...>', 'statistics of every shard, or one file of --save-statistics, instead of data')
      .option('--save-statistics <file>', 'keep what any calibrator can start from, for --merge')
      .option('--quiet', 'print nothing but errors'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ onnxopt calibrate model.onnx --data samples/ --calibrator percentile -o ranges.json
  $ onnxopt calibrate model.onnx --data samples/ --shard 1/2 -o part1.json
  $ onnxopt calibrate model.onnx --data samples/ --shard 2/2 -o part2.json
  $ onnxopt calibrate --merge part1.json part2.json --calibrator entropy -o ranges.json`,
    )
    .action(async (model: string | undefined, flags: Flags) => {
      const { runCalibrate } = await import('./run_calibrate.js');
      await runCalibrate(model, flags, openOptions(flags));
    });

export type { Flags as CalibrateFlags };

function parseShard(text: string): Shard {
  const [, index, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { index: Number(index), of: Number(of) };
  if (index === undefined || shard.index < 1 || shard.index > shard.of) {
    throw new InvalidArgumentError('A part and the number of parts are needed, such as 1/4.');
  }
  return shard;
}
