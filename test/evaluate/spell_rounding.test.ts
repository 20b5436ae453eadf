import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { compareModels } from '../../src/compare_models.js';
import { apparentPrecision } from '../../src/evaluate/apparent_precision.js';
import { floatValues } from '../../src/evaluate/output_error.js';
import { spellRounding } from '../../src/evaluate/spell_rounding.js';
import { intAttribute } from '../../src/ir/attribute.js';
import type { DataType } from '../../src/ir/data_type.js';
import { dataTypeCode } from '../../src/ir/data_type.js';
import type { Model } from '../../src/ir/graph.js';
import { decodeHalf, encodeHalf, type HalfType } from '../../src/ir/half_float.js';
import { floatTensor, type Tensor, tensorFromData } from '../../src/ir/tensor.js';
import { verifyModel } from '../../src/ir/verifier.js';
import { ModelBuilder } from '../build_model.js';

const halves = (half: HalfType, values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  tensorFromData(half, dims, encodeHalf(half, values));

/** y = (x · x) · 2^-10, in the type given. */
function squares(type: DataType & HalfType): Model {
  const b = new ModelBuilder(17);
  const x = b.input('x', [4], type);
  const square = b.op('Mul', [x, x]);
  b.output(b.op('Mul', [square, b.constant('c', halves(type, [2 ** -10]))]), 'y', type);
  return b.build();
}

async function answer(model: Model, x: Tensor): Promise<number[]> {
  const running = await ortRunner()(model);
  try {
    return Array.from(floatValues([...(await running.run(new Map([['x', x]]))).values()][0]!));
  } finally {
    await running.close();
  }
}

describe('roundings spelled out', () => {
  it('overflow where 16 bits do, although what follows would bring the number back', async () => {
    const spelled = spellRounding(squares('float16'));
    expect(verifyModel(spelled)).toEqual([]);
    expect(await answer(spelled, floatTensor([1, 255, 256, 300]))).toEqual([
      2 ** -10,
      // 255² = 65,025 rounds to a multiple of 32.
      65024 * 2 ** -10,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it('take and give float32, rounded inside, for a type that the runtime here has no kernels for', async () => {
    const inputs = [1.00390625, 2.71, 300, 1e20];
    const round = (value: number) => decodeHalf('bfloat16', encodeHalf('bfloat16', [value]))[0]!;
    const expected = inputs.map((value) => round(round(round(value) ** 2) * 2 ** -10));
    expect(await answer(spellRounding(squares('bfloat16')), floatTensor(inputs))).toEqual(expected);
  });

  it('reach into subgraphs that read a value from around them', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', [2], 'float16');
    const square = b.op('Mul', [x, x]);
    const condition = b.constant('yes', tensorFromData('bool', [], Uint8Array.of(1)));
    const chosen = b.op('If', [condition]);
    for (const name of ['then_branch', 'else_branch']) {
      const graph = b.editor.createSubgraph(chosen.producer!, name);
      b.editor.setAttribute(chosen.producer!, { name, kind: 'graph', value: graph });
      const body = new ModelBuilder(17, graph, b.editor);
      body.output(
        body.op('Mul', [square, body.constant(`${name}_c`, halves('float16', [0.5]))]),
        `${name}_y`,
        'float16',
      );
    }
    b.output(chosen, 'y', 'float16');
    // Half of infinity, not of 90,000.
    expect(await answer(spellRounding(b.build()), floatTensor([2, 300]))).toEqual([2, Number.POSITIVE_INFINITY]);
  });

  it('keep attributes that name a type in step', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', [2], 'float16');
    const eye = b.op(
      'EyeLike',
      [b.op('Unsqueeze', [x, b.constant('axes', tensorFromData('int64', [1], BigInt64Array.of(0n)))])],
      {
        attributes: [intAttribute('dtype', dataTypeCode('float16'))],
      },
    );
    b.output(b.op('Add', [eye, x]), 'y', 'float16');
    expect(await answer(spellRounding(b.build()), floatTensor([5, 7]))).toEqual([6, 7]);
  });
});

describe('comparing with a model of 16-bit floats', () => {
  const wide = (): Model => {
    const b = new ModelBuilder(17);
    const x = b.input('x', [4]);
    b.output(b.op('Mul', [b.op('Mul', [x, x]), b.constant('c', floatTensor([2 ** -10]))]), 'y');
    return b.build();
  };
  const data = (...values: number[]) => [{ x: floatTensor(values) }];

  it('is done by its own tolerance, and says which types differ', async () => {
    expect(apparentPrecision(squares('float16'))).toBe('fp16');
    expect(apparentPrecision(squares('bfloat16'))).toBe('bf16');
    for (const type of ['float16', 'bfloat16'] as const) {
      const check = await compareModels(wide(), squares(type), { data: data(1, 2.1, 3.3, 100) });
      expect(check).toMatchObject({ status: 'passed', comparison: { signature: [] } });
      expect(check.status === 'passed' && check.comparison.retyped).toEqual([
        `input "x" is ${type}[4], was float[4]`,
        `output "y" is ${type}[*], was float[*]`,
      ]);
    }
  });

  it('fails where it overflows, even if the runtime here hides that', async () => {
    const check = compareModels(wide(), squares('float16'), { data: data(1, 2, 3, 300) });
    await expect(check).rejects.toThrow('NaN or infinite on one side only');
  });

  it('tries no values on it that are larger than data usually is, unless they are given', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', [4], 'float16');
    b.output(
      b.op('Mul', [b.op('Mul', [b.op('Mul', [x, x]), x]), b.constant('c', halves('float16', [2 ** -10]))]),
      'y',
      'float16',
    );
    const narrow = b.build();
    const w = new ModelBuilder(17);
    const input = w.input('x', [4]);
    w.output(
      w.op('Mul', [w.op('Mul', [w.op('Mul', [input, input]), input]), w.constant('c', floatTensor([2 ** -10]))]),
      'y',
    );
    expect(await compareModels(w.build(), narrow)).toMatchObject({ status: 'passed' });
    // 100³ is past float16.
    await expect(compareModels(w.build(), narrow, { data: data(100, 1, 1, 1) })).rejects.toThrow(
      'infinite on one side',
    );
  });

  it('fails where shapes or other types differ', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', [4, 1], 'float16');
    b.output(b.op('Relu', [x]), 'y', 'float16');
    await expect(compareModels(wide(), b.build())).rejects.toThrow();
  });
});
