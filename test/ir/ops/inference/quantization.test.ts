import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const output = (code: number) => intAttribute('output_dtype', code);

describe('QuantizeLinear', () => {
  const quantized = (inputs: readonly Given[], attributes: readonly Attribute[] = [], opset = 21) =>
    inferOne('QuantizeLinear', inputs, { attributes, opset });

  it('has the type of the zero point, that of the attribute, or uint8', () => {
    expect(quantized([x(['N', 3]), x([]), typed('int8', [])], [], 10).types).toEqual(['int8[N, 3]']);
    expect(quantized([x(['N', 3]), x([])], [output(22)]).types).toEqual(['int4[N, 3]']);
    expect(quantized([x(), x([])], [], 10).types).toEqual(['uint8[*]']);
  });

  it('does not know the type of an unknown zero point', () => {
    expect(quantized([x([2]), x([]), 'untyped']).types).toEqual(['?[2]']);
    expect(quantized([x([2]), x([]), 'untyped'], [output(3)]).types).toEqual(['int8[2]']);
    expect(quantized([x([2]), x([])], [output(2 ** 31)]).types).toEqual(['?[2]']);
  });

  it('reports types or scales that do not fit', () => {
    expect(quantized([x([2]), x([]), typed('int8', [])], [output(2)]).codes).toEqual(['infer/dtype']);
    expect(quantized([x([2, 3]), x([4])]).codes).toEqual(['infer/scale']);
    expect(quantized([x([2]), x([3])]).codes).toEqual(['infer/scale']);
    expect(quantized([x([2, 3]), x([3]), typed('int8', [2])]).codes).toEqual(['infer/scale']);
    expect(quantized([x([2, 3]), x(['S'])]).codes).toEqual([]);
    expect(quantized([x([4, 8]), x([2, 8])], [intAttribute('block_size', 2), intAttribute('axis', 0)]).codes).toEqual(
      [],
    );
  });
});

describe('DequantizeLinear', () => {
  const bytes = typed('uint8', ['N', 3]);
  const dequantized = (scale: Given, opset: number, ...attributes: Attribute[]) =>
    inferOne('DequantizeLinear', [bytes, scale], { opset, attributes }).types;

  it('has the type of the scale, or that of the attribute', () => {
    expect(dequantized('untyped', 10)).toEqual(['float[N, 3]']);
    expect(dequantized(typed('float16', []), 19)).toEqual(['float16[N, 3]']);
    expect(dequantized(x([]), 23, output(16))).toEqual(['bfloat16[N, 3]']);
    expect(dequantized(typed('float8e8m0', []), 24)).toEqual(['?[N, 3]']);
  });

  it('has the type of the scale in com.microsoft', () => {
    const options = { domain: 'com.microsoft' };
    expect(inferOne('DequantizeLinear', [bytes, typed('float16', [])], options).types).toEqual(['float16[N, 3]']);
  });
});

describe('DynamicQuantizeLinear', () => {
  it('gives a scale and a zero point for all', () => {
    expect(inferOne('DynamicQuantizeLinear', [x(['N', 3])], { outputs: 3 }).types).toEqual([
      'uint8[N, 3]',
      'float[]',
      'uint8[]',
    ]);
  });
});
