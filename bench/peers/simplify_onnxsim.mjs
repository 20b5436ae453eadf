// Simplifies models with the npm package onnxsim, for comparison, each in a process of its own.
//   node bench/peers/simplify_onnxsim.mjs FOLDER-WITH-ITS-NODE_MODULES OUTPUT MODEL.onnx...
// Writes MODEL.onnxsim.onnx into OUTPUT, and the seconds or the error into OUTPUT/simplify_peers.json.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [packages, output, ...models] = process.argv.slice(2);

if (packages === '--one') {
  const [module, source] = models;
  const { simplify } = await import(module);
  fs.writeFileSync(output, (await simplify(fs.readFileSync(source))).model);
  process.exit(0);
}

fs.mkdirSync(output, { recursive: true });
const module = pathToFileURL(path.resolve(packages, 'node_modules/onnxsim/index.mjs')).href;
const record = path.join(output, 'simplify_peers.json');
const results = fs.existsSync(record) ? JSON.parse(fs.readFileSync(record, 'utf8')) : {};
for (const model of models) {
  const name = path.basename(model, '.onnx');
  const target = path.join(output, `${name}.onnxsim.onnx`);
  const start = performance.now();
  const self = fileURLToPath(import.meta.url);
  const done = spawnSync(process.execPath, [self, '--one', target, module, model], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  const entry = { seconds: (performance.now() - start) / 1000 };
  if (done.status !== 0) {
    entry.error = /(\w*Error: .*)/.exec(done.stderr)?.[1]?.slice(0, 300) ?? `exit ${done.status ?? done.signal}`;
    fs.rmSync(target, { force: true });
  }
  results[name] = { ...results[name], onnxsim: entry };
  fs.writeFileSync(record, `${JSON.stringify(results, null, 2)}\n`);
  console.log(name, entry);
}
