import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { intAttribute } from '../../src/ir/attribute.js';
import { dataTypeCode } from '../../src/ir/data_type.js';
import { decodeHalf, encodeHalf, type HalfType } from '../../src/ir/half_float.js';
import { type Tensor, tensorData, tensorFromData } from '../../src/ir/tensor.js';
import { ModelBuilder } from '../build_model.js';

const halfTypes: readonly HalfType[] = ['float16', 'bfloat16'];
const allHalves = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
const wordsOf = (data: Float32Array): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);
const floatsOf = (words: Uint32Array): Float32Array => new Float32Array(words.buffer);

/** Every half widened, and the floats beside it and around the middle to the next one; then any bits. */
function floats(): Float32Array {
  const words: number[] = [];
  for (const half of halfTypes) {
    const middle = half === 'float16' ? 0x1000 : 0x8000;
    for (const word of wordsOf(decodeHalf(half, allHalves))) {
      for (const step of [-1, 0, 1, middle - 1, middle, middle + 1]) words.push((word + step) >>> 0);
    }
  }
  let state = 20_240;
  for (let count = 0; count < 500_000; count += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words.push((state ^ (state >>> 13)) >>> 0);
  }
  // Subnormal halves lie between: 2^-26 to 2^-14, where the rounding step changes with the exponent.
  for (let exponent = 100; exponent < 114; exponent += 1) {
    for (let count = 0; count < 5_000; count += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      words.push(((exponent << 23) | (state >>> 9)) >>> 0);
    }
  }
  return floatsOf(Uint32Array.from(words));
}

/** What the runtime's Cast makes of `tensor`; bfloat16 cannot leave the runtime, so it comes widened. */
async function castByRuntime(tensor: Tensor, to: HalfType | 'float'): Promise<Tensor> {
  const b = new ModelBuilder(17);
  const x = b.constant('x', tensor);
  const cast = b.op('Cast', [x], { attributes: [intAttribute('to', dataTypeCode(to))] });
  if (to === 'bfloat16') b.output(b.op('Cast', [cast], { attributes: [intAttribute('to', 1)] }), 'y');
  else b.output(cast, 'y', to);
  const session = await ortRunner()(b.build(), { optimize: false });
  try {
    return (await session.run(new Map())).get('y')!;
  } finally {
    await session.close();
  }
}

const differing = (a: ArrayLike<number>, b: ArrayLike<number>): number[] =>
  Array.from({ length: a.length }, (_, index) => index).filter((index) => a[index] !== b[index]);

describe('16-bit floats', () => {
  it.each(halfTypes)('decode to the same bits as the Cast of the runtime: all %s', async (half) => {
    const expected = await castByRuntime(tensorFromData(half, [allHalves.length], allHalves), 'float');
    const decoded = decodeHalf(half, allHalves);
    expect(differing(wordsOf(decoded), wordsOf(tensorData(expected) as Float32Array))).toEqual([]);
    // The few at a time take another way than the many.
    for (let from = 0; from < allHalves.length; from += 1000) {
      const some = decodeHalf(half, allHalves.subarray(from, from + 1000));
      expect(differing(wordsOf(some), wordsOf(decoded.slice(from, from + 1000)))).toEqual([]);
    }
  });

  it.each(halfTypes)('encode float32 to the same bits as the Cast of the runtime: %s', async (half) => {
    const values = floats();
    const cast = tensorData(await castByRuntime(tensorFromData('float', [values.length], values), half));
    const expected =
      half === 'float16'
        ? (cast as Uint16Array)
        : Uint16Array.from(wordsOf(cast as Float32Array), (word) => word >>> 16);
    expect(differing(encodeHalf(half, values), expected)).toEqual([]);
  });

  it.each(halfTypes)('encode numbers one by one as they encode float32 arrays: %s', (half) => {
    const values = floats().filter((value) => !Number.isNaN(value));
    expect(differing(encodeHalf(half, Array.from(values)), encodeHalf(half, values))).toEqual([]);
  });

  it('round a double once, where a float on the way would make it a tie', () => {
    // The float nearest to 1 + step/2 + a little is 1 + step/2 itself, a tie that goes down.
    for (const [half, step, up] of [
      ['float16', 2 ** -10, 0x3c01],
      ['bfloat16', 2 ** -7, 0x3f81],
    ] as const) {
      for (const sign of [1, -1]) {
        const [above, below] = [1 + step / 2 + 2 ** -40, 1 + step / 2 - 2 ** -40].map((value) => sign * value);
        const negative = sign < 0 ? 0x8000 : 0;
        expect([...encodeHalf(half, [above!, below!])]).toEqual([negative | up, negative | (up - 1)]);
      }
      const tie = 1 + (3 * step) / 2;
      expect([...encodeHalf(half, [tie - 2 ** -40, tie, tie + 2 ** -40])]).toEqual([up, up + 1, up + 1]);
    }
    expect([...encodeHalf('bfloat16', [3.4e38, 1e39, -1e39, 1e-60, -1e-60])]).toEqual([
      0x7f80, 0x7f80, 0xff80, 0, 0x8000,
    ]);
  });

  it('give every half back, NaN quiet', () => {
    for (const half of halfTypes) {
      const again = encodeHalf(half, decodeHalf(half, allHalves));
      const infinity = half === 'float16' ? 0x7c00 : 0x7f80;
      const expected = allHalves.map((bits) => {
        if ((bits & 0x7fff) <= infinity) return bits;
        return half === 'float16' ? bits | 0x200 : (bits & 0x8000) | 0x7fc0;
      });
      expect(differing(again, expected)).toEqual([]);
    }
  });
});
