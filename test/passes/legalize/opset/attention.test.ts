import { describe, expect, it } from 'vitest';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

describe('Attention', () => {
  it('is refused where a mask might be padded on one side and broadcast on the other', async () => {
    const attention = (opset: number, length: number) =>
      modelOf(opset, (b) => {
        const inputs = ['q', 'k', 'v'].map((name) => b.input(name, [1, 2, 4, 8]));
        b.output(b.op('Attention', [...inputs, b.constant('mask', randomTensor([4, length]))]), 'y');
      });
    const queries = Object.fromEntries(['q', 'k', 'v'].map((name, seed) => [name, randomTensor([1, 2, 4, 8], seed)]));
    await convertsTo(24, attention(23, 4), queries, 1e-6);
    await convertsTo(23, attention(24, 4), queries, 1e-6);
    expect(await refusal(24, attention(23, 1))).toMatch(/broadcast to all keys, or padded/);
    expect(await refusal(23, attention(24, 2))).toBe('its mask may be shorter than the keys');
  });
});
