import { describe, expect, it } from 'vitest';
import { type PrecisionCase, precisionCase, shortfall } from '../../bench/precision_case.js';
import { type Conversion, convert, simplified } from '../../bench/precision_conversion.js';
import { lightFolder, modelsIn, type PrecisionModel, precisionModels } from '../../bench/precision_models.js';
import { openSession } from '../../src/backends/ort/session.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import type { Node, Value } from '../../src/ir/graph.js';
import type { HalfType } from '../../src/ir/half_float.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { constantBytes } from '../../src/ir/traversal.js';

/** Each in float16; in bfloat16 all but the larger pictures, which take a minute and are the same networks. */
const halves = ({ name }: PrecisionModel): HalfType[] =>
  name.startsWith('mlsd_512') ? ['float16'] : ['float16', 'bfloat16'];

/** How much of a file that is no constant may change: names and types of casts, opset imports. */
const bytesPerCast = 400;

async function requireAll(found: PrecisionCase): Promise<void> {
  const { conversion, half, float, bytes, run, rounded } = found;
  const { model, casts } = conversion;
  expect(shortfall(found)).toBeLessThanOrEqual(0);
  for (const answers of run === undefined ? [rounded] : [run, rounded]) {
    for (const { error, violation } of answers.outputs) {
      expect(error.nonFiniteMismatches).toBe(0);
      expect(violation).toBeUndefined();
    }
  }
  if (half === 'float16') await (await openSession({ bytes: encodeModel(model) }, { optimization: 'all' })).close();
  requireOneCastEach(conversion);
  // A Cast of the model's own may have taken the place of one.
  expect(casts.inserted.length).toBeLessThanOrEqual(casts.planned);
  expect(casts.planned).toBeLessThanOrEqual(found.naive.simplified);

  expect(conversion.changesAgain).toBe(0);
  const written = encodeModel(model);
  const twice = await convert(float, half, found.decide);
  expect(Buffer.compare(encodeModel(twice.model), written)).toBe(0);

  // What is in half takes half the bytes, what is not stays as it was, and nothing else is kept.
  const { half: halved, float: left, twice: doubled } = conversion.constantBytes;
  const rest = bytes.float - (2 * halved + left - doubled);
  expect(Math.abs(bytes.half - (halved + left + rest))).toBeLessThan(0.02 * bytes.float + bytesPerCast * casts.planned);
  const others = constantBytes(float) - (2 * halved + left - doubled);
  expect(constantBytes(model)).toBeLessThanOrEqual(halved + left + others);
}

/** One Cast a value and direction, and none of what another one made. */
function requireOneCastEach({ casts }: Conversion): void {
  const inserted = new Set<Node>(casts.inserted);
  const seen = new Set<Value>();
  for (const { inputs } of inserted) {
    const source = inputs[0]!;
    expect(seen.has(source)).toBe(false);
    seen.add(source);
    expect(source.producer !== null && inserted.has(source.producer)).toBe(false);
  }
}

describe('models in 16-bit floats', () => {
  for (const each of precisionModels()) {
    for (const half of halves(each)) {
      it(`${each.name} answers in ${half} as in float, with one cast a crossing and half the bytes`, async () => {
        const found = await precisionCase(each, half);
        await requireAll(found);
        if (found.weights !== undefined && found.weights.sqnr < 10)
          console.info(
            `${each.name}: no bar in ${half}, whose weights alone leave ${found.weights.sqnr.toFixed(1)} dB`,
          );
        const again = await convert(found.conversion.model, half);
        expect(Buffer.compare(encodeModel(again.model), encodeModel(found.conversion.model))).toBe(0);
      }, 300_000);
    }
  }

  const light = modelsIn(lightFolder);
  if (light.length === 0) console.info(`no architectures of the ONNX backend tests in ${lightFolder}: skipped`);
  // All their weights are one number, so that activations grow from layer to layer and only calibration tells how far.
  for (const each of light) {
    it(`${each.name} answers in float16 as in float, where calibration saw its activations`, async () => {
      const found = await precisionCase(each, 'float16', { calibrated: true });
      await requireAll(found);
    }, 300_000);
  }
});

it('ONNX Runtime has no kernels for bfloat16 on the CPU and puts no casts there', async () => {
  const [digits] = precisionModels();
  const { model } = await convert(await simplified(digits!.load(), 'bfloat16'), 'bfloat16');
  await expect(openSession({ bytes: encodeModel(model) })).rejects.toThrow(DiagnosticError);
});
