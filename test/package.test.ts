import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const repository = path.resolve(import.meta.dirname, '..');

describe('the packed package, installed in an empty folder', () => {
  let folder: string;

  // What npm hands to scripts of this repository, its configuration among it, is not what a user's shell has.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|ONNXRUNTIME_)/i.test(name)));

  const run = (command: string, args: readonly string[], cwd = folder): string =>
    execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-package-'));
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], repository);
    const tarball = fs.readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "user", "version": "1.0.0", "type": "module" }');
    run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`]);
  }, 300_000);

  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('brings the runtime along without reaching beyond the npm registry', () => {
    const binding = path.join(folder, 'node_modules/onnxruntime-node/bin/napi-v6', process.platform, process.arch);
    expect(fs.existsSync(path.join(binding, 'onnxruntime_binding.node'))).toBe(true);
  });

  it('gives a working npx onnxopt', () => {
    expect(run('npx', ['--no-install', 'onnxopt', '--version']).trim()).toMatch(/^\d+\.\d+\.\d+$/);
    const model = path.join(repository, 'fixtures/digits/digits.onnx');
    run('npx', ['--no-install', 'onnxopt', 'optimize', model, '-o', 'digits.onnx', '--quiet']);
    expect(fs.statSync(path.join(folder, 'digits.onnx')).size).toBeGreaterThan(1000);
  });

  it('can be imported, with types', () => {
    const script = `import { optimize, loadModel } from 'onnxopt';
const result = await optimize({ model: ${JSON.stringify(path.join(repository, 'fixtures/digits/digits.onnx'))}, check: false });
console.log(result.after.nodes < result.before.nodes, typeof loadModel);`;
    fs.writeFileSync(path.join(folder, 'use.mjs'), script);
    expect(run(process.execPath, ['use.mjs']).trim()).toBe('true function');
    fs.writeFileSync(
      path.join(folder, 'use.ts'),
      "import { optimize, type OptimizeResult } from 'onnxopt';\nexport const run = (): Promise<OptimizeResult> => optimize({ model: 'a.onnx', precision: 'int8' });\n",
    );
    const tsc = path.join(repository, 'node_modules/.bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', 'use.ts'];
    expect(run(tsc, flags)).toBe('');
  });
});
