import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { typed } from './infer_one.js';
import { inferSteps, type Step } from './infer_steps.js';

const to = (code: number) => [intAttribute('to', code)];
const [toFloat, toInt64, toBool, toDouble, toFloat16] = [to(1), to(7), to(9), to(11), to(10)];

/** The sizes of `x`, as floats through `steps`, which end with "y", and as integers again. */
const through = (sizes: readonly (number | string)[], ...steps: readonly Step[]): string | undefined =>
  inferSteps({ x: typed('float', sizes) }, [
    ['sizes', 'Shape', ['x']],
    ['floats', 'Cast', ['sizes'], toFloat],
    ...steps,
    ['back', 'Cast', ['y'], toInt64],
  ]).content('back');

const by = (value: number) => floatTensor([value]);

describe('sizes that pass through floats', () => {
  it('come back as they were', () => {
    expect(through(['N', 3], ['y', 'Identity', ['floats']])).toBe('N, 3');
    expect(through(['N', 3], ['wide', 'Cast', ['floats'], toDouble], ['y', 'Cast', ['wide'], toFloat])).toBe('N, 3');
    expect(
      through(['N', 3], ['half', 'Cast', ['floats'], toFloat16], ['y', 'Cast', ['half'], toFloat]),
    ).toBeUndefined();
  });

  it('are scaled by what a mantissa holds exactly, and rounded', () => {
    const scaled = (factor: number, rounding: string) =>
      through(['N', 5], ['scaled', 'Mul', ['floats', by(factor)]], ['y', rounding, ['scaled']]);
    expect(scaled(2, 'Floor')).toBe('2*N, 10');
    expect(scaled(0.5, 'Floor')).toBe('floor(N/2), 2');
    expect(scaled(1.5, 'Ceil')).toBe('N + floor((N + 1)/2), 8');
    expect(scaled(0.5, 'Round')).toBe('?, 2');
    expect(scaled(0.7, 'Floor')).toBe('?, 3');
    expect(scaled(0.7, 'Identity')).toBe('?, 3');
  });

  it('are divided, once where the quotient is rounded', () => {
    const divided = (by: number, rounding: string) =>
      through(['N', 32], ['parts', 'Div', ['floats', floatTensor([by])]], ['y', rounding, ['parts']]);
    expect(divided(3, 'Floor')).toBe('floor(N/3), 10');
    expect(divided(3, 'Ceil')).toBe('floor((N + 2)/3), 11');
    expect(divided(0.25, 'Identity')).toBe('4*N, 128');
    expect(divided(0.1, 'Floor')).toBe('?, 320');
    expect(divided(0, 'Floor')).toBeUndefined();
    const twice: Step[] = [
      ['third', 'Div', ['floats', by(3)]],
      ['y', 'Mul', ['third', by(3)]],
    ];
    expect(through(['N', 32], ...twice)).toBe('?, 32');
  });

  it('are padded to a multiple', () => {
    const steps: Step[] = [
      ['parts', 'Div', ['floats', by(32)]],
      ['whole', 'Ceil', ['parts']],
      ['y', 'Mul', ['whole', by(32)]],
    ];
    expect(through(['N', 33], ...steps)).toBe('32*floor((N + 31)/32), 64');
  });

  it('are added, bounded and compared', () => {
    expect(through(['N', 5], ['y', 'Add', ['floats', by(1)]])).toBe('N + 1, 6');
    expect(through(['N', 5], ['half', 'Mul', ['floats', by(0.5)]], ['y', 'Sub', ['floats', 'half']])).toBe(
      'floor(N/2), 2',
    );
    expect(through(['N', 5], ['y', 'Max', ['floats', by(0)]])).toBe('N, 5');
    expect(through(['N', 5], ['y', 'Max', ['floats', by(6)]])).toBe('?, 6');
    expect(through(['N', 5], ['y', 'Relu', ['floats']])).toBe('N, 5');
    const compared = inferSteps({ x: typed('float', ['N', 5]) }, [
      ['sizes', 'Shape', ['x']],
      ['floats', 'Cast', ['sizes'], toFloat],
      ['below', 'Less', ['floats', by(-0.5)]],
      ['above', 'Greater', ['floats', by(4.5)]],
      ['chosen', 'Where', ['below', by(1), 'floats']],
      ['nonzero', 'Cast', ['floats'], toBool],
      ['back', 'Cast', ['chosen'], toInt64],
    ]);
    expect(compared.content('below')).toBe('0, 0');
    expect(compared.content('above')).toBe('?, 1');
    expect(compared.content('nonzero')).toBe('?, 1');
    expect(compared.content('back')).toBe('N, 5');
  });

  it('are given up where they may not fit a mantissa', () => {
    const sized = (steps: readonly Step[]) =>
      inferSteps({ x: typed('float', ['N', 'M']) }, [['shape', 'Shape', ['x']], ...steps]).content('back');
    const product: Step[] = [
      ['count', 'ReduceProd', ['shape']],
      ['float', 'Cast', ['count'], toFloat],
      ['back', 'Cast', ['float'], toInt64],
    ];
    expect(sized(product)).toBeUndefined();
    const large: Step[] = [
      ['many', 'Mul', ['shape', int64Tensor([1000])]],
      ['float', 'Cast', ['many'], toFloat],
      ['back', 'Cast', ['float'], toInt64],
    ];
    expect(sized(large)).toBeUndefined();
  });

  it('round as the type does where they are numbers', () => {
    const back = (value: number, ...steps: Step[]) =>
      inferSteps({}, [
        ['value', 'Cast', [int64Tensor([value])], toFloat],
        ...steps,
        ['back', 'Cast', [steps.at(-1)?.[0] ?? 'value'], toInt64],
      ]).content('back');
    expect(back(2 ** 24 + 1)).toBe(String(2 ** 24));
    expect(back(10, ['y', 'Mul', ['value', by(0.7)]])).toBe('7');
    expect(back(5, ['half', 'Div', ['value', by(2)]], ['y', 'Round', ['half']])).toBe('2');
    expect(back(7, ['half', 'Div', ['value', by(2)]], ['y', 'Round', ['half']])).toBe('4');
    expect(back(-7, ['half', 'Div', ['value', by(2)]])).toBe('-3');
    expect(back(16, ['y', 'Sqrt', ['value']])).toBe('4');
    expect(back(16, ['y', 'Div', ['value', by(0)]])).toBeUndefined();
    expect(back(1, ['y', 'Mul', ['value', by(1e30)]])).toBeUndefined();
  });

  it('size what is made of them', () => {
    const inferred = inferSteps({ x: typed('float', ['N', 3, 'H', 'W']) }, [
      ['shape', 'Shape', ['x']],
      ['place', 'Slice', ['shape', int64Tensor([2]), int64Tensor([4])]],
      ['floats', 'Cast', ['place'], toFloat],
      ['scaled', 'Mul', ['floats', floatTensor([2, 0.5])]],
      ['rounded', 'Floor', ['scaled']],
      ['sizes', 'Cast', ['rounded'], toInt64],
      ['front', 'Slice', ['shape', int64Tensor([0]), int64Tensor([2])]],
      ['all', 'Concat', ['front', 'sizes'], [intAttribute('axis', 0)]],
      ['y', 'Resize', ['x', null, null, 'all']],
      ['first', 'Squeeze', [floatTensor([0])]],
      ['one', 'Squeeze', [floatTensor([1])]],
      ['number', 'Gather', ['floats', tensorFromData('int64', [], BigInt64Array.of(0n))]],
      ['positions', 'Range', ['first', 'number', 'one']],
    ]);
    expect(inferred.type('y')).toBe('float[N, 3, 2*H, floor(W/2)]');
    expect(inferred.type('positions')).toBe('float[H]');
    expect(inferred.codes).toEqual([]);
  });
});
