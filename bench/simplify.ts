import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession } from '../src/backends/ort/session.js';
import { measureInterleaved } from '../src/backends/ort/timing.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import { formatTable } from '../src/cli/table.js';
import { samplesThatRun } from '../src/evaluate/check_samples.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import type { Model } from '../src/ir/graph.js';
import { loadModel, saveModel } from '../src/ir/onnx/files.js';
import { modelGraphs } from '../src/ir/traversal.js';
import type { Bench, BenchOptions, Measurement } from './measurement.js';
import { repository } from './models.js';
import { scalingChart } from './scaling_chart.js';
import { type SimplifyModel, simplifyModels } from './simplify_models.js';
import { transformerModel } from './transformer_model.js';

/**
 * Node counts, the time of the whole command and the latency of what it wrote, on real models; and the time against the
 * size of a transformer. Other tools' results lie in the peers folder (`bench/peers/simplify_*`).
 */
export const simplifyBench: Bench = {
  name: 'simplify',
  summary: 'nodes left, time of the whole command without its check, latency / latency of the model as it came',
  async run(options) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
    try {
      const measurements = await realModels(folder, options);
      return [...measurements, ...scaling(folder, options)];
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function realModels(folder: string, options: BenchOptions): Promise<Measurement[]> {
  const peers = peerResults(options.peers);
  const tools = [...new Set(Object.values(peers).flatMap((each) => Object.keys(each)))];
  const rows = [['', 'nodes', 'constants', 'onnxopt', ...tools]];
  const measurements: Measurement[] = [];
  for (const model of simplifyModels(options.models ?? [], options.smoke)) {
    const output = path.join(folder, `${model.name}.onnx`);
    const seconds = simplifySeconds(model.file, output);
    const before = countOf(loadModel(model.file));
    const after = countOf(loadModel(output));
    rows.push([
      model.name,
      String(before.nodes),
      String(before.constants),
      `${after.nodes} in ${seconds.toFixed(1)} s`,
      ...tools.map((tool) => peerText(peers[model.name]?.[tool], options.peers!, model, tool)),
    ]);
    measurements.push({ what: `${model.name}, command`, value: seconds, unit: 's' });
    const ratio = await latencyRatio(model, output, options);
    if (ratio !== undefined)
      measurements.push({ what: `${model.name}, ${ratio.text}`, value: ratio.value, unit: 'ratio' });
    fs.rmSync(output);
  }
  console.log(`nodes in all graphs, without Constant:\n${formatTable(rows)}\n`);
  return measurements;
}

type PeerResult = { readonly seconds: number; readonly error?: string };
type PeerResults = Readonly<Record<string, Readonly<Record<string, PeerResult>>>>;

const peerResults = (folder: string | undefined): PeerResults => {
  const file = folder === undefined ? '' : path.join(folder, 'simplify_peers.json');
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as PeerResults) : {};
};

function peerText(result: PeerResult | undefined, folder: string, model: SimplifyModel, tool: string): string {
  if (result === undefined) return '';
  if (result.error !== undefined) return `failed (${result.seconds.toFixed(0)} s)`;
  const { nodes } = countOf(loadModel(path.join(folder, `${model.name}.${tool}.onnx`)));
  return `${nodes} in ${result.seconds.toFixed(1)} s`;
}

/** Nodes of all graphs that compute something, and Constant nodes beside them. */
function countOf(model: Model): { nodes: number; constants: number } {
  let nodes = 0;
  let constants = 0;
  for (const graph of modelGraphs(model)) {
    for (const { opType } of graph.nodes) {
      if (opType === 'Constant') constants += 1;
      else nodes += 1;
    }
  }
  return { nodes, constants };
}

function simplifySeconds(input: string, output: string): number {
  const main = path.join(repository, 'dist/cli/main.js');
  const start = performance.now();
  execFileSync(process.execPath, [main, 'simplify', input, '-o', output, '--no-check', '--quiet'], {
    stdio: 'inherit',
  });
  return (performance.now() - start) / 1000;
}

async function latencyRatio(
  { file }: SimplifyModel,
  output: string,
  { smoke }: BenchOptions,
): Promise<{ text: string; value: number } | undefined> {
  const settings = { intraOpThreads: 1 };
  const before = await openSession({ path: file }, settings);
  const after = await openSession({ path: output }, settings);
  try {
    const feeds = await someFeeds(file, before);
    if (feeds === undefined) return undefined;
    const start = performance.now();
    await before.run(feeds);
    const affordable = Math.round(5000 / Math.max(0.05, performance.now() - start));
    const rounds = smoke ? 5 : Math.min(200, Math.max(7, affordable));
    const contenders = [
      { label: 'before', session: before },
      { label: 'after', session: after },
    ];
    const [float, ours] = await measureInterleaved(contenders, feeds, { warmup: 3, rounds });
    return { text: `latency (${float!.median.toFixed(2)} => ${ours!.median.toFixed(2)} ms)`, value: ours!.ratio };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    console.log(`${file}: no latency: ${error.diagnostic.message}`);
    return undefined;
  } finally {
    await before.close();
    await after.close();
  }
}

async function someFeeds(file: string, session: Awaited<ReturnType<typeof openSession>>): Promise<Feeds | undefined> {
  const { source } = await samplesThatRun(loadModel(file).graph, session);
  if (source === undefined) return undefined;
  for await (const { feeds } of source.samples()) return feeds;
  return undefined;
}

/** Seconds of the whole command against nodes, on transformers of more and more blocks. */
function scaling(folder: string, { smoke }: BenchOptions): Measurement[] {
  const perBlock = countOf(transformerModel({ blocks: 2 })).nodes - countOf(transformerModel({ blocks: 1 })).nodes;
  const points = (smoke ? [1000] : [1000, 3000, 10_000, 30_000, 100_000]).map((wanted) => {
    const model = transformerModel({ blocks: Math.max(1, Math.round(wanted / perBlock)) });
    const input = saveModel(model, path.join(folder, 'deep.onnx')).model;
    const output = path.join(folder, 'deep_simple.onnx');
    const seconds = simplifySeconds(input, output);
    return { nodes: countOf(model).nodes, seconds, left: countOf(loadModel(output)).nodes };
  });
  if (points.length > 1) console.log(scalingChart(points));
  return points.map(({ nodes, left, seconds }) => ({
    what: `transformer of ${nodes.toLocaleString('en')} nodes (${left.toLocaleString('en')} left)`,
    value: seconds,
    unit: 's',
  }));
}
