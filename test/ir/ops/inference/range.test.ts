import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const scalar = (value: number | bigint) => int64Tensor([value], []);
const float = (value: number) => floatTensor([value], []);

describe('Range', () => {
  const range = (...inputs: readonly Tensor[]) => inferOne('Range', inputs);

  it('has as many elements as steps fit', () => {
    expect(range(scalar(3), scalar(9), scalar(3))).toMatchObject({ types: ['int64[2]'], contents: ['3, 6'] });
    expect(range(scalar(10), scalar(4), scalar(-2)).contents).toEqual(['10, 8, 6']);
    expect(range(scalar(4), scalar(4), scalar(1))).toMatchObject({ types: ['int64[0]'], contents: [''] });
    expect(range(scalar(0), scalar(2n ** 62n), scalar(1)).types).toEqual(['int64[?]']);
    expect(range(scalar(2n ** 62n), scalar(2n ** 62n + 3n), scalar(2)).contents).toEqual([
      `${2n ** 62n}, ${2n ** 62n + 2n}`,
    ]);
  });

  it('is as long as the size it counts', () => {
    const steps = inferSteps({ x: typed('float', ['N', 'M']) }, [
      ['shape', 'Shape', ['x']],
      ['n', 'Gather', ['shape', scalar(0)]],
      ['m', 'Gather', ['shape', scalar(1)]],
      ['all', 'Range', [scalar(0), 'n', scalar(1)]],
      ['half', 'Range', [scalar(0), 'n', scalar(2)]],
      ['down', 'Range', ['n', scalar(0), scalar(-1)]],
      ['behind', 'Range', ['n', 'm', scalar(1)]],
      ['by', 'Range', [scalar(0), 'n', 'm']],
    ]);
    expect(steps.type('all')).toBe('int64[N]');
    expect(steps.type('half')).toBe('int64[floor((N + 1)/2)]');
    expect(steps.type('down')).toBe('int64[N]');
    expect(steps.type('behind')).toBe('int64[max(M, N) - N]');
    expect(steps.type('by')).toBe('int64[?]');
  });

  it('counts floats where rounding cannot change the count', () => {
    expect(range(float(1), float(5), float(2)).types).toEqual(['float[2]']);
    expect(range(float(0), float(1), float(0.3)).types).toEqual(['float[4]']);
    expect(range(float(0), float(1), float(0.1)).types).toEqual(['float[?]']);
    for (const wild of [Number.NaN, Number.POSITIVE_INFINITY, 1e30]) {
      expect(range(float(0), float(wild), float(1)).types).toEqual(['float[?]']);
    }
    expect(range(float(0), float(1), float(0)).types).toEqual(['float[?]']);
    const half = (bits: number) => tensorFromData('float16', [], Uint16Array.of(bits));
    const halves = [half(0x3c00), half(0x4500), half(0x4000)];
    expect(inferOne('Range', halves, { opset: 27 }).types).toEqual(['float16[2]']);
  });

  it('reports steps of 0', () => {
    expect(range(scalar(1), scalar(2), scalar(0))).toMatchObject({ types: ['int64[?]'], codes: ['infer/range'] });
    expect(inferOne('Range', ['untyped', 'untyped', 'untyped']).types).toEqual(['?[?]']);
  });
});

describe('OneHot', () => {
  const values = typed('float', [2]);
  const axis = (value: number | bigint) => ({ attributes: [intAttribute('axis', value)] });

  it('puts an axis of its depth in', () => {
    expect(inferOne('OneHot', [typed('int64', ['N', 3]), scalar(10), values]).types).toEqual(['float[N, 3, 10]']);
    expect(inferOne('OneHot', [typed('int64', ['N', 3]), float(10), values], axis(0)).types).toEqual([
      'float[10, N, 3]',
    ]);
    expect(inferOne('OneHot', [typed('int64', ['N']), int64Tensor([5]), values], axis(-2)).types).toEqual([
      'float[5, N]',
    ]);
    expect(inferOne('OneHot', [typed('int64', ['N']), typed('int64', []), values]).types).toEqual(['float[N, ?]']);
    expect(inferOne('OneHot', [typed('int64'), scalar(3), values]).types).toEqual(['float[*]']);
  });

  it('reports an axis or a depth that cannot be', () => {
    const indices = typed('int64', ['N']);
    for (const wrong of [2, -3, 2n ** 62n]) {
      expect(inferOne('OneHot', [indices, scalar(3), values], axis(wrong)).codes).toEqual(['infer/axis']);
    }
    expect(inferOne('OneHot', [indices, scalar(-3), values])).toMatchObject({
      types: ['float[*]'],
      codes: ['infer/axis'],
    });
  });
});
