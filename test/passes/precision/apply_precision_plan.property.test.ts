import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import { cloneModel } from '../../../src/ir/clone.js';
import type { Model, Node } from '../../../src/ir/graph.js';
import { encodeHalf, type HalfType } from '../../../src/ir/half_float.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { type Tensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { formatModel } from '../../../src/ir/text.js';
import { modelGraphs } from '../../../src/ir/traversal.js';
import { verifyModel } from '../../../src/ir/verifier.js';
import { runPipeline } from '../../../src/passes/pipeline.js';
import { applyPrecisionPlan } from '../../../src/passes/precision/apply_precision_plan.js';
import {
  type Allowance,
  answerOf,
  answersDiffer,
  answerWithRoom,
  exact,
  type Feeds,
  openPlain,
} from '../../same_answers.js';
import { randomModel } from '../random_graph.js';
import { randomPlan } from './random_plan.js';
import { answerOfHalves, roundAsPlanned, widenNodes } from './spelled_out.js';

describe('random precision plans', () => {
  const count = Number(process.env['RANDOM_PLANS'] ?? 300);
  const from = Number(process.env['RANDOM_PLANS_FROM'] ?? 1);

  it(`give what casts around every node give, bit for bit, with none to spare (${count} graphs)`, async () => {
    const total: Result = { asked: 0, answered: 0, run: 0, near: 0, casts: 0 };
    for (let seed = from; seed < from + count; seed += 1) {
      const result = await check(seed).catch((error: unknown) => {
        const command = `RANDOM_PLANS=1 RANDOM_PLANS_FROM=${seed} npx vitest run ${import.meta.filename}`;
        throw new Error(`random plan ${seed}: reproduce with ${command}`, { cause: error });
      });
      for (const key of ['asked', 'answered', 'run', 'near', 'casts'] as const) total[key] += result[key];
    }
    expect(total.answered / total.asked).toBeGreaterThan(0.9);
    // What rounds to an integer, compares or divides by nearly nothing takes a small error to a large one.
    expect(total.near / total.run).toBeGreaterThan(0.95);
    expect(total.casts).toBeGreaterThan(count);
  }, 3_600_000);
});

/** Runs asked for and answered by both; of those of the model as it stands, and near the answer; casts it has. */
type Result = { asked: number; answered: number; run: number; near: number; casts: number };

/** Float16 has steps of 2^-11; some ten layers in a row, in which the runtime itself rounds more seldom. */
const near: Allowance = { relative: 0.02, floor: 1 };

async function check(seed: number): Promise<Result> {
  const { model, feeds } = randomModel(seed);
  const half: HalfType = seed % 4 === 0 ? 'bfloat16' : 'float16';
  const label = `${half}, seed ${seed}`;
  const applied = await apply(model, half, seed);
  const again = await apply(model, half, seed);
  if (Buffer.compare(encodeModel(applied), encodeModel(again)) !== 0) {
    throw new Error(`${label}: two runs gave different bytes`);
  }
  const planned = cloneModel(model);
  const plan = randomPlan(planned, half, seed);
  if (half === 'bfloat16' && plan.inputs.size + plan.outputs.size > 0) {
    return { asked: 0, answered: 0, run: 0, near: 0, casts: castCount(applied) };
  }
  roundAsPlanned(planned, plan);
  widenNodes(planned);
  const spelled = decodeModel(encodeModel(applied));
  widenNodes(spelled);
  const rounded = new Set(Array.from(plan.inputs, ({ name }) => name));
  const reference = await openPlain(decodeModel(encodeModel(planned)));
  const candidate = await openPlain(decodeModel(encodeModel(spelled)));
  // Of bfloat16 the runtime has few kernels, and what it unfolds operators into for want of one is not always valid.
  const plain = half === 'float16' ? await openPlain(applied) : undefined;
  const result: Result = { asked: feeds.length, answered: 0, run: 0, near: 0, casts: castCount(applied) };
  try {
    for (const [index, each] of feeds.entries()) {
      const fed = roundedFeeds(each, rounded, half);
      const expected = await answerOf(reference, fed);
      if (typeof expected === 'string') continue;
      result.answered += 1;
      const actual = await answerWithRoom(candidate, spelled, fed);
      const reason = typeof actual === 'string' ? `does not run: ${actual}` : answersDiffer(expected, actual, exact);
      if (reason !== undefined) {
        const models = [model, planned, applied].map((one) => formatModel(one)).join('\n');
        throw new Error(`${label}, inputs ${index}: ${reason}\n${models}`);
      }
      if (plain === undefined) continue;
      const asItStands = await answerOfHalves(plain, applied, fed);
      if (typeof asItStands === 'string') throw new Error(`${label}: ${asItStands}\n${formatModel(applied)}`);
      result.run += 1;
      if (answersDiffer(expected, asItStands, near) === undefined) result.near += 1;
    }
  } finally {
    for (const session of [reference, candidate, plain]) await session?.close();
  }
  return result;
}

async function apply(model: Model, half: HalfType, seed: number): Promise<Model> {
  const copy = cloneModel(model);
  const pass = applyPrecisionPlan(randomPlan(copy, half, seed));
  const options = { target: findTarget('ort-cpu'), verifyTypes: true };
  await runPipeline(copy, [{ pass, reason: 'test' }], options);
  const once = encodeModel(copy);
  requireNoSpareCast(copy);
  const { passes } = await runPipeline(copy, [{ pass, reason: 'test' }], options);
  if (passes[0]!.changes > 0)
    throw new Error(
      `a second application changed ${passes[0]!.changes} things\n${formatModel(decodeModel(once))}\n${formatModel(copy)}`,
    );
  const broken = verifyModel(copy).filter(({ severity }) => severity === 'error');
  if (broken.length > 0) throw new Error(broken.map(({ message }) => message).join());
  return decodeModel(once);
}

/** One Cast a value and direction, and none of what another one made. */
function requireNoSpareCast(model: Model): void {
  const ours = ({ provenance }: Node) => provenance.includes('cast-to-half');
  const made = [...modelGraphs(model)].flatMap(({ nodes }) => [...nodes]).filter(ours);
  const seen = new Set<unknown>();
  for (const { inputs } of made) {
    const [source] = inputs;
    if (seen.has(source)) throw new Error(`"${source?.name}" is cast twice`);
    seen.add(source);
    if (source?.producer != null && ours(source.producer)) throw new Error(`"${source.name}" is cast back`);
  }
}

const castCount = (model: Model): number =>
  [...modelGraphs(model)].flatMap(({ nodes }) => [...nodes]).filter(({ opType }) => opType === 'Cast').length;

const roundedFeeds = (feeds: Feeds, names: ReadonlySet<string>, half: HalfType): Feeds =>
  new Map(
    Array.from(feeds, ([name, tensor]): [string, Tensor] => [
      name,
      names.has(name)
        ? tensorFromData(half, tensor.dims, encodeHalf(half, tensorData(tensor) as Float32Array))
        : tensor,
    ]),
  );
