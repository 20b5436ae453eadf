import type { DataType } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { formatType, type Shape } from '../../ir/value_type.js';
import { listNames } from './check_feeds.js';
import type { InputSpec } from './source.js';

/**
 * How an image becomes a tensor. Every channel value x, 0 to 255, gives
 *
 *     y = (x * scale - mean) / std
 *
 * with `mean` and `std` in the order of the channels after `color` has ordered them.
 */
export type ImageOptions = {
  /** Height and width in pixels; needed where the model leaves them open. */
  readonly size?: readonly [height: number, width: number];
  /** Needed where the model's shape does not tell which axis holds the channels. */
  readonly layout?: 'nchw' | 'nhwc';
  /** One number, or one a channel; 0 unless told. */
  readonly mean?: readonly number[];
  /** One number, or one a channel; 1 unless told. */
  readonly std?: readonly number[];
  /** 1/255 for floating point inputs and 1 for integer ones unless told. */
  readonly scale?: number;
  /** `rgb` for three channels and `gray` for one unless told; gray is 0.299 R + 0.587 G + 0.114 B, rounded. */
  readonly color?: 'rgb' | 'bgr' | 'gray';
  /** `fill` stretches, `cover` keeps the proportions and crops the centre (the default), `contain` pads. */
  readonly fit?: 'fill' | 'cover' | 'contain';
  /** What lies under transparent pixels and beside `contain`ed images; black unless told. */
  readonly background?: 'black' | 'white';
};

export type ImagePlan = {
  readonly input: string;
  readonly dtype: DataType;
  /** The dimensions of one image's tensor. */
  readonly dims: readonly number[];
  readonly height: number;
  readonly width: number;
  readonly layout: 'nchw' | 'nhwc';
  readonly color: 'rgb' | 'bgr' | 'gray';
  readonly scale: number;
  /** One a channel, as `std`. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly fit: 'fill' | 'cover' | 'contain';
  readonly background: 'black' | 'white';
};

const dtypes: readonly DataType[] = ['float', 'float16', 'bfloat16', 'double', 'uint8', 'int8'];

/**
 * Fills the options up from the type of the model's one input: rank 4, or rank 3 without the batch axis.
 * @throws DiagnosticError `data/image-options` where they contradict the input or leave something open.
 */
export function planImages(inputs: readonly InputSpec[], options: ImageOptions): ImagePlan {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw optionsFault(
      `images feed one input, the model takes ${listNames(inputs)}`,
      'Give the samples as .npz files or by a module',
    );
  }
  const { name, type } = input;
  const shape = type?.kind === 'tensor' ? type.shape : undefined;
  const dtype = type?.kind === 'tensor' ? (type.dtype ?? 'float') : 'float';
  const described = `"${name}" of type ${formatType(type)}`;
  if (!dtypes.includes(dtype) || (shape !== undefined && shape.length !== 3 && shape.length !== 4)) {
    throw optionsFault(`${described} takes no image`, 'Give the samples as .npy or .npz files or by a module');
  }
  const batched = shape?.length !== 3;
  const axes = batched ? shape?.slice(1) : shape;
  const layout = options.layout ?? layoutOf(axes);
  if (layout === undefined) {
    throw optionsFault(`which axis of ${described} holds the channels cannot be told`, 'Set layout to nchw or nhwc');
  }
  const [first, second, third] = axes ?? [];
  const [channelDim, heightDim, widthDim] = layout === 'nchw' ? [first, second, third] : [third, first, second];
  const color = options.color ?? (channelDim === 1 ? 'gray' : 'rgb');
  const channels = color === 'gray' ? 1 : 3;
  if (typeof channelDim === 'number' && channelDim !== channels) {
    const message = `${color} images have ${channels} channels, ${described} takes ${channelDim} as ${layout}`;
    throw optionsFault(message, 'Set color and layout to what the model takes');
  }
  const height = sideOf('height', heightDim, options.size?.[0], described);
  const width = sideOf('width', widthDim, options.size?.[1], described);
  const pixels = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  return {
    input: name,
    dtype,
    dims: batched ? [1, ...pixels] : pixels,
    height,
    width,
    layout,
    color,
    scale: finite('scale', options.scale ?? (dtype === 'uint8' || dtype === 'int8' ? 1 : 1 / 255)),
    mean: perChannel('mean', options.mean ?? [0], channels),
    std: perChannel('std', options.std ?? [1], channels),
    fit: options.fit ?? 'cover',
    background: options.background ?? 'black',
  };
}

/** The one axis of the three that has as many steps as images have channels. */
function layoutOf(axes: Shape | undefined): 'nchw' | 'nhwc' | undefined {
  const first = axes?.[0] === 1 || axes?.[0] === 3;
  const last = axes?.[2] === 1 || axes?.[2] === 3;
  if (first === last) return undefined;
  return first ? 'nchw' : 'nhwc';
}

function sideOf(side: string, dim: Shape[number], asked: number | undefined, described: string): number {
  const given = typeof dim === 'number' ? dim : undefined;
  const size = given ?? asked;
  if (size === undefined) throw optionsFault(`${described} leaves the ${side} open`, 'Set size to [height, width]');
  if (asked !== undefined && asked !== size) {
    throw optionsFault(`size asks for a ${side} of ${asked}, ${described} takes ${given}`, 'Leave size out');
  }
  if (!Number.isInteger(size) || size < 1 || size > 16_384) {
    throw optionsFault(`a ${side} of ${size} pixels`, 'Give a whole number from 1 to 16384');
  }
  return size;
}

function perChannel(option: 'mean' | 'std', values: readonly number[], channels: number): number[] {
  const [first] = values;
  if (first === undefined || (values.length !== 1 && values.length !== channels)) {
    throw optionsFault(`${option} has ${values.length} numbers for ${channels} channels`, 'Give one, or one a channel');
  }
  for (const value of values) finite(option, value);
  if (option === 'std' && values.includes(0)) throw optionsFault('std holds a 0', 'Nothing can be divided by it');
  return values.length === channels ? [...values] : Array.from({ length: channels }, () => first);
}

function finite(option: string, value: number): number {
  if (!Number.isFinite(value)) throw optionsFault(`${option} holds ${value}`, 'Give finite numbers');
  return value;
}

export const optionsFault = (message: string, help: string, where?: string): DiagnosticError =>
  new DiagnosticError({ code: 'data/image-options', message, where, help });
