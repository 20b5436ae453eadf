import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { DiagnosticError } from '../../ir/diagnostic.js';

/**
 * Looks before the runtime does, which would warn on the console or load without CUDA.
 * @throws DiagnosticError `ort/cuda-missing` where the package has no CUDA libraries.
 */
export function requireCudaLibraries(ort: Pick<typeof Ort, 'listSupportedBackends'>): void {
  if (ort.listSupportedBackends().every(({ name }) => name !== 'cuda')) {
    const message = `onnxruntime-node has no CUDA build for ${process.platform} ${process.arch}`;
    throw new DiagnosticError({ code: 'ort/cuda-missing', message });
  }
  const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const missing = missingCudaLibrary(path.join(root, 'bin', 'napi-v6', process.platform, process.arch));
  if (missing === undefined) return;
  throw new DiagnosticError({
    code: 'ort/cuda-missing',
    message: `onnxruntime-node was installed without its CUDA libraries: ${missing}`,
    help: 'Install them with ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node',
  });
}

/** What is missing, or an empty placeholder of our install step, beside the binding; undefined where nothing is. */
export function missingCudaLibrary(folder: string): string | undefined {
  for (const part of ['shared', 'cuda']) {
    const file = `libonnxruntime_providers_${part}.so`;
    const size = fs.statSync(path.join(folder, file), { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${file} is not there`;
    if (size === 0) return `${file} is an empty placeholder`;
  }
  return undefined;
}
