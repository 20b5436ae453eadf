import { ortEvaluator } from '../../../src/backends/ort/run.js';
import { targets } from '../../../src/backends/target.js';
import { cloneModel } from '../../../src/ir/clone.js';
import type { Model } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import type { Tensor } from '../../../src/ir/tensor.js';
import { formatModel } from '../../../src/ir/text.js';
import { verifyModel } from '../../../src/ir/verifier.js';
import { type PipelineOptions, type PipelineStep, runPipeline } from '../../../src/passes/pipeline.js';
import { allPasses, simplifyPipeline } from '../../../src/passes/pipelines.js';
import {
  type Allowance,
  answerOf,
  answersDiffer,
  answerWithRoom,
  exact,
  openPlain,
  signaturesDiffer,
} from '../../same_answers.js';
import { randomModel } from '../random_graph.js';
import { Random } from './scope.js';

/** Regrouped sums through some ten layers, a normalization with a small ε among them. */
const rounding: Allowance = { relative: 1e-3, floor: 1 };

/**
 * Seeds of this run: RANDOM_GRAPHS of them (2000) from RANDOM_GRAPHS_FROM (1) on.
 * `command` is what runs one alone.
 */
export function randomSeeds(): { seeds: readonly number[]; command: (seed: number) => string } {
  const count = Number(process.env['RANDOM_GRAPHS'] ?? 2000);
  const from = Number(process.env['RANDOM_GRAPHS_FROM'] ?? 1);
  return {
    seeds: Array.from({ length: count }, (_, index) => from + index),
    command: (seed) =>
      `RANDOM_GRAPHS=1 RANDOM_GRAPHS_FROM=${seed} npx vitest run test/passes/random_graph.property.test.ts`,
  };
}

/**
 * One random model through a random order of passes and through the pipeline that simplifies.
 * @throws Error that says which promise was broken.
 */
export async function checkRandomModel(seed: number): Promise<{ asked: number; answered: number }> {
  const { model, mode, feeds } = randomModel(seed);
  const random = new Random(seed + 1_000_003);
  const options: PipelineOptions = {
    target: random.from(targets),
    evaluate: ortEvaluator(),
    verifyTypes: true,
    fpContract: mode === 'exact' ? 'strict' : 'default',
  };
  requireIntact(model, 'the random model');
  const order = Array.from({ length: 1 + random.below(8) }, () => random.from(allPasses));
  const steps = order.map((pass) => ({ pass, reason: 'random' }));
  const names = order.map(({ name }) => name).join(', ');
  const shuffled = await rewritten(model, steps, options, names);
  const simplified = await rewritten(model, simplifyPipeline, options, 'simplify');
  await requireIdempotent(simplified, options);
  return compare(model, feeds, mode === 'exact' ? exact : rounding, [
    { label: `after ${names} for ${options.target.name}`, model: shuffled },
    { label: `simplified for ${options.target.name}`, model: simplified },
  ]);
}

/** Runs the steps twice on copies; what they give must be intact, survive a round trip and be the same both times. */
async function rewritten(
  model: Model,
  steps: readonly PipelineStep[],
  options: PipelineOptions,
  label: string,
): Promise<Model> {
  const [first, second] = [cloneModel(model), cloneModel(model)];
  await runPipeline(first, steps, options);
  await runPipeline(second, steps, options);
  requireIntact(first, label);
  const bytes = encodeModel(first);
  if (Buffer.compare(bytes, encodeModel(second)) !== 0) throw new Error(`${label}: two runs gave different bytes`);
  const read = decodeModel(bytes);
  if (Buffer.compare(bytes, encodeModel(read)) !== 0) throw new Error(`${label}: does not survive a round trip`);
  const changed = signaturesDiffer(model, read);
  if (changed !== undefined) throw new Error(`${label}: ${changed}`);
  return read;
}

async function requireIdempotent(simplified: Model, options: PipelineOptions): Promise<void> {
  const again = cloneModel(simplified);
  const { passes } = await runPipeline(again, simplifyPipeline, options);
  const changing = passes.filter(({ changes }) => changes > 0).map(({ pass, changes }) => `${pass} (${changes})`);
  if (changing.length > 0) {
    throw new Error(
      `simplifying again changed something: ${changing.join(', ')}\n${formatModel(simplified)}\n${formatModel(again)}`,
    );
  }
  if (Buffer.compare(encodeModel(again), encodeModel(simplified)) !== 0) {
    throw new Error('simplifying again gave other bytes');
  }
}

function requireIntact(model: Model, label: string): void {
  const broken = verifyModel(model).filter(({ severity }) => severity === 'error');
  if (broken.length > 0) throw new Error(`${label}: ${broken.map(({ code, message }) => `${code}: ${message}`)}`);
}

async function compare(
  original: Model,
  feeds: readonly ReadonlyMap<string, Tensor>[],
  allowance: Allowance,
  candidates: readonly { readonly label: string; readonly model: Model }[],
): Promise<{ asked: number; answered: number }> {
  const reference = await openPlain(original);
  const sessions = [];
  let answered = 0;
  try {
    for (const { label, model } of candidates) {
      sessions.push({ label, model, session: await openPlain(model) });
    }
    for (const [index, each] of feeds.entries()) {
      const expected = await answerOf(reference, each);
      if (typeof expected === 'string') continue;
      answered += 1;
      for (const { label, model, session } of sessions) {
        const actual = await answerWithRoom(session, model, each);
        // Kernels of another opset round in their own way.
        const isSameOpset = model.opsetImports.get('') === original.opsetImports.get('');
        const granted = isSameOpset ? allowance : rounding;
        const reason =
          typeof actual === 'string' ? `does not run: ${actual}` : answersDiffer(expected, actual, granted);
        if (reason !== undefined) {
          throw new Error(`${label}, inputs ${index}: ${reason}\n${formatModel(original)}\n${formatModel(model)}`);
        }
      }
    }
  } finally {
    await reference.close();
    for (const { session } of sessions) await session.close();
  }
  return { asked: feeds.length, answered };
}
