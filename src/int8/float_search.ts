import { type Tolerance, tolerances, toleranceViolation } from '../evaluate/tolerance.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { chooseFloats, type LayerNoise } from './float_search_choice.js';
import { type FloatNodes, int8Candidate } from './int8_candidate.js';
import type { Int8Plan } from './quantize_int8.js';
import { type LayerSensitivity, measureLayers } from './sensitivity.js';
import {
  type Accuracy,
  type AccuracyOptions,
  type AccuracyProbe,
  openAccuracyProbe,
  sqnrOf,
} from './sensitivity_probe.js';

/** How true int8 has to stay, and how long to look for the layers to leave in float. */
export type AccuracyBar = AccuracyOptions & {
  /** Least SQNR of every output against float, in dB. */
  readonly minSqnr?: number;
  /** How much lower than float's the metric may be, in its own unit: of `top1`, 0.005 is half a percentage point. */
  readonly maxDrop?: number;
  /** Models to measure at most after those that rank the layers; 40 unless told. */
  readonly maxEvaluations?: number;
};

export type FloatSearchStep = {
  readonly step: 'all on 8 bits' | 'fewer' | 'given back';
  /** Layers in float. */
  readonly floats: number;
  /** Of the multiply-accumulates and element operations of all layers, the share in float. */
  readonly costShare: number;
  /** Of the worst output, in dB. */
  readonly sqnr: number;
  readonly metric?: number;
  /** Whether that is as true as was asked for. */
  readonly reached: boolean;
};

/** How layers were found that stay in float. */
export type FloatSearch = {
  readonly samples: number;
  readonly metric?: { readonly name: string; readonly float: number };
  readonly layers: readonly { readonly node: string; readonly operator: string; readonly sqnr: number }[];
  readonly steps: readonly FloatSearchStep[];
  /** Models measured to rank the layers. */
  readonly ranked: number;
};

const defaultMaxEvaluations = 40;

/** A ranking needs fewer samples than a metric. */
const rankingSamples = 32;

/**
 * Finds the cheapest layers to leave in float so that the answers are as true as asked for: layers are ranked by the
 * error that each causes alone; sets of them chosen as if errors added up; every set is measured before it counts; and
 * at last each layer is tried on 8 bits again.
 * @throws DiagnosticError `quantize/accuracy-not-reached`, and what the samples and the metric report.
 */
export async function searchFloats(plan: Int8Plan): Promise<{ floats: FloatNodes; search?: FloatSearch }> {
  const { minSqnr, maxDrop, metric, ...rest } = plan.quantization ?? {};
  const isAsked = minSqnr !== undefined || maxDrop !== undefined;
  if (!isAsked || plan.placement.computes.length === 0) return { floats: new Map() };
  // What labels bring along has to be scored by something.
  const scored = metric ?? (maxDrop === undefined ? undefined : 'top1');
  const probe = await openAccuracyProbe(plan, { ...rest, ...(scored && { metric: scored }) });
  try {
    return await new Search(plan, probe).run();
  } finally {
    await probe.close();
  }
}

/** A set of layers in float that was measured. */
type Tried = { readonly floats: ReadonlySet<number>; readonly accuracy: Accuracy; readonly reached: boolean };

class Search {
  private layers: readonly LayerSensitivity[] = [];
  private noise: readonly LayerNoise[] = [];
  private readonly steps: FloatSearchStep[] = [];
  private readonly tried = new Map<string, Tried>();
  private readonly most: number;
  private readonly tolerance: Tolerance;

  constructor(
    private readonly plan: Int8Plan,
    private readonly probe: AccuracyProbe,
  ) {
    const { minSqnr, maxEvaluations = defaultMaxEvaluations } = plan.quantization ?? {};
    this.most = maxEvaluations;
    this.tolerance = { ...tolerances.int8, ...(minSqnr !== undefined && { minSqnr }) };
  }

  async run(): Promise<{ floats: FloatNodes; search: FloatSearch }> {
    const plain = await this.measure('all on 8 bits', new Set());
    if (plain!.reached) return this.result(plain!);
    this.layers = await measureLayers(this.plan, this.probe, rankingSamples);
    this.noise = this.layers.map(({ accuracy, cost }) => ({ noise: accuracy.outputs.map(noiseOf), cost }));
    this.plan.onProgress?.stage?.('searching layers for float');
    const found = await this.narrow(plain!);
    if (found === undefined) throw this.notReached();
    return this.result(await this.giveBack(found));
  }

  /**
   * Tightens what the noise may add up to, as predicted, until a measured set is good; then looks between the last that
   * was not and the first that was.
   */
  private async narrow(plain: Tried): Promise<Tried | undefined> {
    const base = plain.accuracy.outputs.map(({ error }) => allowedNoise(error.discreteMismatches > 0, this.tolerance));
    const at = (decibels: number) =>
      chooseFloats(
        this.noise,
        base.map((each) => each * 10 ** (-decibels / 10)),
      );
    let [bad, step] = [this.slack(base), 1];
    let good: number | undefined;
    let found: Tried | undefined;
    // A third of the measurements is kept for giving back.
    const most = Math.ceil((this.most * 2) / 3);
    const measured = () => this.steps.length;
    let next = this.plan.quantization?.minSqnr === undefined ? bad + 3 : Math.max(0, bad + 1);
    while (good === undefined && measured() < most) {
      const floats = at(next);
      if (this.leavesNothing(floats)) {
        good = next;
        break;
      }
      const tried = await this.measure('fewer', floats);
      if (tried?.reached) [good, found] = [next, tried];
      else [bad, next, step] = [next, next + step, step * 2];
    }
    while (good !== undefined && good - bad > 0.25 && measured() < most) {
      const middle = (bad + good) / 2;
      const floats = at(middle);
      const tried = this.leavesNothing(floats) ? undefined : await this.measure('fewer', floats);
      if (tried?.reached && (found === undefined || this.costOf(tried.floats) <= this.costOf(found.floats)))
        found = tried;
      if (tried === undefined || tried.reached) good = middle;
      else bad = middle;
    }
    return found;
  }

  /** Returns layers to 8 bits one by one, the dearest first, as long as the answers stay true. */
  private async giveBack(found: Tried): Promise<Tried> {
    let best = found;
    const dearest = [...found.floats].sort((a, b) => this.layers[b]!.cost - this.layers[a]!.cost || a - b);
    for (const layer of dearest) {
      const floats = new Set(best.floats);
      floats.delete(layer);
      if (floats.size === 0) break;
      const tried = await this.measure('given back', floats);
      if (tried?.reached) best = tried;
    }
    return best;
  }

  /** undefined where nothing may be measured any more. */
  private async measure(step: FloatSearchStep['step'], floats: ReadonlySet<number>): Promise<Tried | undefined> {
    const key = [...floats].sort((a, b) => a - b).join();
    const known = this.tried.get(key);
    if (known !== undefined || this.steps.length >= this.most) return known;
    const accuracy = await this.probe.measure(await int8Candidate(this.plan, this.floatNodes(floats)));
    const tried: Tried = { floats, accuracy, reached: this.isReached(accuracy) };
    this.tried.set(key, tried);
    const { sqnr, metric } = accuracy;
    this.steps.push({
      step,
      floats: floats.size,
      costShare: this.costOf(floats) / this.costOf(new Set(this.layers.keys())) || 0,
      sqnr,
      ...(metric !== undefined && { metric }),
      reached: tried.reached,
    });
    this.plan.onProgress?.sample?.(this.steps.length, this.most);
    return tried;
  }

  private isReached({ outputs, metric }: Accuracy): boolean {
    const { maxDrop } = this.plan.quantization ?? {};
    const isTrue = outputs.every(
      ({ error, difference }) => difference === undefined && toleranceViolation(error, this.tolerance) === undefined,
    );
    if (!isTrue || maxDrop === undefined) return isTrue;
    // A drop of two shares of the samples is no round number.
    return this.probe.metric!.float - metric! <= maxDrop + 1e-9;
  }

  /** By how many decibels the predicted noise of all layers is under what is allowed; negative where it is over. */
  private slack(base: readonly number[]): number {
    const margins = base.map((allowed, output) => {
      const sum = this.noise.reduce((total, { noise }) => total + noise[output]!, 0);
      return sum === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(allowed / sum);
    });
    const least = Math.min(...margins);
    return Number.isFinite(least) ? least : 0;
  }

  private leavesNothing(floats: ReadonlySet<number>): boolean {
    return this.layers.every(({ computes }, index) => !computes || floats.has(index));
  }

  private costOf(floats: ReadonlySet<number>): number {
    return [...floats].reduce((sum, index) => sum + this.layers[index]!.cost, 0);
  }

  private floatNodes(floats: ReadonlySet<number>): FloatNodes {
    const layers = [...floats].map((index) => this.layers[index]!);
    return new Map(
      layers.map(({ output, accuracy }) => [
        output,
        `accuracy: alone on 8 bits it leaves ${formatDecibels(accuracy.sqnr)}`,
      ]),
    );
  }

  private result({ floats }: Tried): { floats: FloatNodes; search: FloatSearch } {
    const { samples, metric } = this.probe;
    const layers = [...floats].sort((a, b) => a - b).map((index) => this.layers[index]!);
    return {
      floats: this.floatNodes(floats),
      search: {
        samples,
        ...(metric && { metric }),
        layers: layers.map(({ node, output, accuracy }) => ({
          node: node.name || output,
          operator: node.opType,
          sqnr: accuracy.sqnr,
        })),
        steps: this.steps,
        ranked: this.layers.length,
      },
    };
  }

  private notReached(): DiagnosticError {
    const { minSqnr, maxDrop } = this.plan.quantization ?? {};
    const asked = [
      ...(minSqnr === undefined ? [] : [`${minSqnr} dB`]),
      ...(maxDrop === undefined ? [] : [`a drop of at most ${maxDrop}`]),
    ].join(' and ');
    const [first, ...others] = this.tried.values();
    const best = others.reduce((a, b) => (this.isCloser(b.accuracy, a.accuracy) ? b : a), first!);
    const { sqnr, metric } = best.accuracy;
    const { float } = this.probe.metric ?? {};
    const drop = float === undefined || metric === undefined ? '' : ` and a drop of ${(float - metric).toPrecision(3)}`;
    return new DiagnosticError({
      code: 'quantize/accuracy-not-reached',
      message:
        `${asked} is not reached as long as any layer runs on 8 bits: the best of ${this.steps.length} models measured, ` +
        `with ${best.floats.size} of ${this.layers.length} layers in float, has ${formatDecibels(sqnr)}${drop}`,
      help: 'Ask for less, allow more with --max-evaluations, or try another --calibrator or more samples',
    });
  }

  private isCloser(a: Accuracy, b: Accuracy): boolean {
    if (a.metric !== undefined && b.metric !== undefined && a.metric !== b.metric) return a.metric > b.metric;
    return a.sqnr > b.sqnr;
  }
}

/** The share of an output that is error: of its energy, or of elements that are no floats; at most so much. */
function noiseOf(output: Accuracy['outputs'][number]): number {
  const { discreteMismatches, elements } = output.error;
  if (discreteMismatches > 0) return discreteMismatches / elements;
  return Math.min(10 ** (-sqnrOf(output) / 10), 1e6);
}

const allowedNoise = (isDiscrete: boolean, { minSqnr = 0, discrete }: Tolerance): number =>
  isDiscrete ? discrete : 10 ** (-minSqnr / 10);

export const formatDecibels = (decibels: number): string =>
  Number.isFinite(decibels) ? `${decibels.toFixed(1)} dB` : decibels > 0 ? 'no error' : 'no comparable answer';
