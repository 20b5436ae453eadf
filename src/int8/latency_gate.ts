import { summarizeModel } from '../evaluate/summary.js';
import type { Model, Node } from '../ir/graph.js';
import { type FloatNodes, floatForm, int8Candidate } from './int8_candidate.js';
import type { LatencyClock, Threads } from './latency_gate_clock.js';
import { type EightBitRegion, eightBitRegions } from './latency_gate_regions.js';
import { type RoundOptions, type Rounds, runRounds, type TimedModel, type TimeRatio } from './latency_gate_rounds.js';
import { placeInt8 } from './prepare_int8.js';
import type { Int8Plan } from './quantize_int8.js';

/** One part of the model that was timed with and without 8 bits. */
export type GateRegion = {
  readonly nodes: readonly string[];
  /** Time of the whole model with this part on 8 bits, divided by its time with this part in float. */
  readonly ratio: number;
  /** Whether it is on 8 bits in the result. */
  readonly kept: boolean;
};

/** What the latency gate measured and decided. Ratios are medians of rounds in which the models took turns. */
export type GateReport = {
  /** Median time of one sample in float with one thread. */
  readonly floatMilliseconds: number;
  /** Numbers of threads that the result was compared with; the worse ratio counts. */
  readonly threads: readonly Threads[];
  /** Other programs held the processor, so that only the processor time of one thread was compared. */
  readonly busy: boolean;
  /** With all on 8 bits that can be, divided by float. */
  readonly before: number;
  /** Of what was chosen; 1 where that is the float model. */
  readonly after: number;
  readonly chosen: 'all-8-bit' | 'some-float' | 'float';
  readonly regions: readonly GateRegion[];
  /** Parts that were not timed because the time was over; they are on 8 bits if anything is. */
  readonly untimed: number;
  readonly measurements: { readonly runs: number; readonly seconds: number };
};

export type GateOptions = {
  /** How long to measure; the last comparison gets its least number of rounds even so. */
  readonly seconds: number;
  /** Told which comparison of how many is under way. */
  onStep?(done: number, total: number): void;
};

export type GateDecision = { readonly floats: FloatNodes; readonly report: GateReport };

/** 8 bits that save less than this are not worth an answer that is not quite the same. */
const worthwhile = 0.98;

/** What is kept of the time for the comparison that decides. */
const verdictShare = 0.3;

/** Of a comparison of parts, of any, and of the one that decides: as many as time allows between the last two. */
const rounds = { least: 11, most: 200, verdictLeast: 5, verdictWanted: 21 } as const;

/** Models that are open beside the one they are compared with, and the bytes of weights that they may hold together. */
const atOnce = { models: 4, bytes: 2 ** 29 } as const;

/**
 * Decides by measured time which 8-bit nodes of a plan stay in float. The connected parts of what runs on 8 bits are
 * taken out one at a time and the whole model is timed against the one with all of them, so that conversions, layouts
 * and fusions at their borders count; then single nodes of the parts that stay. What certainly loses is left out. The
 * result is compared with float and with all on 8 bits, and the fastest is chosen.
 */
export async function gateLatency(plan: Int8Plan, clock: LatencyClock, options: GateOptions): Promise<GateDecision> {
  return new Gate(plan, clock, options).decide();
}

type Trial = { readonly nodes: readonly Node[]; readonly without: TimeRatio };

/** `end` in seconds since the start. */
type Until = Pick<RoundOptions, 'least' | 'isSettled'> & { readonly end: number };

class Gate {
  private readonly started: number;
  private readonly trials: Trial[] = [];
  private runs = 0;
  private untimed = 0;
  private steps = 0;
  private secondsOfRun = 0;

  constructor(
    private readonly plan: Int8Plan,
    private readonly clock: LatencyClock,
    private readonly options: GateOptions,
  ) {
    this.started = clock.now();
  }

  async decide(): Promise<GateDecision> {
    const { plan } = this;
    const placement = placeInt8(plan.model, plan.scheme, plan.quantization);
    const regions = eightBitRegions(placement);
    await this.timeOneRun();
    // Without its only region a model is the float one, which the verdict is about.
    if (regions.length > 1) await this.tryWithout(regions, new Map(), 0.4);
    const lost = this.losers(isCertain);
    const singles = regions
      .filter(({ nodes }) => nodes.length > 1 && !nodes.every((node) => lost.has(nameOf(node))))
      .flatMap(({ nodes }) => nodes.map((node) => ({ nodes: [node] })));
    await this.tryWithout(singles, lost, 1 - verdictShare);
    return this.verdict(regions.flatMap(({ nodes }) => nodes));
  }

  /** In float, which takes the longest as a rule: what comparisons will take is known before they begin. */
  private async timeOneRun(): Promise<void> {
    const model = await this.clock.load(await floatForm(this.plan), 'one');
    await model.run();
    const start = this.elapsed;
    await model.run();
    this.secondsOfRun = this.elapsed - start;
    this.runs += 2;
    await model.close();
  }

  private get elapsed(): number {
    return (this.clock.now() - this.started) / 1000;
  }

  /** Times the model without each part, against the one that only lacks `floats`, until this share of the time is over. */
  private async tryWithout(parts: readonly EightBitRegion[], floats: FloatNodes, share: number): Promise<void> {
    const { plan, options } = this;
    if (parts.length === 0) return;
    const total = this.steps + parts.length;
    const incumbent = await int8Candidate(plan, floats);
    const size = Math.max(1, Math.min(atOnce.models, Math.floor(atOnce.bytes / summarizeModel(incumbent).weightBytes)));
    for (let at = 0; at < parts.length; at += size) {
      const remaining = options.seconds * share - this.elapsed;
      const batch = parts.slice(at, at + size);
      if (remaining <= rounds.least * (batch.length + 1) * this.secondsOfRun) {
        this.untimed += parts.length - at;
        return;
      }
      const end = this.elapsed + remaining / Math.ceil((parts.length - at) / size);
      const candidates: Model[] = [incumbent];
      for (const { nodes } of batch) candidates.push(await int8Candidate(plan, withNodes(floats, nodes, '')));
      const until = { least: rounds.least, isSettled: isClear, end };
      const { ratios } = await this.compare(candidates, 'one', until);
      for (const [index, { nodes }] of batch.entries()) this.trials.push({ nodes, without: ratios[index]! });
      this.steps += batch.length;
      options.onStep?.(this.steps, total);
    }
  }

  private async compare(models: readonly Model[], threads: Threads, { end, ...until }: Until): Promise<Rounds> {
    const loaded: TimedModel[] = [];
    try {
      for (const model of models) loaded.push(await this.clock.load(model, threads));
      const [first, ...others] = loaded;
      const isOver = () => this.elapsed >= end;
      const result = await runRounds(first!, others, { ...until, most: rounds.most, isOver });
      this.runs += result.runs;
      return result;
    } finally {
      for (const model of loaded) await model.close();
    }
  }

  /** Nodes without which the model is faster, with the reason. */
  private losers(judge: (ratio: TimeRatio) => boolean): FloatNodes {
    let floats: FloatNodes = new Map();
    for (const { nodes, without } of this.trials) {
      if (without.ratio < 1 && judge(without)) floats = withNodes(floats, nodes, reasonOf(without));
    }
    return floats;
  }

  /** Float against all on 8 bits, without what certainly loses, and without what seems to lose. */
  private async verdict(all: readonly Node[]): Promise<GateDecision> {
    const { plan, options } = this;
    const choices: FloatNodes[] = [new Map()];
    for (const floats of [this.losers(isCertain), this.losers(isLikely)]) {
      const known = choices.some((other) => [...floats.keys()].every((name) => other.has(name)));
      if (!known) choices.push(floats);
    }
    const models = [await floatForm(plan)];
    for (const floats of choices) models.push(await int8Candidate(plan, floats));
    const seconds = Math.max(options.seconds - this.elapsed, 0) / this.clock.threads.length;
    const affordable = Math.floor(seconds / (models.length * Math.max(this.secondsOfRun, 1e-9)));
    const least = Math.min(rounds.verdictWanted, Math.max(rounds.verdictLeast, affordable));
    const results: Rounds[] = [];
    const compared: Threads[] = [];
    for (const threads of this.clock.threads) {
      if (threads !== 'one' && this.clock.isBusy()) continue;
      compared.push(threads);
      const until = { least, isSettled: isNarrow, end: this.elapsed + seconds };
      results.push(await this.compare(models, threads, until));
    }
    const ratios = choices.map((_, index) => Math.max(...results.map(({ ratios }) => ratios[index]!.ratio)));
    // Nearly the same time: the smaller file.
    const best = Math.min(...ratios);
    const winner = ratios.findIndex((ratio) => ratio <= best * 1.005);
    const gains = best <= worthwhile;
    const floats = gains ? choices[winner]! : withNodes(new Map(), all, noGain(best));
    return {
      floats,
      report: {
        floatMilliseconds: results[0]!.milliseconds,
        threads: compared,
        busy: this.clock.isBusy(),
        before: ratios[0]!,
        after: gains ? ratios[winner]! : 1,
        chosen: !gains ? 'float' : winner === 0 ? 'all-8-bit' : 'some-float',
        regions: this.trials.map(({ nodes, without }) => ({
          nodes: nodes.map((node) => node.name || nameOf(node)),
          ratio: 1 / without.ratio,
          kept: nodes.some((node) => !floats.has(nameOf(node))),
        })),
        untimed: this.untimed,
        measurements: { runs: this.runs, seconds: this.elapsed },
      },
    };
  }
}

const nameOf = (node: Node): string => node.outputs[0]?.name ?? '';

const withNodes = (floats: FloatNodes, nodes: readonly Node[], reason: string): FloatNodes =>
  new Map([...floats, ...nodes.map((node) => [nameOf(node), floats.get(nameOf(node)) ?? reason] as const)]);

const isCertain = ({ low, high }: TimeRatio): boolean => high < 1 || low > 1;

const isLikely = (ratio: TimeRatio): boolean => ratio.ratio < 0.997 || isCertain(ratio);

const isNarrow = ({ low, high }: TimeRatio): boolean => high - low < 0.01;

const isClear = (ratio: TimeRatio): boolean => isCertain(ratio) || isNarrow(ratio);

const reasonOf = ({ ratio }: TimeRatio): string =>
  `on 8 bits it makes the model take ${(1 / ratio).toFixed(3)} times as long`;

const noGain = (ratio: number): string =>
  `the model gains nothing: on 8 bits it takes ${ratio.toFixed(2)} of its float time`;
