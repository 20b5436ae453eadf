import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CalibrationOptions } from '../calibrate/calibrate.js';
import { type CalibratorName, calibratorNames } from '../calibrate/calibrators/calibrator.js';
import type { OptimizeOptions } from '../optimize.js';
import type { TensorOverride } from '../passes/quantize/selection.js';
import { parseNumber, parsePositive } from './data_options.js';

/** Where ranges come from. */
export type CalibrationFlags = {
  readonly calibrationData?: string;
  readonly calibrationLimit?: number;
  readonly calibrator?: CalibratorName;
  readonly percentile?: number;
  readonly ranges?: string;
};

/** How int8 is placed, calibrated and written. */
export type Int8Flags = CalibrationFlags & {
  readonly cpu?: string;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly floatTensor?: string[];
  readonly tensorRange?: TensorOverride[];
  readonly gate?: 'latency' | 'none';
  readonly gateSeconds?: number;
  readonly floats?: string;
  readonly format?: 'qdq' | 'qoperator';
  readonly activationBits?: '8' | '16';
  readonly equalize?: boolean;
  readonly smooth?: boolean | number;
  readonly insertMul?: boolean;
  readonly weightScales?: 'range' | 'mse';
  readonly rounding?: 'nearest' | 'learned';
  readonly correctBias?: boolean;
};

export const addInt8Options = (command: Command): Command =>
  command
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
    .option(
      '--include <pattern...>',
      'only nodes of these names run on 8 bits; or nodes to compute in 16 bits all the same',
    )
    .option('--exclude <pattern...>', 'nodes to leave in float, by name; * stands for any characters')
    .option('--float-tensor <pattern...>', 'values to leave in float, by name')
    .option('--tensor-range <name=min:max...>', 'ranges of values, instead of calibrated ones', parseTensorRange)
    .addOption(
      new Option(
        '--gate <name>',
        'what decides which nodes stay in float (default: latency where it can be measured)',
      ).choices(['latency', 'none']),
    )
    .option('--gate-seconds <seconds>', 'how long --gate latency measures (default: 20)', parseSeconds)
    .option('--floats <file>', 'nodes to leave in float, as they were saved: the same choice without measuring')
    .option('--save-floats <file>', 'save which nodes measurements left in float')
    .addOption(
      new Option('--format <name>', 'of int8: Q/DQ pairs or operators on integers (default: qdq)').choices([
        'qdq',
        'qoperator',
      ]),
    )
    .addOption(
      new Option('--activation-bits <count>', '16 where the target takes them: truer, not faster (default: 8)').choices(
        ['8', '16'],
      ),
    )
    .option('--equalize', 'balance the channels of neighbouring layers before int8')
    .option('--smooth [alpha]', 'move large activations into weights before int8 (default: 0.5)', parseNumber)
    .option('--insert-mul', 'with --smooth, where no layer takes the factors up')
    .addOption(
      new Option(
        '--weight-scales <name>',
        'of int8 weights: their range or least squared error (default: range)',
      ).choices(['range', 'mse']),
    )
    .addOption(
      new Option('--rounding <name>', 'of int8 weights; learned needs samples (default: nearest)').choices([
        'nearest',
        'learned',
      ]),
    )
    .option('--correct-bias', 'shift biases by the mean error of int8 on the samples (default: where there are any)')
    .option('--no-correct-bias', 'leave biases as they are');

export const calibrationOptions = (flags: CalibrationFlags): CalibrationOptions => ({
  ...(flags.calibrationData !== undefined && { data: flags.calibrationData }),
  ...(flags.calibrationLimit !== undefined && { limit: flags.calibrationLimit }),
  ...(flags.calibrator && { calibrator: flags.calibrator }),
  ...(flags.percentile !== undefined && { percentile: flags.percentile }),
  ...(flags.ranges !== undefined && { ranges: flags.ranges }),
});

export function int8Options(flags: Int8Flags): Pick<OptimizeOptions, 'cpu' | 'calibration' | 'quantization'> {
  const calibration = calibrationOptions(flags);
  const tensors: TensorOverride[] = [
    ...(flags.floatTensor ?? []).map((match) => ({ match, skip: true })),
    ...(flags.tensorRange ?? []),
  ];
  const quantization = {
    ...(flags.include && { include: flags.include }),
    ...(flags.exclude && { exclude: flags.exclude }),
    ...(tensors.length > 0 && { tensors }),
    ...(flags.gate && { gate: flags.gate }),
    ...(flags.gateSeconds !== undefined && { gateSeconds: flags.gateSeconds }),
    ...(flags.floats !== undefined && { floats: flags.floats }),
    ...(flags.format && { format: flags.format }),
    ...(flags.weightScales && { weightScales: flags.weightScales }),
    ...(flags.rounding && { rounding: flags.rounding }),
    ...(flags.correctBias !== undefined && { correctBias: flags.correctBias }),
    ...(flags.activationBits && { activationBits: flags.activationBits === '16' ? (16 as const) : (8 as const) }),
    ...(flags.equalize && { equalize: true }),
    ...(flags.smooth !== undefined && { smooth: flags.smooth }),
    ...(flags.insertMul && { insertMul: true }),
  };
  return {
    ...(flags.cpu !== undefined && { cpu: flags.cpu }),
    ...(Object.keys(calibration).length > 0 && { calibration }),
    ...(Object.keys(quantization).length > 0 && { quantization }),
  };
}

function parseSeconds(text: string): number {
  const value = parseNumber(text);
  if (value <= 0) throw new InvalidArgumentError('More than 0 is needed.');
  return value;
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
