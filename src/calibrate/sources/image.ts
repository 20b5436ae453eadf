import { DiagnosticError } from '../../ir/diagnostic.js';
import { roundToEven } from '../../ir/half_float.js';
import { type Tensor, tensorFromData } from '../../ir/tensor.js';
import { encodeElements } from './encode_elements.js';
import { type ImagePlan, optionsFault } from './image_options.js';

const formats = ['png', 'jpeg', 'webp'];

/**
 * The tensor of one image file. It is turned as its EXIF orientation says, laid on the plan's background where it is
 * transparent, brought to sRGB with 8 bits a channel, and resized with a linear filter that averages when it shrinks.
 * Of an animation, the first picture counts. The bytes decide on the format, not the file's name.
 * @param maxPixels of the image as it is stored.
 * @throws DiagnosticError `data/malformed-image`, `data/too-large`, and `data/image-options` where integers are wanted
 * and a value lies outside their range.
 */
export async function decodeImage(
  bytes: Uint8Array,
  plan: ImagePlan,
  where: string,
  maxPixels: number,
): Promise<Tensor> {
  const rgb = await readPixels(bytes, plan, where, maxPixels);
  const { data, reason } = encodeElements(plan.dtype, normalized(rgb, plan));
  if (data === undefined) {
    const help = 'Set scale, mean and std so that the values fit the type of the input';
    throw optionsFault(`the normalized image has a value outside of its type: ${reason}`, help, where);
  }
  return tensorFromData(plan.dtype, plan.dims, data);
}

/** Height x width x (red, green, blue). */
async function readPixels(bytes: Uint8Array, plan: ImagePlan, where: string, maxPixels: number): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  try {
    // Metadata first: no pixel is decoded before format and size are known.
    const { format, width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
    if (!formats.includes(format)) throw malformedImage(`the file holds ${format}`, where);
    if (width * height > maxPixels) {
      throw new DiagnosticError({
        code: 'data/too-large',
        message: `an image of ${width} x ${height} pixels, more than the limit of ${maxPixels} in all`,
        where,
        help: 'Make the image smaller, or raise the limit (maxPixels)',
      });
    }
    const background = plan.background === 'white' ? '#ffffff' : '#000000';
    const { data } = await sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels, autoOrient: true })
      .flatten({ background })
      .toColourspace('srgb')
      .resize({
        width: plan.width,
        height: plan.height,
        fit: plan.fit,
        background,
        kernel: 'linear',
        fastShrinkOnLoad: false,
      })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return data;
  } catch (cause) {
    if (cause instanceof DiagnosticError) throw cause;
    throw malformedImage(
      `the image cannot be decoded: ${cause instanceof Error ? cause.message : cause}`,
      where,
      cause,
    );
  }
}

const malformedImage = (message: string, where: string, cause?: unknown): DiagnosticError =>
  new DiagnosticError(
    { code: 'data/malformed-image', message, where, help: 'Save the image again as PNG, JPEG or WebP' },
    { cause },
  );

/** Where the channels of each color lie in RGB; gray is computed. */
const channelOrder = { rgb: [0, 1, 2], bgr: [2, 1, 0], gray: [0] } as const;

function normalized(rgb: Uint8Array, plan: ImagePlan): Float64Array {
  const { color, layout, scale, mean, std } = plan;
  const order = channelOrder[color];
  const pixels = plan.height * plan.width;
  const values = new Float64Array(pixels * order.length);
  const whole = plan.dtype === 'uint8' || plan.dtype === 'int8';
  for (let channel = 0; channel < order.length; channel++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      const x = color === 'gray' ? luma(rgb, pixel * 3) : rgb[pixel * 3 + order[channel]!]!;
      const y = (x * scale - mean[channel]!) / std[channel]!;
      const at = layout === 'nchw' ? channel * pixels + pixel : pixel * order.length + channel;
      values[at] = whole ? roundToEven(y) : y;
    }
  }
  return values;
}

/** ITU-R BT.601, in the integer arithmetic of Pillow's `convert("L")`. */
const luma = (rgb: Uint8Array, at: number): number =>
  (rgb[at]! * 19_595 + rgb[at + 1]! * 38_470 + rgb[at + 2]! * 7_471 + 0x8000) >> 16;
