import { describe, expect, it } from 'vitest';
import { digits } from '../../../bench/models.js';
import { asItRuns, openReference, rounded } from '../../../bench/precision_answers.js';
import { convert } from '../../../bench/precision_conversion.js';
import { openSession } from '../../../src/backends/ort/session.js';
import { constantTensor } from '../../../src/ir/constant.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { floatTensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { optimize } from '../../../src/optimize.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';

/** Scales by the operator that reads them, in the order of the model. */
const scalesOf = ({ graph }: Model): string[] =>
  [...graph.nodes]
    .filter(({ opType }) => opType === 'QuantizeLinear' || opType === 'DequantizeLinear')
    .map(({ opType, inputs }) => {
      const tensor = constantTensor(inputs[1])!;
      return `${opType} ${tensor.dtype} ${Array.from(tensorData(tensor), Number).join()}`;
    });

const unbounded = { absolute: Number.POSITIVE_INFINITY, relative: 0, discrete: 1 };

async function requireSameAnswers(model: Model, converted: Model, sqnr: number): Promise<void> {
  for (const optimization of ['all', 'disabled'] as const) {
    await (await openSession({ bytes: encodeModel(converted) }, { optimization })).close();
  }
  const reference = await openReference(model);
  try {
    for (const measure of [asItRuns, rounded]) {
      const answers = await measure(reference, converted, unbounded);
      expect(answers.sqnr).toBeGreaterThan(sqnr);
      for (const { error } of answers.outputs) expect(error.nonFiniteMismatches).toBe(0);
    }
  } finally {
    await reference.running.close();
  }
}

describe('models with Q/DQ pairs in float16', () => {
  it('the int8 digits keep every scale, load and answer as before', async () => {
    const { model } = await optimize({
      model: digits.file,
      precision: 'int8',
      calibration: { data: digits.calibration, limit: 32 },
      check: false,
    });
    const { model: converted, nodes } = await convert(model, 'float16');
    expect(scalesOf(converted)).toEqual(scalesOf(model));
    expect(scalesOf(model).length).toBeGreaterThan(10);
    expect(nodes.half).toBeGreaterThan(0);
    // A number that rounding takes over the border between two codes is off by a step of 1/256 of the range.
    await requireSameAnswers(model, converted, 25);
  });

  it.each([13, 19, 21])('a pair between products in half keeps its scale, opset %s', async (opset) => {
    const b = new ModelBuilder(opset);
    const scale = b.constant('scale', floatTensor([0.0123], []));
    const zero = b.constant('zero', tensorFromData('uint8', [], Uint8Array.of(120)));
    const pair = (value: Value): Value =>
      b.op('DequantizeLinear', [b.op('QuantizeLinear', [value, scale, zero]), scale, zero]);
    const x = b.op('MatMul', [b.input('x', [4, 16]), b.constant('w', floatTensor(scaled(16 * 16, 0.1), [16, 16]))]);
    b.output(b.op('MatMul', [pair(x), b.constant('v', randomTensor([16, 8], 3))]), 'y', 'float', 2);
    const model = b.build();
    const { model: converted, casts } = await convert(model, 'float16');
    expect(scalesOf(converted)).toEqual(scalesOf(model));
    expect(casts.inserted).toHaveLength(4);
    await requireSameAnswers(model, converted, 25);
  });
});

const scaled = (count: number, size: number): Float32Array =>
  (tensorData(randomTensor([count])) as Float32Array).map((value) => value * size);
