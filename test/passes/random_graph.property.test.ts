import { describe, expect, it } from 'vitest';
import { checkRandomModel, randomSeeds } from './random_graph/check_random_model.js';

describe('random graphs', () => {
  const { seeds, command } = randomSeeds();

  it(`keep their answers under any order of passes, and simplify the same way each time (${seeds.length} graphs)`, async () => {
    let answered = 0;
    let asked = 0;
    for (const seed of seeds) {
      const result = await checkRandomModel(seed).catch((error: unknown) => {
        throw new Error(`random graph ${seed}: reproduce with ${command(seed)}`, { cause: error });
      });
      answered += result.answered;
      asked += result.asked;
    }
    // A generator whose models do not run would prove nothing.
    expect(answered / asked).toBeGreaterThan(0.95);
  }, 3_600_000);
});
