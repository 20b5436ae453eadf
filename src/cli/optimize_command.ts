import { Command, InvalidArgumentError, Option } from 'commander';
import { type CalibratorName, calibratorNames } from '../calibrate/calibrators/calibrator.js';
import type { OptimizeOptions } from '../optimize.js';
import type { TensorOverride } from '../passes/quantize/selection.js';
import { addSearchOptions, type SearchFlags, searchOptions } from './accuracy_options.js';
import { addDataOptions, type DataFlags, openOptions, parseCount, parseNumber, parsePositive } from './data_options.js';
import type { RunFlags } from './run_optimize.js';

type Flags = DataFlags &
  SearchFlags &
  RunFlags & {
    readonly target?: string;
    readonly precision?: 'fp32' | 'int8' | 'fp8';
    readonly force?: boolean;
    readonly cpu?: string;
    readonly calibrationData?: string;
    readonly calibrationLimit?: number;
    readonly calibrator?: CalibratorName;
    readonly percentile?: number;
    readonly ranges?: string;
    readonly include?: string[];
    readonly exclude?: string[];
    readonly floatTensor?: string[];
    readonly tensorRange?: TensorOverride[];
    readonly format?: 'qdq' | 'qoperator';
    readonly activationBits?: '8' | '16';
    readonly checkData?: string;
    readonly minSqnr?: number;
  };

export const optimizeCommand = (): Command =>
  addOutputOptions(
    addDataOptions(
      addSearchOptions(
        new Command('optimize')
          .description('Rewrite a model for a target, and prove that it still answers the same')
          .argument('<model>', 'ONNX file')
          .option(
            '--target <name>',
            'portable, ort-cpu, ort-cuda, tensorrt@8.6, tensorrt@10 or tensorrt@11 (default: ort-cpu)',
          )
          .addOption(new Option('--precision <name>', 'of the result (default: fp32)').choices(['fp32', 'int8', 'fp8']))
          .option('--force', 'int8 also where the target gains nothing by it, to compare answers')
          .addOption(
            new Option('--cpu <kind>', 'processor that int8 is laid out for (default: this one)').choices([
              'avx2',
              'avx512',
              'vnni',
              'amx',
              'arm',
            ]),
          )
          .option(
            '--calibration-data <path>',
            'samples: a folder, file or glob of npy, npz, pb or images, a module, or "random"',
          )
          .option('--calibration-limit <count>', 'samples to calibrate on at most', parsePositive)
          .addOption(
            new Option(
              '--calibrator <name>',
              'how ranges come from samples (default: minmax); moving-average: average',
            ).choices(calibratorNames),
          )
          .option('--percentile <percent>', 'what --calibrator percentile keeps (default: 99.99)', parseNumber)
          .option('--ranges <file>', 'activation ranges saved before, or a TensorRT calibration cache, instead of data')
          .option('--save-ranges <file>', 'save the activation ranges as JSON')
          .option('--include <pattern...>', 'only nodes of these names run on 8 bits; * stands for any characters')
          .option('--exclude <pattern...>', 'nodes to leave in float, by name')
          .option('--float-tensor <pattern...>', 'values to leave in float, by name')
          .option('--tensor-range <name=min:max...>', 'ranges of values, instead of calibrated ones', parseTensorRange)
          .addOption(
            new Option('--format <name>', 'of int8: Q/DQ pairs or operators on integers (default: qdq)').choices([
              'qdq',
              'qoperator',
            ]),
          )
          .addOption(
            new Option(
              '--activation-bits <count>',
              '16 where the target takes them: truer, not faster (default: 8)',
            ).choices(['8', '16']),
          )
          .option('--check-data <path>', 'samples to compare on (default: the calibration data, or random ones)')
          .option(
            '--min-sqnr <dB>',
            'least SQNR of each output against the original; int8 leaves layers in float to reach it',
            parseNumber,
          ),
      ),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ onnxopt optimize model.onnx -o fast.onnx
  $ onnxopt optimize model.onnx -o fast.onnx --precision int8 --calibration-data samples/
  $ onnxopt optimize model.onnx -o fast.onnx --precision int8 --calibration-data samples/ --min-sqnr 30
  $ onnxopt optimize model.onnx -o fast.onnx --precision int8 --calibration-data samples/ \\
      --labels labels.txt --max-drop 0.5%
  $ onnxopt optimize model.onnx -o fast.onnx --precision int8 --calibration-data 'photos/*.jpg' \\
      --image-size 224x224 --image-scale 0.00392157 --image-mean 0.485,0.456,0.406 --image-std 0.229,0.224,0.225`,
    )
    .action(async (model: string, flags: Flags) => {
      const { runOptimize } = await import('./run_optimize.js');
      await runOptimize(model, flags, optionsOf(flags));
    });

/** Output, report and check; the same for every command that writes a model. */
export const addOutputOptions = (command: Command): Command =>
  addReportOptions(command.requiredOption('-o, --output <file>', 'where the result is written'));

/** The same for a command that can do without an output, and asks for it itself. */
export const addReportOptions = (command: Command): Command =>
  command
    .option('--config <file>', 'options from a file (default: onnxopt.config.{ts,mjs,js,json} here)')
    .option('--no-check', 'write the result without comparing it with the original')
    .option('--verify', 'infer all types again after each pass')
    .addOption(
      new Option('--external-data <mode>', 'weights in a file of their own').choices(['keep', 'always', 'never']),
    )
    .option('--max-growth <bytes>', 'bytes that folding constants may add', parseCount)
    .addOption(
      new Option('--fp-contract <mode>', 'strict: only rewrites that keep every bit (default: default)').choices([
        'strict',
        'default',
      ]),
    )
    .option('--report', 'list what each pass and rule did, and what it saved')
    .option('--json', 'print the report as JSON')
    .option('--quiet', 'print nothing but errors');

function optionsOf(flags: Flags): Partial<OptimizeOptions> {
  const reading = openOptions(flags);
  const calibration = {
    ...reading,
    ...(flags.calibrationData !== undefined && { data: flags.calibrationData }),
    ...(flags.calibrationLimit !== undefined && { limit: flags.calibrationLimit }),
    ...(flags.calibrator && { calibrator: flags.calibrator }),
    ...(flags.percentile !== undefined && { percentile: flags.percentile }),
    ...(flags.ranges !== undefined && { ranges: flags.ranges }),
  };
  const check = {
    ...(flags.checkData !== undefined && { ...reading, data: flags.checkData }),
    ...(flags.minSqnr !== undefined && { tolerance: { minSqnr: flags.minSqnr } }),
  };
  const tensors: TensorOverride[] = [
    ...(flags.floatTensor ?? []).map((match) => ({ match, skip: true })),
    ...(flags.tensorRange ?? []),
  ];
  const quantization = {
    ...(flags.include && { include: flags.include }),
    ...(flags.exclude && { exclude: flags.exclude }),
    ...(tensors.length > 0 && { tensors }),
    ...(flags.format && { format: flags.format }),
    ...(flags.activationBits && { activationBits: flags.activationBits === '16' ? (16 as const) : (8 as const) }),
    ...(flags.precision !== 'fp32' && flags.minSqnr !== undefined && { minSqnr: flags.minSqnr }),
    ...searchOptions(flags),
  };
  return {
    ...(flags.target !== undefined && { target: flags.target }),
    ...(flags.precision && { precision: flags.precision }),
    ...(flags.force && { force: true }),
    ...(flags.cpu !== undefined && { cpu: flags.cpu }),
    ...(Object.keys(calibration).length > 0 && { calibration }),
    ...(Object.keys(quantization).length > 0 && { quantization }),
    ...(Object.keys(check).length > 0 && { check }),
  };
}

/** `name=min:max`, one more of those given before. */
function parseTensorRange(text: string, before: TensorOverride[] = []): TensorOverride[] {
  const at = text.lastIndexOf('=');
  const [min, max, ...rest] = text
    .slice(at + 1)
    .split(':')
    .map(Number);
  const isRange = Number.isFinite(min) && Number.isFinite(max) && min! <= max! && rest.length === 0;
  if (at < 1 || !isRange) throw new InvalidArgumentError('It has the form name=min:max.');
  return [...before, { match: text.slice(0, at), range: { min: min!, max: max! } }];
}
