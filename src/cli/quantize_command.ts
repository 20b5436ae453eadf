import { Command, Option } from 'commander';
import type { Dtype } from '../dtype_presets.js';
import type { OptimizeOptions } from '../optimize.js';
import type { WeightScheme } from '../quantize_weights.js';
import { type AnalyzeFlags, addAnalyzeOptions } from './analyze_options.js';
import { addDataOptions, type DataFlags, openOptions, parseCount, parseNumber } from './data_options.js';
import { addReportOptions } from './optimize_command.js';
import type { Job, RunFlags } from './run_optimize.js';

type Flags = DataFlags &
  AnalyzeFlags &
  Omit<RunFlags, 'output'> & {
    readonly output?: string;
    readonly dtype?: Dtype;
    readonly weights?: '4' | '8';
    readonly dynamic?: 'int8' | 'uint8';
    readonly bnb4?: 'nf4' | 'fp4';
    readonly target?: string;
    readonly cpu?: string;
    readonly blockSize?: number;
    readonly method?: 'round' | 'hqq' | 'gptq' | 'awq';
    readonly insertMul?: boolean;
    readonly calibrationData?: string;
    readonly calibrationLimit?: number;
    readonly asymmetric?: boolean;
    readonly weightScales?: 'range' | 'mse';
    readonly accuracyLevel?: '0' | '1' | '4';
    readonly standard?: boolean;
    readonly embeddings?: boolean;
    readonly convolutions?: boolean;
    readonly exclude?: string[];
    readonly checkData?: string;
    readonly minSqnr?: number;
  };

const choice = (flag: string, what: string, choices: readonly string[]): Option =>
  new Option(flag, what).choices(choices);

export const quantizeCommand = (): Command =>
  addReportOptions(
    addDataOptions(
      addAnalyzeOptions(
        new Command('quantize')
          .description('Weights in fewer bits, which needs no data (for int8 with data: optimize --precision int8)')
          .argument('<model>', 'ONNX file')
          .option(
            '--dtype <name>',
            'a form that transformers.js loads: fp32, fp16, int8, uint8, q8, q4, q4f16 or bnb4; -o may be a folder',
          )
          .addOption(choice('--weights <bits>', 'weights in blocks, beside float activations', ['4', '8']))
          .addOption(choice('--dynamic <type>', '8-bit weights and activations', ['int8', 'uint8']))
          .addOption(choice('--bnb4 <type>', 'weights of 4 bits as bitsandbytes stores them', ['nf4', 'fp4']))
          .option('--target <name>', 'what the result is to run on (default: ort-cpu)')
          .addOption(
            choice('--cpu <kind>', 'processor that --dynamic is laid out for (default: this one)', [
              'avx2',
              'avx512',
              'vnni',
              'amx',
              'arm',
            ]),
          )
          .option('--block-size <count>', 'weights a block: 16 to 256 (default: 32; 64 with --bnb4)', parseCount)
          .addOption(
            choice('--method <name>', 'hqq: truer zero points, slower; gptq, awq: from samples (default: round)', [
              'round',
              'hqq',
              'gptq',
              'awq',
            ]),
          )
          .option('--insert-mul', 'with --method awq, where no layer takes the factors up')
          .option('--calibration-data <path>', 'samples for --method gptq and awq, as optimize takes them')
          .option('--calibration-limit <count>', 'samples to calibrate on at most', parseCount)
          .option('--asymmetric', 'a zero point for each block')
          .addOption(choice('--weight-scales <name>', 'to the ends, or of the least squared error', ['range', 'mse']))
          .addOption(choice('--accuracy-level <n>', 'of MatMulNBits; 4: int8 activations, faster', ['0', '1', '4']))
          .option('--standard', "operators of the standard, not the target's own")
          .option('--embeddings', 'tables that Gather picks rows from as well')
          .option('--convolutions', '--dynamic for convolutions as well')
          .option('--exclude <pattern...>', 'nodes to leave in float, by name; * stands for any characters')
          .option('--check-data <path>', 'samples to compare on (default: random ones)')
          .option('--min-sqnr <dB>', 'least SQNR of each output against the original', parseNumber),
      ).option('-o, --output <file>', 'where the result is written; not needed with --analyze'),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ onnxopt quantize model.onnx -o model_q4.onnx --weights 4 --method hqq --block-size 64
  $ onnxopt quantize model.onnx -o model_int8.onnx --dynamic int8 --weight-scales mse
  $ onnxopt quantize onnx/model.onnx -o onnx/ --dtype q8
  $ onnxopt quantize model.onnx --analyze --calibration-data samples/`,
    )
    .action(async (model: string, flags: Flags, command: Command) => {
      const { output } = flags;
      // As the parser says it of an option that is always required.
      if (output === undefined && !flags.analyze) {
        command.error("error: required option '-o, --output <file>' not specified");
      }
      const choices = await choose(flags);
      if (choices === 'analyze' || output === undefined) {
        const { runAnalyze } = await import('./analyze_command.js');
        await runAnalyze(model, flags);
        return;
      }
      const [{ runOptimize }, { quantizeWeights }] = await Promise.all([
        import('./run_optimize.js'),
        import('../quantize_weights.js'),
      ]);
      const { exclude } = flags;
      const job: Job = ({ precision: _precision, pipeline: _pipeline, half: _half, quantization, ...options }) =>
        quantizeWeights({ ...options, ...choices, exclude: exclude ?? quantization?.exclude ?? [] });
      await runOptimize(model, { ...flags, output }, optionsOf(flags), job);
    });

type Choice = 'analyze' | { readonly scheme: WeightScheme } | { readonly dtype: Dtype };

/** Exactly one of the ways, with the options that belong to it. */
async function choose(flags: Flags): Promise<Choice> {
  const { DiagnosticError } = await import('../ir/diagnostic.js');
  const ways = (['dtype', 'weights', 'dynamic', 'bnb4', 'analyze'] as const).filter((way) => flags[way] !== undefined);
  const [way] = ways;
  if (way === undefined || ways.length > 1) {
    const message =
      way === undefined ? 'nothing says how to quantize' : `--${ways.join(' and --')} ask for different things`;
    const help = 'Give one of --dtype, --weights, --dynamic, --bnb4 and --analyze';
    throw new DiagnosticError({ code: 'usage/quantization-way', message, help });
  }
  const foreign = belongsTo.find(([flag, ownWays]) => flags[flag] !== undefined && !ownWays.includes(way));
  if (foreign !== undefined) {
    const option = foreign[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new DiagnosticError({
      code: 'usage/conflicting-options',
      message: `--${option} means nothing with --${way}`,
    });
  }
  if (way === 'analyze') return 'analyze';
  if (flags.calibrationData !== undefined && flags.method !== 'gptq' && flags.method !== 'awq') {
    throw new DiagnosticError({
      code: 'usage/conflicting-options',
      message: 'samples mean nothing without --method gptq or awq',
      help: 'optimize --precision int8 quantizes activations with samples',
    });
  }
  if (flags.dtype !== undefined) return { dtype: flags.dtype };
  const { blockSize, method, insertMul, asymmetric, weightScales, accuracyLevel, embeddings, convolutions } = flags;
  const shared = { ...(weightScales && { scales: weightScales }), ...(embeddings && { embeddings }) };
  const size = blockSize === undefined ? {} : { blockSize };
  if (flags.bnb4 !== undefined) return { scheme: { kind: 'bnb4', type: flags.bnb4, ...size } };
  if (flags.dynamic !== undefined) {
    const form = flags.standard ? 'standard' : 'own';
    return {
      scheme: { kind: 'dynamic', weights: flags.dynamic, form, ...shared, ...(convolutions && { convolutions }) },
    };
  }
  return {
    scheme: {
      kind: 'blocks',
      bits: flags.weights === '8' ? 8 : 4,
      ...size,
      ...shared,
      ...(method && { method }),
      ...(insertMul && { insertMul }),
      ...(asymmetric && { symmetric: false }),
      ...(flags.standard && { form: 'standard' as const }),
      ...(accuracyLevel && { accuracyLevel: Number(accuracyLevel) as 0 | 1 | 4 }),
    },
  };
}

/** The ways that an option says something about. */
const belongsTo: readonly (readonly [keyof Flags, readonly string[]])[] = [
  ['blockSize', ['weights', 'bnb4']],
  ['method', ['weights']],
  ['insertMul', ['weights']],
  ['calibrationData', ['weights', 'analyze']],
  ['calibrationLimit', ['weights', 'analyze']],
  ['asymmetric', ['weights']],
  ['weightScales', ['weights', 'dynamic']],
  ['accuracyLevel', ['weights']],
  ['standard', ['weights', 'dynamic']],
  ['embeddings', ['weights', 'dynamic']],
  ['convolutions', ['dynamic']],
  ['output', ['dtype', 'weights', 'dynamic', 'bnb4']],
  ['analyzeSamples', ['analyze']],
  ['labels', ['analyze']],
  ['metric', ['analyze']],
  ['metricOutput', ['analyze']],
  ['calibrator', ['analyze']],
  ['percentile', ['analyze']],
  ['ranges', ['analyze']],
  ['include', ['analyze']],
];

function optionsOf(flags: Flags): Partial<OptimizeOptions> {
  const check = {
    ...(flags.checkData !== undefined && { ...openOptions(flags), data: flags.checkData }),
    ...(flags.minSqnr !== undefined && { tolerance: { minSqnr: flags.minSqnr } }),
  };
  const calibration = {
    ...openOptions(flags),
    ...(flags.calibrationData !== undefined && { data: flags.calibrationData }),
    ...(flags.calibrationLimit !== undefined && { limit: flags.calibrationLimit }),
  };
  return {
    ...(flags.target !== undefined && { target: flags.target }),
    ...(flags.cpu !== undefined && { cpu: flags.cpu }),
    ...(flags.calibrationData !== undefined && { calibration }),
    ...(Object.keys(check).length > 0 && { check }),
  };
}
