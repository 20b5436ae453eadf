import { type Command, InvalidArgumentError, Option } from 'commander';
import type { HalfOptions } from '../half/cast_to_half.js';
import { parseNumber } from './data_options.js';

/** Where 16-bit floats go; what names nodes stands on the command. */
export type HalfFlags = {
  readonly norms?: 'fp32' | 'fp16' | 'bf16';
  readonly keepIoTypes?: true | string[];
  readonly plan?: string;
  readonly savePlan?: string;
  readonly headroom?: number;
  readonly maxError?: number;
};

export const addHalfOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--norms <type>', 'what normalizations compute in (default: fp32)').choices(['fp32', 'fp16', 'bf16']),
    )
    .option('--keep-io-types [names...]', 'inputs and outputs that keep float32: all, or those named')
    .option('--headroom <factor>', 'fp16 holds what was seen to stay below 65504 / factor (default: 4)', parseNumber)
    .option('--plan <file>', 'a plan that was saved: it decides what is in 16 bits')
    .option('--save-plan <file>', 'save what each node computes in, and why, as JSON')
    .option(
      '--max-error <size>',
      'largest error of each output, e.g. 0.01, 1% or 40dB: leaves nodes in float to reach it',
      parseError,
    );

export const halfOptions = (flags: HalfFlags): HalfOptions => ({
  ...(flags.norms && { norms: flags.norms }),
  ...(flags.keepIoTypes && { keepIoTypes: flags.keepIoTypes }),
  ...(flags.plan !== undefined && { plan: flags.plan }),
  ...(flags.savePlan !== undefined && { savePlan: flags.savePlan }),
  ...(flags.headroom !== undefined && { headroom: flags.headroom }),
  ...(flags.maxError !== undefined && { maxError: flags.maxError }),
});

/** ‖error‖ / ‖reference‖: a fraction, a percentage, or the signal-to-noise ratio in dB that says the same. */
export function parseError(text: string): number {
  const match = /^(.*?)(%|dB)?$/i.exec(text.trim());
  const number = parseNumber(match?.[1] ?? '');
  const unit = match?.[2]?.toLowerCase();
  const error = unit === 'db' ? 10 ** (-number / 20) : unit === '%' ? number / 100 : number;
  if (error > 0 && error < 1) return error;
  throw new InvalidArgumentError('It lies between 0 and 1, such as 0.01, 1% or 40dB.');
}
