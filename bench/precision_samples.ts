import type { Sample, SampleSource } from '../src/calibrate/sources/source.js';
import { floatTensor } from '../src/ir/tensor.js';
import { uniformNumbers } from './decoder_model.js';

/** How a model takes images. */
export type ImageInput = {
  readonly name: string;
  readonly layout: 'NCHW' | 'NHWC';
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** What black and white are; a fourth channel is 1. */
  readonly range: readonly [black: number, white: number];
};

/** Pictures with light that falls off and shapes with sharp edges: noise means nothing to what looks for lines or text. */
export function pictures(input: ImageInput, count: number): SampleSource {
  const list = Array.from(
    { length: count },
    (_, index): Sample => ({ name: `picture ${index}`, feeds: picture(input, index) }),
  );
  return {
    description: `${count} drawn pictures`,
    count,
    async *samples() {
      yield* list;
    },
  };
}

function picture({ name, layout, height, width, channels, range }: ImageInput, seed: number): Sample['feeds'] {
  const uniform = uniformNumbers(seed + 1);
  const shapes = Array.from({ length: 12 }, () => {
    const [x, y] = [uniform() * width, uniform() * height];
    return {
      x,
      y,
      right: x + uniform() * width * 0.4,
      below: y + uniform() * height * 0.3,
      light: uniform(),
      tilt: uniform() - 0.5,
    };
  });
  const values = new Float32Array(height * width * channels);
  const [black, white] = range;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let light = 0.3 + (0.4 * x) / width + (0.2 * y) / height;
      for (const shape of shapes) {
        const shifted = x + shape.tilt * (y - shape.y);
        if (shifted >= shape.x && shifted < shape.right && y >= shape.y && y < shape.below) light = shape.light;
      }
      for (let channel = 0; channel < channels; channel += 1) {
        const at = layout === 'NHWC' ? (y * width + x) * channels + channel : (channel * height + y) * width + x;
        values[at] = channel === 3 ? 1 : black + (white - black) * light * (1 - 0.1 * channel);
      }
    }
  }
  const dims = layout === 'NHWC' ? [1, height, width, channels] : [1, channels, height, width];
  return new Map([[name, floatTensor(values, dims)]]);
}
