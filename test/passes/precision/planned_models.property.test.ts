import { describe, expect, it } from 'vitest';
import { ortEvaluator } from '../../../src/backends/ort/run.js';
import { findTarget } from '../../../src/backends/target.js';
import { cloneModel } from '../../../src/ir/clone.js';
import type { Model } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { modelGraphs } from '../../../src/ir/traversal.js';
import { runPipeline } from '../../../src/passes/pipeline.js';
import { applyPrecisionPlan } from '../../../src/passes/precision/apply_precision_plan.js';
import { formatPlan, parsePlan } from '../../../src/passes/precision/plan_file.js';
import { answerOf, openPlain, signaturesDiffer } from '../../same_answers.js';
import { randomModel } from '../random_graph.js';
import { planOf } from './plan_of.js';
import { answerOfHalves } from './spelled_out.js';

/** RANDOM_PLANS of them (60) from RANDOM_PLANS_FROM (1) on. */
const count = Number(process.env['RANDOM_PLANS'] ?? 60);
const from = Number(process.env['RANDOM_PLANS_FROM'] ?? 1);

const castsIn = (model: Model): number => {
  let casts = 0;
  for (const { nodes } of modelGraphs(model)) for (const { opType } of nodes) if (opType === 'Cast') casts += 1;
  return casts;
};

/** Once by the rules, and once with everything in half that can be. */
const choices = [{}, { include: [() => true], norms: 'half' as const }];

async function check(seed: number): Promise<{ halves: number; answers: number }> {
  const { model, feeds } = randomModel(seed);
  const target = findTarget('ort-cpu');
  const before = await openPlain(model);
  let halves = 0;
  let answers = 0;
  try {
    for (const half of ['float16', 'bfloat16'] as const) {
      for (const choice of choices) {
        const copy = cloneModel(model);
        const { plan, casts, inference } = planOf(copy, { half, target, ...choice });
        const text = formatPlan(plan, copy);
        expect(formatPlan(parsePlan(text, copy, inference), copy)).toBe(text);
        const own = castsIn(copy);
        await runPipeline(copy, [{ pass: applyPrecisionPlan(plan), reason: 'test' }], {
          target,
          evaluate: ortEvaluator(),
          verifyTypes: true,
        });
        // Casts that the model brought along may go.
        expect(castsIn(copy) - own).toBeLessThanOrEqual(casts);
        if (own === 0) expect(castsIn(copy)).toBe(casts);
        const result = decodeModel(encodeModel(copy));
        expect(signaturesDiffer(model, result)).toBeUndefined();
        const after = await openPlain(result);
        try {
          for (const feed of feeds) {
            const expected = await answerOf(before, feed);
            if (typeof expected === 'string') continue;
            const actual = await answerOfHalves(after, result, feed);
            if (typeof actual === 'string') throw new Error(actual);
            answers += 1;
          }
        } finally {
          await after.close();
        }
        for (const { type } of plan.nodes.values()) halves += type === 'half' ? 1 : 0;
      }
    }
  } finally {
    await before.close();
  }
  return { halves, answers };
}

describe('planned models', () => {
  it(`load and run in ONNX Runtime with as many casts as were counted: ${count} random models`, async () => {
    let halves = 0;
    let answers = 0;
    for (let seed = from; seed < from + count; seed += 1) {
      const found = await check(seed).catch((cause: unknown) => {
        throw new Error(`RANDOM_PLANS=1 RANDOM_PLANS_FROM=${seed}: ${String(cause)}`, { cause });
      });
      halves += found.halves;
      answers += found.answers;
    }
    if (count >= 60) {
      // Nothing is shown by models that stay as they are.
      expect(halves).toBeGreaterThan(10 * count);
      expect(answers).toBeGreaterThan(5 * count);
    }
  }, 600_000);
});
