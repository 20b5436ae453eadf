import { Command, Option } from 'commander';
import type { QuantizationOptions } from '../int8/quantize_int8.js';
import type { OptimizeOptions } from '../optimize.js';
import type { Precision } from '../requested_precision.js';
import { addSearchOptions, type SearchFlags, searchOptions } from './accuracy_options.js';
import { addDataOptions, type DataFlags, openOptions, parseCount, parseNumber } from './data_options.js';
import { addHalfOptions, type HalfFlags, halfOptions } from './half_options.js';
import { addInt8Options, type Int8Flags, int8Options } from './int8_options.js';
import type { RunFlags } from './run_optimize.js';

type Flags = DataFlags &
  Int8Flags &
  SearchFlags &
  HalfFlags &
  RunFlags & {
    readonly target?: string;
    readonly precision?: Precision;
    readonly force?: boolean;
    readonly checkData?: string;
    readonly minSqnr?: number;
  };

export const optimizeCommand = (): Command =>
  addOutputOptions(
    addDataOptions(
      addHalfOptions(
        addSearchOptions(
          addInt8Options(
            new Command('optimize')
              .description('Rewrite a model for a target, and prove that it still answers the same')
              .argument('<model>', 'ONNX file')
              .option(
                '--target <name>',
                'portable, ort-cpu, ort-cuda, tensorrt@8.6, tensorrt@10 or tensorrt@11 (default: ort-cpu)',
              )
              .addOption(
                new Option('--precision <name>', 'of the result (default: fp32)').choices([
                  'fp32',
                  'fp16',
                  'bf16',
                  'int8',
                  'int8+fp16',
                  'fp8',
                ]),
              )
              .option('--force', 'int8 also where the target gains nothing by it, to compare answers'),
          )
            .option('--check-data <path>', 'samples to compare on (default: the calibration data, or random ones)')
            .option(
              '--min-sqnr <dB>',
              'least SQNR of each output against the original; int8 and 16-bit floats leave layers in float to reach it',
              parseNumber,
            ),
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
  $ onnxopt optimize model.onnx -o half.onnx --precision fp16 --keep-io-types
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
  const { calibration, quantization, ...int8 } = int8Options(flags);
  const check = {
    ...(flags.checkData !== undefined && { ...reading, data: flags.checkData }),
    ...(flags.minSqnr !== undefined && { tolerance: { minSqnr: flags.minSqnr } }),
  };
  const calibrating = { ...reading, ...calibration };
  const isHalf = flags.precision === 'fp16' || flags.precision === 'bf16';
  const { include, exclude, ...others } = quantization ?? {};
  const names = { ...(include && { include }), ...(exclude && { exclude }) };
  const { maxEvaluations, ...searching } = searchOptions(flags);
  const evaluations = maxEvaluations === undefined ? {} : { maxEvaluations };
  const half = {
    ...halfOptions(flags),
    // With int8+fp16, names are those of layers on 8 bits.
    ...(isHalf && { ...names, ...evaluations }),
    ...(isHalf && flags.minSqnr !== undefined && flags.maxError === undefined && { maxError: errorOf(flags.minSqnr) }),
  };
  const asked: QuantizationOptions = {
    ...others,
    ...searching,
    ...(!isHalf && { ...names, ...evaluations }),
    ...(flags.precision !== 'fp32' && !isHalf && flags.minSqnr !== undefined && { minSqnr: flags.minSqnr }),
  };
  return {
    ...(flags.target !== undefined && { target: flags.target }),
    ...(flags.precision && { precision: flags.precision }),
    ...(flags.force && { force: true }),
    ...int8,
    ...(Object.keys(asked).length > 0 && { quantization: asked }),
    ...(Object.keys(half).length > 0 && { half }),
    ...(Object.keys(calibrating).length > 0 && { calibration: calibrating }),
    ...(Object.keys(check).length > 0 && { check }),
  };
}

/** An SQNR in dB as ‖error‖ / ‖reference‖. */
const errorOf = (sqnr: number): number => 10 ** (-sqnr / 20);
