import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { missingCudaLibrary, requireCudaLibraries } from '../../../src/backends/ort/cuda_libraries.js';
import { openSession } from '../../../src/backends/ort/session.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-cuda-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const repository = path.resolve(import.meta.dirname, '../../..');
const binding = path.join(repository, 'node_modules/onnxruntime-node/bin/napi-v6', process.platform, process.arch);
const model = path.join(repository, 'node_modules/openwakeword-js/models/hello_deepa.onnx');

describe('the CUDA libraries beside the binding', () => {
  it('are missing, placeholders of our install step, or there', () => {
    const lay = (part: string, text: string) =>
      fs.writeFileSync(path.join(folder, `libonnxruntime_providers_${part}.so`), text);
    expect(missingCudaLibrary(folder)).toBe('libonnxruntime_providers_shared.so is not there');
    lay('shared', '');
    lay('cuda', '');
    expect(missingCudaLibrary(folder)).toBe('libonnxruntime_providers_shared.so is an empty placeholder');
    lay('shared', 'code');
    expect(missingCudaLibrary(folder)).toBe('libonnxruntime_providers_cuda.so is an empty placeholder');
    lay('cuda', 'code');
    expect(missingCudaLibrary(folder)).toBeUndefined();
    expect(missingCudaLibrary(path.join(folder, 'nowhere'))).toBe('libonnxruntime_providers_shared.so is not there');
  });

  it('cannot be asked for where the platform has no CUDA build', () => {
    const ort = { listSupportedBackends: () => [{ name: 'cpu', bundled: true }] };
    expect(() => requireCudaLibraries(ort)).toThrow('ort/cuda-missing: onnxruntime-node has no CUDA build for');
  });

  it.skipIf(missingCudaLibrary(binding) === undefined)('are asked for before a model loads without them', async () => {
    const error: unknown = await openSession({ path: model }, { provider: 'cuda' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DiagnosticError);
    const { code, help } = (error as DiagnosticError).diagnostic;
    expect(code).toBe('ort/cuda-missing');
    if (process.platform === 'linux' && process.arch === 'x64') {
      expect(help).toContain('ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node');
    }
  });
});
