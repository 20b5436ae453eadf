import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ImageOptions } from '../calibrate/sources/image_options.js';
import type { OpenSourceOptions } from '../calibrate/sources/open_source.js';

/** How sample data are read; the same on every command that reads some. */
export type DataFlags = {
  readonly split?: boolean;
  readonly cast?: boolean;
  readonly imageSize?: [number, number];
  readonly imageLayout?: 'nchw' | 'nhwc';
  readonly imageMean?: number[];
  readonly imageStd?: number[];
  readonly imageScale?: number;
  readonly imageColor?: 'rgb' | 'bgr' | 'gray';
  readonly imageFit?: 'fill' | 'cover' | 'contain';
  readonly seed?: number;
  readonly bind?: Record<string, number>;
};

export const addDataOptions = (command: Command): Command =>
  command
    .option('--split', 'cut arrays into samples along their first axis')
    .option('--cast', 'convert element types of samples where nothing is lost')
    .option('--image-size <HxW>', 'size that images are brought to', parseSize)
    .addOption(new Option('--image-layout <layout>', 'order of axes').choices(['nchw', 'nhwc']))
    .option('--image-mean <list>', 'subtracted per channel, after the scale', parseNumbers)
    .option('--image-std <list>', 'divided by per channel', parseNumbers)
    .option('--image-scale <number>', 'factor for 0…255 pixels, e.g. 0.00392157', parseNumber)
    .addOption(new Option('--image-color <order>', 'order of channels').choices(['rgb', 'bgr', 'gray']))
    .addOption(new Option('--image-fit <fit>', 'how the aspect ratio is met').choices(['fill', 'cover', 'contain']))
    .option('--bind <sizes>', 'sizes of open dimensions of random samples, e.g. N=1,W=320', parseBindings)
    .option('--seed <number>', 'seed of random samples', parseCount);

export function openOptions(flags: DataFlags): OpenSourceOptions {
  const image: ImageOptions = {
    ...(flags.imageSize && { size: flags.imageSize }),
    ...(flags.imageLayout && { layout: flags.imageLayout }),
    ...(flags.imageMean && { mean: flags.imageMean }),
    ...(flags.imageStd && { std: flags.imageStd }),
    ...(flags.imageScale !== undefined && { scale: flags.imageScale }),
    ...(flags.imageColor && { color: flags.imageColor }),
    ...(flags.imageFit && { fit: flags.imageFit }),
  };
  const random = {
    ...(flags.seed !== undefined && { seed: flags.seed }),
    ...(flags.bind && { bind: flags.bind }),
  };
  return {
    ...(flags.split && { split: true }),
    ...(flags.cast && { cast: true }),
    ...(Object.keys(image).length > 0 && { image }),
    ...(Object.keys(random).length > 0 && { random }),
  };
}

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('A number is needed.');
  return value;
}

export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

export function parsePositive(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new InvalidArgumentError('At least 1 is needed.');
  return value;
}

function parseSize(text: string): [number, number] {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Height and width are needed, such as 224x224.');
  return [Number(match[1]), Number(match[2])];
}

const parseNumbers = (text: string): number[] => text.split(',').map(parseNumber);

function parseBindings(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(',').map((part) => {
      const at = part.lastIndexOf('=');
      if (at < 1) throw new InvalidArgumentError('Names and sizes are needed, such as N=1,W=320.');
      return [part.slice(0, at), parseCount(part.slice(at + 1))];
    }),
  );
}
