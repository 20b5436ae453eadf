import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor, type Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const scalar = (value: number | bigint): Tensor => int64Tensor([value], []);
const open = typed('int64', []);

describe('windows', () => {
  it('are as long as they are asked to be', () => {
    for (const opType of ['HannWindow', 'HammingWindow', 'BlackmanWindow']) {
      expect(inferOne(opType, [scalar(10)]).types).toEqual(['float[10]']);
      expect(inferOne(opType, [open], { attributes: [intAttribute('output_datatype', 11)] }).types).toEqual([
        'double[?]',
      ]);
      expect(inferOne(opType, [scalar(-3)]).types).toEqual(['float[?]']);
    }
  });
});

describe('MelWeightMatrix', () => {
  it('has a row for each frequency and a column for each band', () => {
    const rest = [open, typed('float', []), typed('float', [])];
    expect(inferOne('MelWeightMatrix', [scalar(8), scalar(16), ...rest]).types).toEqual(['float[9, 8]']);
    expect(inferOne('MelWeightMatrix', [open, scalar(17), ...rest]).types).toEqual(['float[9, ?]']);
  });
});

describe('DFT', () => {
  const dft = (
    sizes: readonly Size[] | undefined,
    inputs: readonly Given[],
    names: readonly string[] = [],
    opset = 20,
  ) =>
    inferOne('DFT', [typed('float', sizes), ...inputs], {
      opset,
      attributes: names.map((name) => intAttribute(name, 1)),
    });
  const axis = (value: number): Attribute => intAttribute('axis', value);

  it('keeps the shape of a signal and makes it complex', () => {
    expect(dft(['B', 'N', 1], []).types).toEqual(['float[B, N, 2]']);
    expect(dft(['B', 'N', 2], [], ['inverse']).types).toEqual(['float[B, N, 2]']);
    expect(dft(['B', 'N', 2], [null, open]).types).toEqual(['float[B, N, 2]']);
  });

  it('takes the length it is given along the axis it is given', () => {
    expect(dft(['B', 'N', 'M', 1], [scalar(16)]).types).toEqual(['float[B, N, 16, 2]']);
    expect(dft(['B', 'N', 'M', 1], [scalar(16), scalar(-3)]).types).toEqual(['float[B, 16, M, 2]']);
    expect(dft(['B', 'N', 'M', 1], [open, scalar(1)]).types).toEqual(['float[B, ?, M, 2]']);
    expect(dft(['B', 'N', 'M', 1], [scalar(16), open]).types).toEqual(['float[?, ?, ?, 2]']);
  });

  it('reads its axis from an attribute before opset 20, where it is 1 by default', () => {
    expect(inferOne('DFT', [typed('float', ['B', 'N', 'M', 1]), scalar(16)], { opset: 17 }).types).toEqual([
      'float[B, 16, M, 2]',
    ]);
    const { types } = inferOne('DFT', [typed('float', ['B', 'N', 'M', 1]), scalar(16)], {
      opset: 19,
      attributes: [axis(-2)],
    });
    expect(types).toEqual(['float[B, N, 16, 2]']);
  });

  it('gives half the spectrum of real signals, and real signals of half a spectrum', () => {
    expect(dft(['B', 10, 1], [], ['onesided']).types).toEqual(['float[B, 6, 2]']);
    expect(dft(['B', 'N', 1], [], ['onesided']).types).toEqual(['float[B, floor(N/2) + 1, 2]']);
    expect(dft(['B', 6, 2], [], ['onesided', 'inverse']).types).toEqual(['float[B, 10, 1]']);
    expect(dft(['B', 'N', 2], [scalar(11)], ['onesided', 'inverse']).types).toEqual(['float[B, 11, 1]']);
  });

  it('reports an axis that no signal has, the last one included', () => {
    expect(dft(['B', 'N', 1], [null, scalar(2)])).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    expect(dft(['B', 'N', 1], [null, scalar(-4)]).codes).toEqual(['infer/axis']);
    expect(dft(['B', 'N', 1], [null, scalar(-1)]).codes).toEqual(['infer/axis']);
    expect(dft([4], []).codes).toEqual(['infer/axis']);
    expect(dft(undefined, []).types).toEqual(['float[*]']);
  });
});

describe('STFT', () => {
  const stft = (sizes: readonly Size[] | undefined, inputs: readonly Given[], onesided = 1) =>
    inferOne('STFT', [typed('float', sizes), ...inputs], { attributes: [intAttribute('onesided', onesided)] });

  it('counts frames and frequencies', () => {
    expect(stft([1, 128, 1], [scalar(8), null, scalar(16)]).types).toEqual(['float[1, 15, 9, 2]']);
    expect(stft([1, 128, 1], [scalar(8), typed('float', [16])]).types).toEqual(['float[1, 15, 9, 2]']);
    expect(stft(['B', 'N', 1], [scalar(8), typed('float', [16])]).types).toEqual(['float[B, floor(N/8) - 1, 9, 2]']);
    expect(stft([1, 128, 1], [scalar(8), null, scalar(16)], 0).types).toEqual(['float[1, 15, 16, 2]']);
  });

  it('takes the whole signal as its frame where none is given', () => {
    expect(stft(['B', 64, 1], [scalar(8)]).types).toEqual(['float[B, 1, 33, 2]']);
  });

  it('leaves open what it does not know', () => {
    expect(stft(undefined, [open, null, open]).types).toEqual(['float[?, ?, ?, 2]']);
    expect(stft([1, 128, 1], [scalar(0), null, scalar(16)]).types).toEqual(['float[1, ?, 9, 2]']);
    expect(stft([1, 8, 1], [scalar(1), null, scalar(16)]).types).toEqual(['float[1, ?, 9, 2]']);
    expect(stft([8, 1], [scalar(1)]).codes).toEqual(['infer/rank']);
  });
});

describe('ImageDecoder', () => {
  it('knows the channels of its format', () => {
    const channels = (...formats: string[]) =>
      inferOne('ImageDecoder', [typed('uint8', ['N'])], {
        attributes: formats.map((f) => stringAttribute('pixel_format', f)),
      });
    expect(channels().types).toEqual(['uint8[?, ?, 3]']);
    expect(channels('Grayscale').types).toEqual(['uint8[?, ?, 1]']);
    expect(channels('CMYK').types).toEqual(['uint8[?, ?, ?]']);
  });
});
