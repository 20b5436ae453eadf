import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const hidden = (size: number | bigint) => intAttribute('hidden_size', size);
const bidirectional = stringAttribute('direction', 'bidirectional');

describe('recurrent operators', () => {
  const recurrent = (opType: string, inputs: readonly Given[], attributes: readonly Attribute[], outputs = 2) =>
    inferOne(opType, inputs, { opset: 14, attributes, outputs });

  it('give all states and the last', () => {
    const given = [x(['T', 'B', 8]), x([2, 64, 8]), x([2, 64, 16])];
    expect(recurrent('LSTM', given, [hidden(16), bidirectional], 3).types).toEqual([
      'float[T, 2, B, 16]',
      'float[2, B, 16]',
      'float[2, B, 16]',
    ]);
  });

  it('may have the batch first', () => {
    const given = [x(['B', 'T', 8]), x([1, 48, 8]), x([1, 48, 16])];
    expect(recurrent('GRU', given, [intAttribute('layout', 1)]).types).toEqual([
      'float[B, T, 1, 16]',
      'float[B, 1, 16]',
    ]);
  });

  it('know sizes from whatever input has them', () => {
    const state = x([1, 3, 16]);
    expect(recurrent('RNN', [x(), x(), x(), null, null, state], []).types).toEqual([
      'float[?, 1, 3, 16]',
      'float[1, 3, 16]',
    ]);
    expect(recurrent('RNN', [x(), x(), x()], [hidden(4)]).types).toEqual(['float[?, 1, ?, 4]', 'float[1, ?, 4]']);
    expect(inferOne('RNN', [x(['T', 'B', 8])], { opset: 1 }).types).toEqual(['float[T, 1, B, ?]']);
  });

  it('report what does not fit', () => {
    const given = [x(['T', 'B', 8]), x([1, 64, 8]), x([1, 64, 16])];
    expect(recurrent('LSTM', given, [hidden(15)]).codes).toEqual(['infer/recurrent']);
    expect(recurrent('LSTM', given, [bidirectional]).codes).toEqual(['infer/recurrent']);
    expect(recurrent('LSTM', given, [hidden(-(2n ** 63n))]).codes).toEqual(['infer/recurrent']);
    expect(recurrent('LSTM', given, [stringAttribute('direction', 'constructor')]).codes).toEqual(['infer/recurrent']);
    expect(recurrent('LSTM', [x(['T', 8])], []).codes).toEqual(['infer/rank']);
    expect(recurrent('LSTM', [x([5, 2, 8]), x(), x(), null, null, x([1, 3, 16])], []).codes).toEqual([
      'infer/recurrent',
    ]);
  });

  it('may have their weights quantized and stored the other way round', () => {
    const bytes = (sizes: readonly Size[]) => typed('uint8', sizes);
    const options = { domain: 'com.microsoft', outputs: 3 };
    expect(
      inferOne('DynamicQuantizeLSTM', [x(['T', 'B', 3]), bytes([1, 3, 20]), bytes([1, 5, 20])], options).types,
    ).toEqual(['float[T, 1, B, 5]', 'float[1, B, 5]', 'float[1, B, 5]']);
  });
});
