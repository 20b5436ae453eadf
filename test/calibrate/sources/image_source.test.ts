import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ImageOptions } from '../../../src/calibrate/sources/image_options.js';
import { writeNpy } from '../../../src/calibrate/sources/npy.js';
import { openSource } from '../../../src/calibrate/sources/open_source.js';
import type { InputSpec } from '../../../src/calibrate/sources/source.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { decodeHalf } from '../../../src/ir/half_float.js';
import { int64Tensor, type Tensor } from '../../../src/ir/tensor.js';
import { collect, diagnosticOf, input, lines, temporaryFolders, values } from './sample_files.js';

const image = (pixels: readonly number[], width: number, channels: 1 | 2 | 3 | 4 = 3) =>
  sharp(Uint8Array.from(pixels), { raw: { width, height: pixels.length / width / channels, channels } });

/** Two pixels, one below the other. */
const tall = [10, 20, 30, 40, 50, 60];

describe('images', () => {
  const folder = temporaryFolders();

  const read = async (bytes: Uint8Array, spec: InputSpec, options: ImageOptions = {}): Promise<Tensor> => {
    const path = await folder({ 'a.png': bytes });
    const [sample] = await collect(await openSource(path, [spec], { image: options }));
    return sample!.feeds.get(spec.name)!;
  };
  const png = (...of: Parameters<typeof image>): Promise<Buffer> =>
    image(...of)
      .png()
      .toBuffer();

  it('become float channels first or last, as the shape of the input says', async () => {
    const square = [...tall, 70, 80, 90, 100, 110, 120];
    const planar = await read(await png(square, 2), input('x', [1, 3, 2, 2]));
    expect(planar).toMatchObject({ dtype: 'float', dims: [1, 3, 2, 2] });
    const planes = [10, 40, 70, 100, 20, 50, 80, 110, 30, 60, 90, 120];
    expect(values(planar)).toEqual(planes.map((x) => Math.fround(x * (1 / 255))));
    const packed = await read(await png(tall, 1), input('x', ['N', 2, 1, 3]), { scale: 1 });
    expect(packed.dims).toEqual([1, 2, 1, 3]);
    expect(values(packed)).toEqual(tall);
    expect((await read(await png(tall, 1), input('x', [2, undefined, 3]), { size: [2, 1] })).dims).toEqual([2, 1, 3]);
  });

  it('are normalized as (x * scale - mean) / std for each channel', async () => {
    const tensor = await read(await png(tall, 1), input('x', [1, 3, 2, 1]), {
      layout: 'nchw',
      scale: 0.5,
      mean: [1, 2, 3],
      std: [2, 4, 8],
    });
    expect(values(tensor)).toEqual([2, 9.5, 2, 5.75, 1.5, 3.375]);
    const shared = await read(await png(tall, 1), input('x', [1, 3, 2, 1]), {
      layout: 'nchw',
      scale: 1,
      mean: [10],
      std: [10],
    });
    expect(values(shared)).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it('change the order of the channels before they are normalized', async () => {
    const tensor = await read(await png(tall, 1), input('x', [1, 3, 2, 1]), {
      color: 'bgr',
      layout: 'nchw',
      scale: 1,
      mean: [30, 20, 10],
    });
    expect(values(tensor)).toEqual([0, 30, 0, 30, 0, 30]);
  });

  it('become gray for one channel, by the weights of BT.601', async () => {
    const spec = input('x', [1, 1, 2, 2]);
    const colors = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
    expect(values(await read(await png(colors, 2), spec, { scale: 1 }))).toEqual([76, 150, 29, 9]);
    const gray = await image([1, 2, 3, 4], 2, 1).toColourspace('b-w').png().toBuffer();
    expect(values(await read(gray, spec, { scale: 1 }))).toEqual([1, 2, 3, 4]);
    expect(values(await read(gray, input('x', [1, 3, 2, 2]), { scale: 1 }))).toEqual([
      1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4,
    ]);
  });

  it('lie on black, or white, where they are transparent', async () => {
    const pixels = [200, 100, 50, 255, 200, 100, 50, 0];
    const spec = input('x', [1, 1, 2, 3]);
    const options = { layout: 'nhwc', scale: 1 } as const;
    expect(values(await read(await png(pixels, 2, 4), spec, options))).toEqual([200, 100, 50, 0, 0, 0]);
    const white = await read(await png(pixels, 2, 4), spec, { ...options, background: 'white' });
    expect(values(white)).toEqual([200, 100, 50, 255, 255, 255]);
    const half = await image([100, 128], 1, 2).toColourspace('b-w').png().toBuffer();
    expect(values(await read(half, input('x', [1, 1, 1, 1]), options))).toEqual([50]);
  });

  it('are turned as EXIF says', async () => {
    const turned = await image([10, 10, 10, 90, 90, 90], 2).withMetadata({ orientation: 6 }).png().toBuffer();
    const tensor = await read(turned, input('x', [1, 1, 2, 1]), { layout: 'nchw', scale: 1 });
    expect(values(tensor)).toEqual([10, 90]);
    const mirrored = await image([10, 10, 10, 90, 90, 90], 2).withMetadata({ orientation: 2 }).png().toBuffer();
    expect(values(await read(mirrored, input('x', [1, 1, 1, 2]), { scale: 1 }))).toEqual([90, 10]);
  });

  it('are stretched, cropped or padded to the size', async () => {
    // Four columns: 0, 100, 100, 0.
    const wide = await png([0, 0, 0, 100, 100, 100, 100, 100, 100, 0, 0, 0], 4);
    const spec = input('x', [1, 1, undefined, undefined]);
    const fitted = async (fit: ImageOptions['fit'], background?: 'white') =>
      values(await read(wide, spec, { size: [2, 2], scale: 1, fit, ...(background && { background }) }));
    const [left, right, ...below] = await fitted('fill');
    expect(left).toBe(right);
    expect(below).toEqual([left, right]);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(100);
    expect(await fitted('contain')).toEqual([left, right, 0, 0]);
    expect(await fitted('contain', 'white')).toEqual([left, right, 255, 255]);
    const square = await png(
      Array.from({ length: 8 }, (_, index) => Array(3).fill(index % 4 === 1 || index % 4 === 2 ? 100 : 0)).flat(),
      4,
    );
    expect(values(await read(square, spec, { size: [2, 2], scale: 1 }))).toEqual([100, 100, 100, 100]);
  });

  it('average the pixels that one replaces', async () => {
    const checks = await png(
      Array.from({ length: 64 }, (_, index) => (((index >> 3) + index) % 2) * 200).flatMap((x) => [x, x, x]),
      8,
    );
    for (const value of values(await read(checks, input('x', [1, 1, 2, 2]), { scale: 1 }))) {
      expect(Math.abs(Number(value) - 100)).toBeLessThanOrEqual(10);
    }
  });

  it('keep 8 bits of 16-bit images', async () => {
    const deep = await image(tall, 1).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect(values(await read(deep, input('x', [1, 2, 1, 3]), { scale: 1 }))).toEqual(tall);
  });

  it('become float16, double and integers', async () => {
    const half = await read(await png(tall, 1), input('x', [1, 2, 1, 3], 'float16'), { scale: 1 });
    expect([...decodeHalf('float16', Uint16Array.from(values(half), Number))]).toEqual(tall);
    const double = await read(await png(tall, 1), input('x', [1, 2, 1, 3], 'double'));
    expect(values(double)).toEqual(tall.map((x) => x * (1 / 255)));
    expect(values(await read(await png(tall, 1), input('x', [1, 2, 1, 3], 'uint8')))).toEqual(tall);
    const centred = await read(await png(tall, 1), input('x', [1, 2, 1, 3], 'int8'), { mean: [128] });
    expect(values(centred)).toEqual(tall.map((x) => x - 128));
    const work = read(await png([200, 0, 0], 1), input('x', [1, 1, 1, 3], 'int8'), { layout: 'nhwc' });
    expect(await diagnosticOf(work)).toMatchObject({ code: 'data/image-options', where: 'a.png' });
  });

  it('are read from JPEG and WebP, whatever the name says', async () => {
    const pixels = Array.from({ length: 64 * 3 }, () => 128);
    const spec = input('x', [1, 1, 8, 8]);
    for (const bytes of [await image(pixels, 8).jpeg().toBuffer(), await image(pixels, 8).webp().toBuffer()]) {
      for (const value of values(await read(bytes, spec, { scale: 1 }))) {
        expect(Math.abs(Number(value) - 128)).toBeLessThanOrEqual(2);
      }
    }
  });

  it('are described, counted and labelled', async () => {
    const bytes = await png(tall, 1);
    const path = await folder({ 'b/1.png': bytes, 'a/2.JPG': bytes, 'labels.npy': writeNpy(int64Tensor([7, 8])) });
    const source = await openSource(path, [input('x', [1, 1, 1, 1])], {
      image: { layout: 'nchw', mean: [0.5], scale: 0 },
    });
    expect(source.count).toBe(2);
    expect(source.description).toBe(`2 image files of ${path}, gray nchw 1x1, cover, (x * 0 - [0.5]) / [1]`);
    expect(lines(await collect(source))).toEqual([
      'a/2.JPG: x[1,1,1,1] -0.5 = [1] 7',
      'b/1.png: x[1,1,1,1] -0.5 = [1] 8',
    ]);
  });

  it.each<[string, InputSpec, ImageOptions]>([
    ['an input of rank 2', input('x', [1, 3]), {}],
    ['an input of integers that hold no pixels', input('x', [1, 3, 2, 2], 'int64'), {}],
    ['a layout that cannot be told', input('x', [1, 3, 2, 3]), {}],
    ['a shape that says nothing', input('x'), { size: [1, 1] }],
    ['four channels', input('x', [1, 4, 2, 2]), { layout: 'nchw' }],
    ['colors for one channel', input('x', [1, 1, 2, 2]), { color: 'rgb' }],
    ['an open size', input('x', [1, 3, 'H', 'W']), {}],
    ['a size that is not the input’s', input('x', [1, 3, 2, 2]), { size: [2, 3] }],
    ['a size of nothing', input('x', [1, 3, 'H', 'W']), { size: [0, 2] }],
    ['a size past the limit', input('x', [1, 3, 'H', 'W']), { size: [20_000, 2] }],
    ['two means for three channels', input('x', [1, 3, 2, 2]), { mean: [1, 2] }],
    ['no mean', input('x', [1, 3, 2, 2]), { mean: [] }],
    ['a std of 0', input('x', [1, 3, 2, 2]), { std: [1, 0, 1] }],
    ['a scale that is no number', input('x', [1, 3, 2, 2]), { scale: Number.NaN }],
  ])('refuse %s', async (_, spec, options) => {
    const path = await folder({ 'a.png': 'not looked at' });
    const { code, help } = await diagnosticOf(openSource(path, [spec], { image: options }));
    expect(code).toBe('data/image-options');
    expect(help).toBeDefined();
  });

  it('refuse models with several inputs', async () => {
    const path = await folder({ 'a.png': 'not looked at' });
    const work = openSource(path, [input('x', [1, 3, 2, 2]), input('y', [1])]);
    expect((await diagnosticOf(work)).code).toBe('data/image-options');
  });

  it('are refused past the limits before they are decoded', async () => {
    const path = await folder({ 'a.png': await png(Array(3000).fill(0), 100) });
    const spec = [input('x', [1, 3, 2, 2])];
    expect(await diagnosticOf(collect(await openSource(path, spec, { maxPixels: 999 })))).toMatchObject({
      code: 'data/too-large',
      where: 'a.png',
      message: expect.stringContaining('100 x 10'),
    });
    expect(await collect(await openSource(path, spec, { maxPixels: 1000 }))).toHaveLength(1);
    expect((await diagnosticOf(collect(await openSource(path, spec, { maxBytes: 10 })))).code).toBe('data/too-large');
  });

  it('are refused where they are no image, or one of another kind', async () => {
    const spec = [input('x', [1, 3, 2, 2])];
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"/>';
    const tiff = await image(tall, 1).tiff().toBuffer();
    for (const bytes of ['no image', '', svg, tiff]) {
      const path = await folder({ 'a.png': bytes });
      expect(await diagnosticOf(collect(await openSource(path, spec)))).toMatchObject({
        code: 'data/malformed-image',
        where: 'a.png',
      });
    }
  });

  it('are refused where they are cut', async () => {
    const noise = Array.from({ length: 32 * 32 * 3 }, (_, index) => (index * index * 31) % 251);
    const spec = [input('x', [1, 3, 32, 32])];
    for (const bytes of [await png(noise, 32), await image(noise, 32).jpeg().toBuffer()]) {
      for (let cut = 0; cut < bytes.length - 16; cut += 97) {
        const path = await folder({ 'a.png': bytes.subarray(0, cut) });
        const { code } = await diagnosticOf(collect(await openSource(join(path, 'a.png'), spec)));
        expect(code).toBe('data/malformed-image');
      }
    }
  });

  it('meet changed bytes with a diagnostic or a sample', async () => {
    const bytes = await png(tall, 1);
    for (let at = 0; at < bytes.length; at++) {
      const mutated = Uint8Array.from(bytes);
      mutated[at]! ^= 0x41;
      await read(mutated, input('x', [1, 3, 2, 1]), { layout: 'nchw' }).catch((error: unknown) =>
        expect(error).toBeInstanceOf(DiagnosticError),
      );
    }
  });
});
