import { describe, expect, it } from 'vitest';
import { floatForm, int8Candidate } from '../../src/int8/int8_candidate.js';
import { gateLatency } from '../../src/int8/latency_gate.js';
import type { LatencyClock } from '../../src/int8/latency_gate_clock.js';
import { gateDiagnostics } from '../../src/int8/latency_gate_conditions.js';
import { eightBitRegions } from '../../src/int8/latency_gate_regions.js';
import type { Model } from '../../src/ir/graph.js';
import { digitsPlan } from './digits_plan.js';

const layers = (model: Model) =>
  [...model.graph.nodes].flatMap(({ inputs }) => {
    const stored = inputs[1]?.producer?.inputs[0];
    return stored?.initializer == null ? [] : [stored.name.replace('_quantized', '')];
  });

/** A machine on which each layer on 8 bits takes so many milliseconds more than in float, of 10 in all. */
function machine(extra: (weight: string) => number, isBusy = false) {
  let time = 0;
  let open = 0;
  const clock: LatencyClock = {
    threads: ['one', 'default'],
    now: () => time,
    isBusy: () => isBusy,
    async load(model, threads) {
      open += 1;
      const gain = layers(model).reduce((sum, weight) => sum + extra(weight), 0);
      const takes = threads === 'one' ? 10 + gain : 10 + gain / 2;
      return {
        async run() {
          time += takes;
          return takes;
        },
        async close() {
          open -= 1;
        },
      };
    },
  };
  return { clock, elapsed: () => time / 1000, open: () => open };
}

const plan = await digitsPlan();
const regions = eightBitRegions(plan.placement);
const namesOf = (region: (typeof regions)[number] | undefined) => region!.nodes.map((node) => node.outputs[0]!.name);
const weightsOf = (region: (typeof regions)[number] | undefined) =>
  region!.nodes.flatMap((node) => node.inputs[1]?.name ?? []);

describe('the latency gate', () => {
  it('finds the connected parts of what runs on 8 bits', () => {
    expect(regions.length).toBe(2);
    expect(regions.flatMap(({ nodes }) => nodes).length).toBe(
      plan.placement.computes.length + plan.placement.carries.length,
    );
  });

  it('keeps all on 8 bits where all of it gains', async () => {
    const { clock, open } = machine(() => -1);
    const { floats, report } = await gateLatency(plan, clock, { seconds: 60 });
    expect(floats.size).toBe(0);
    expect(report).toMatchObject({
      chosen: 'all-8-bit',
      before: 0.7,
      after: 0.7,
      threads: ['one', 'default'],
      busy: false,
      untimed: 0,
      floatMilliseconds: 10,
    });
    expect(report.regions.every(({ kept, ratio }) => kept && ratio <= 1)).toBe(true);
    expect(open()).toBe(0);
  });

  it('does not ask threads that wait for each other while other programs hold the processor', async () => {
    const { report } = await gateLatency(plan, machine(() => -1, true).clock, { seconds: 60 });
    expect(report).toMatchObject({ after: 0.4, threads: ['one'], busy: true });
  });

  it('leaves a part in float that loses, and says by how much', async () => {
    const losing = new Set(weightsOf(regions[0]));
    const { clock } = machine((weight) => (losing.has(weight) ? 1 : -1));
    const { floats, report } = await gateLatency(plan, clock, { seconds: 60 });
    expect([...floats.keys()]).toEqual(namesOf(regions[0]));
    expect([...floats.values()][0]).toMatch(/^on 8 bits it makes the model take 1\.\d{3} times as long$/);
    expect(report.chosen).toBe('some-float');
    expect(report.after).toBeLessThan(report.before);
    expect(report.regions.filter(({ kept }) => !kept).every(({ ratio }) => ratio > 1)).toBe(true);
    expect(layers(await int8Candidate(plan, floats)).some((weight) => losing.has(weight))).toBe(false);
  });

  it('leaves a single layer in float inside a part that gains', async () => {
    const [losing] = weightsOf(regions[1]);
    const { clock } = machine((weight) => (weight === losing ? 0.5 : -1));
    const { floats, report } = await gateLatency(plan, clock, { seconds: 60 });
    expect([...floats.keys()]).toEqual(namesOf(regions[1]).slice(0, 1));
    expect(report.chosen).toBe('some-float');
  });

  it('gives the float model where nothing gains, with a warning', async () => {
    const { clock } = machine(() => -0.01);
    const { floats, report } = await gateLatency(plan, clock, { seconds: 60 });
    expect(report).toMatchObject({ chosen: 'float', after: 1 });
    expect(report.before).toBeCloseTo(0.997, 3);
    expect(layers(await int8Candidate(plan, floats))).toEqual([]);
    const operators = (model: Model) => [...model.graph.nodes].map(({ opType }) => opType);
    expect(operators(await int8Candidate(plan, floats))).toEqual(operators(await floatForm(plan)));
    expect(gateDiagnostics(report).map(({ code }) => code)).toEqual(['quantize/no-gain']);
  });

  it('stops when its time is over, but for the rounds that a verdict needs', async () => {
    const { clock, elapsed } = machine((weight) => (weightsOf(regions[0]).includes(weight) ? 1 : -1));
    const { report } = await gateLatency(plan, clock, { seconds: 0.1 });
    expect(report.untimed).toBeGreaterThan(0);
    // Two numbers of threads, seven rounds of float and all on 8 bits, at most 10 ms a run.
    expect(elapsed()).toBeLessThan(0.1 + 2 * 7 * 2 * 0.01);
  });
});
