import { type Command, Option } from 'commander';
import type { AnalyzeOptions } from '../analyze_sensitivity.js';
import { calibratorNames } from '../calibrate/calibrators/calibrator.js';
import { type AccuracyFlags, accuracyOptions, addAccuracyOptions } from './accuracy_options.js';
import { type DataFlags, openOptions, parseNumber, parsePositive } from './data_options.js';
import { type CalibrationFlags, calibrationOptions } from './int8_options.js';

/** Flags of quantize that --analyze reads. */
export type AnalyzeFlags = AccuracyFlags &
  CalibrationFlags &
  DataFlags & {
    readonly analyze?: boolean;
    readonly analyzeSamples?: number;
    readonly target?: string;
    readonly cpu?: string;
    readonly include?: string[];
    readonly exclude?: string[];
    readonly config?: string;
    readonly json?: boolean;
    readonly quiet?: boolean;
  };

/** Those of them that quantize has for nothing else. */
export const addAnalyzeOptions = (command: Command): Command =>
  addAccuracyOptions(
    command
      .option('--analyze', 'write nothing: rank layers by the error that each causes alone with 8-bit activations')
      .option('--analyze-samples <count>', 'samples to measure on (default: 32; with labels all)', parsePositive)
      .addOption(new Option('--calibrator <name>', 'of --analyze, as for optimize').choices(calibratorNames))
      .option('--percentile <percent>', 'what --calibrator percentile keeps (default: 99.99)', parseNumber)
      .option('--ranges <file>', 'activation ranges of --analyze, instead of calibrated ones')
      .option('--include <pattern...>', 'of --analyze: only nodes of these names run on 8 bits'),
  );

export function analyzeOptions(flags: AnalyzeFlags): Omit<AnalyzeOptions, 'model'> {
  const { target, cpu, include, exclude } = flags;
  return {
    ...accuracyOptions(flags),
    ...(flags.analyzeSamples !== undefined && { samples: flags.analyzeSamples }),
    ...(target !== undefined && { target }),
    ...(cpu !== undefined && { cpu }),
    calibration: { ...openOptions(flags), ...calibrationOptions(flags) },
    quantization: { ...(include && { include }), ...(exclude && { exclude }) },
  };
}
