import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type OrtSession, openSession } from '../src/backends/ort/session.js';
import { measureInterleaved } from '../src/backends/ort/timing.js';
import { saveModel } from '../src/ir/onnx/files.js';
import { int64Tensor, type Tensor, tensorData } from '../src/ir/tensor.js';
import { quantizeWeights, type WeightScheme } from '../src/quantize_weights.js';
import { type DecoderSizes, decoderModel, uniformNumbers } from './decoder_model.js';
import type { Bench, BenchOptions, Measurement } from './measurement.js';

const schemes: readonly (readonly [string, WeightScheme])[] = [
  ['4 bits, rounded', { kind: 'blocks' }],
  ['4 bits, rounded, least squares', { kind: 'blocks', scales: 'mse' }],
  ['4 bits, zero points', { kind: 'blocks', symmetric: false }],
  ['4 bits, zero points, least squares', { kind: 'blocks', symmetric: false, scales: 'mse' }],
  ['4 bits, hqq', { kind: 'blocks', method: 'hqq' }],
  ['4 bits, gptq', { kind: 'blocks', method: 'gptq', symmetric: false }],
  ['4 bits, awq', { kind: 'blocks', method: 'awq', symmetric: false }],
  ['4 bits, awq, also multiplied', { kind: 'blocks', method: 'awq', symmetric: false, insertMul: true }],
  ['4 bits, rounded, accuracy level 4', { kind: 'blocks', accuracyLevel: 4 }],
  ['nf4', { kind: 'bnb4' }],
  ['8 bits, rounded', { kind: 'blocks', bits: 8 }],
  ['dynamic int8', { kind: 'dynamic' }],
  ['dynamic int8, least squares', { kind: 'dynamic', scales: 'mse' }],
];

/** What is compared where one channel of activations in 64 is four times as large as the others. */
const outliers = 4;
const againstOutliers: ReadonlySet<string> = new Set([
  '4 bits, rounded',
  '4 bits, zero points',
  '4 bits, gptq',
  '4 bits, awq',
  '4 bits, awq, also multiplied',
]);

/**
 * Weights in fewer bits against float, on a decoder whose tokens are drawn from the float model's own answers. Lost: what
 * the cross entropy of those tokens grew by, and, with less noise, the divergence of the two models' shares at each place,
 * Σ p · log(p / q). Latency of a whole text, and of one token.
 */
export const weightOnlyBench: Bench = {
  name: 'weight-only',
  summary: 'what weights in fewer bits lose, in nats a token; file size and latency as ratios of float',
  async run({ smoke }: BenchOptions) {
    const sizes: DecoderSizes = smoke
      ? { layers: 2, hidden: 128, heads: 4, inner: 256, vocabulary: 256, length: 16 }
      : { layers: 2, hidden: 512, heads: 8, inner: 1536, vocabulary: 1024, length: 64 };
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
    try {
      const measured = await measure(folder, sizes, smoke ? 5 : 15);
      return [...measured, ...(await measureOutliers(folder, { ...sizes, outliers }))];
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Texts to calibrate on. */
async function drawnTexts(session: OrtSession, sizes: DecoderSizes): Promise<{ ids: Tensor }[]> {
  const texts: { ids: Tensor }[] = [];
  for (const seed of [1, 2, 3, 4]) texts.push({ ids: await drawnTokens(session, sizes, seed) });
  return texts;
}

async function measureOutliers(folder: string, sizes: DecoderSizes): Promise<Measurement[]> {
  const { session } = await contender(folder, sizes, undefined);
  const ids = await drawnTokens(session, sizes, 99);
  const others = await drawnTexts(session, sizes);
  const shares = await logShares(session, ids, sizes);
  const measurements: Measurement[] = [];
  for (const [label, scheme] of schemes.filter(([each]) => againstOutliers.has(each))) {
    const candidate = await contender(folder, sizes, scheme, others);
    const value = divergence(shares, await logShares(candidate.session, ids, sizes), sizes.length);
    measurements.push({ what: `${label}: divergence, large channels`, value, unit: 'nats' });
    await candidate.session.close();
  }
  await session.close();
  return measurements;
}

async function measure(folder: string, sizes: DecoderSizes, rounds: number): Promise<Measurement[]> {
  const text = await contender(folder, sizes, undefined);
  const token = await contender(folder, { ...sizes, length: 1 }, undefined);
  const ids = await drawnTokens(text.session, sizes, 99);
  const others = await drawnTexts(text.session, sizes);
  const shares = await logShares(text.session, ids, sizes);
  const own = crossEntropy(shares, ids);
  const measurements: Measurement[] = [
    { what: `float: cross entropy, perplexity ${Math.exp(own).toFixed(1)}`, value: own, unit: 'nats' },
  ];
  for (const [label, scheme] of schemes) {
    const candidate = await contender(folder, sizes, scheme, others);
    const found = await logShares(candidate.session, ids, sizes);
    const entropy = crossEntropy(found, ids);
    const whole = await ratio(text, candidate, ids, rounds);
    const step = await contender(folder, { ...sizes, length: 1 }, scheme);
    const single = await ratio(token, step, int64Tensor([1], [1, 1]), 5 * rounds);
    measurements.push(
      { what: `${label}: lost, perplexity ${Math.exp(entropy).toFixed(1)}`, value: entropy - own, unit: 'nats' },
      { what: `${label}: divergence`, value: divergence(shares, found, sizes.length), unit: 'nats' },
      { what: `${label}: file`, value: candidate.bytes / text.bytes, unit: 'ratio' },
      { what: `${label}: latency, ${sizes.length} tokens`, value: whole, unit: 'ratio' },
      { what: `${label}: latency, 1 token`, value: single, unit: 'ratio' },
    );
    for (const { session } of [candidate, step]) await session.close();
  }
  for (const { session } of [text, token]) await session.close();
  return measurements;
}

type Contender = { readonly session: OrtSession; readonly bytes: number };

async function contender(
  folder: string,
  sizes: DecoderSizes,
  scheme: WeightScheme | undefined,
  data: readonly { ids: Tensor }[] = [{ ids: int64Tensor([1], [1, 1]) }],
): Promise<Contender> {
  const model = decoderModel(sizes);
  const output = path.join(folder, 'model.onnx');
  if (scheme === undefined) saveModel(model, output);
  else await quantizeWeights({ model, output, scheme, calibration: { data }, check: false });
  const session = await openSession({ path: output }, { intraOpThreads: 1 });
  return { session, bytes: fs.statSync(output).size };
}

async function ratio(float: Contender, other: Contender, ids: Tensor, rounds: number): Promise<number> {
  const contenders = [
    { label: 'float', session: float.session },
    { label: 'other', session: other.session },
  ];
  const [, measured] = await measureInterleaved(contenders, new Map([['ids', ids]]), { warmup: 2, rounds });
  return measured!.ratio;
}

type Shares = (place: number) => Float64Array;

/** log p of each token of the vocabulary at each place. */
async function logShares(session: OrtSession, ids: Tensor, { vocabulary }: DecoderSizes): Promise<Shares> {
  const results = await session.run(new Map([['ids', ids]]));
  const logits = tensorData(results.get('logits')!) as Float32Array;
  return (place: number): Float64Array => {
    const row = Float64Array.from(logits.subarray(place * vocabulary, (place + 1) * vocabulary));
    const most = row.reduce((a, b) => Math.max(a, b));
    const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0)) + most;
    return row.map((value) => value - total);
  };
}

/** Each token drawn from what the model says of those before it. */
async function drawnTokens(session: OrtSession, sizes: DecoderSizes, seed: number) {
  const uniform = uniformNumbers(seed);
  const ids = new Array<number>(sizes.length).fill(0);
  for (let place = 0; place + 1 < sizes.length; place += 1) {
    const shares = (await logShares(session, int64Tensor(ids, [1, sizes.length]), sizes))(place);
    let left = uniform();
    const drawn = shares.findIndex((share) => {
      left -= Math.exp(share);
      return left < 0;
    });
    ids[place + 1] = drawn < 0 ? sizes.vocabulary - 1 : drawn;
  }
  return int64Tensor(ids, [1, sizes.length]);
}

/** Nats a token, of each token given those before it. */
function crossEntropy(shares: Shares, ids: Tensor): number {
  const tokens = Array.from(tensorData(ids), Number);
  let sum = 0;
  for (let place = 0; place + 1 < tokens.length; place += 1) sum -= shares(place)[tokens[place + 1]!]!;
  return sum / (tokens.length - 1);
}

/** Nats a token, over all places. */
function divergence(expected: Shares, found: Shares, length: number): number {
  let sum = 0;
  for (let place = 0; place < length; place += 1) {
    const [p, q] = [expected(place), found(place)];
    for (const [token, share] of p.entries()) sum += Math.exp(share) * (share - q[token]!);
  }
  return sum / length;
}
