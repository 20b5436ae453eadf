import { Command, Option } from 'commander';
import type { OptimizeOptions } from '../optimize.js';
import { addDataOptions, type DataFlags, openOptions, parsePositive } from './data_options.js';
import { addHalfOptions, type HalfFlags, halfOptions } from './half_options.js';
import { addReportOptions } from './optimize_command.js';
import type { RunFlags } from './run_optimize.js';

type Flags = DataFlags &
  HalfFlags &
  Omit<RunFlags, 'output'> & {
    readonly output?: string;
    readonly to: 'fp16' | 'bf16';
    readonly target?: string;
    readonly include?: string[];
    readonly exclude?: string[];
    readonly calibrationData?: string;
    readonly calibrationLimit?: number;
    readonly ranges?: string;
    readonly checkData?: string;
    readonly maxEvaluations?: number;
    readonly dryRun?: boolean;
  };

export const castCommand = (): Command =>
  addReportOptions(
    addDataOptions(
      addHalfOptions(
        new Command('cast')
          .description('16-bit floats where they keep the answers, with the fewest casts between')
          .argument('<model>', 'ONNX file')
          .addOption(new Option('--to <type>', 'the 16-bit type').choices(['fp16', 'bf16']).makeOptionMandatory())
          .option('--target <name>', 'what the result is to run on (default: ort-cpu)')
          .option('--include <pattern...>', 'nodes to compute in 16 bits whatever the rules say, by name')
          .option('--exclude <pattern...>', 'nodes to leave in float, by name; * stands for any characters')
          .option('--calibration-data <path>', 'samples, as optimize takes them, that tell what stays in range')
          .option('--calibration-limit <count>', 'samples to calibrate on at most', parsePositive)
          .option('--ranges <file>', 'ranges saved before, instead of data'),
      )
        .option('--max-evaluations <count>', 'models to measure for --max-error at most (default: 40)', parsePositive)
        .option('--check-data <path>', 'samples to compare on (default: the calibration data, or random ones)')
        .option('--dry-run', 'say what would be done, and write no model')
        .option('-o, --output <file>', 'where the result is written; not with --dry-run'),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ onnxopt cast model.onnx -o half.onnx --to fp16
  $ onnxopt cast model.onnx -o half.onnx --to fp16 --keep-io-types --calibration-data samples/
  $ onnxopt cast model.onnx -o half.onnx --to bf16 --target tensorrt@11 --save-plan plan.json
  $ onnxopt cast model.onnx -o half.onnx --to fp16 --max-error 1%
  $ onnxopt cast model.onnx --to fp16 --dry-run`,
    )
    .action(async (model: string, flags: Flags, command: Command) => {
      const { output, dryRun } = flags;
      if (output === undefined && !dryRun) {
        command.error("error: required option '-o, --output <file>' not specified");
      }
      const options = optionsOf(flags);
      const { runOptimize } = await import('./run_optimize.js');
      if (!dryRun) return runOptimize(model, flags, options);
      const { output: _output, ...rest } = flags;
      return runOptimize(model, { ...rest, check: false }, options);
    });

function optionsOf(flags: Flags): Partial<OptimizeOptions> {
  const reading = openOptions(flags);
  const calibration = {
    ...reading,
    ...(flags.calibrationData !== undefined && { data: flags.calibrationData }),
    ...(flags.calibrationLimit !== undefined && { limit: flags.calibrationLimit }),
    ...(flags.ranges !== undefined && { ranges: flags.ranges }),
  };
  return {
    precision: flags.to,
    ...(flags.target !== undefined && { target: flags.target }),
    ...(Object.keys(calibration).length > 0 && { calibration }),
    half: {
      ...halfOptions(flags),
      ...(flags.include && { include: flags.include }),
      ...(flags.exclude && { exclude: flags.exclude }),
      ...(flags.maxEvaluations !== undefined && { maxEvaluations: flags.maxEvaluations }),
    },
    ...(flags.checkData !== undefined && { check: { ...reading, data: flags.checkData } }),
  };
}
