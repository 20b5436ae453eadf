/** A model that is loaded, and the milliseconds of one run of it. */
export type TimedModel = {
  run(): Promise<number>;
  close(): Promise<void>;
};

/** How a model's time relates to another's that ran in the same rounds. */
export type TimeRatio = {
  /** Median over the rounds of this time divided by the first model's in the same round. */
  readonly ratio: number;
  /** The median lies between these with a probability of about 99 %, whatever the distribution. */
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
};

export type RoundOptions = {
  /** Rounds that are run in any case. */
  readonly least: number;
  readonly most: number;
  /** Whether a model need not run in further rounds. */
  isSettled(ratio: TimeRatio): boolean;
  /** Whether no further round may begin. */
  isOver(): boolean;
};

export type Rounds = {
  /** Median milliseconds of the first model. */
  readonly milliseconds: number;
  /** One for each of the others. */
  readonly ratios: readonly TimeRatio[];
  readonly runs: number;
};

const warmup = 2;

/** Runs models in turn until each ratio to the first is settled or time is over. */
export async function runRounds(
  first: TimedModel,
  others: readonly TimedModel[],
  { least, most, isSettled, isOver }: RoundOptions,
): Promise<Rounds> {
  const models = [first, ...others];
  for (let run = 0; run < warmup; run += 1) for (const model of models) await model.run();
  let runs = warmup * models.length;
  const times: number[][] = models.map(() => []);
  const [base] = times as [number[]];
  let open = models.map((_, index) => index);
  while (open.length > 1 && base.length < most && (base.length < least || !isOver())) {
    // What ran before is in the caches; no model always follows the same one.
    const turn = base.length % open.length;
    for (const index of [...open.slice(turn), ...open.slice(0, turn)]) times[index]!.push(await models[index]!.run());
    runs += open.length;
    if (base.length >= least) open = open.filter((at) => at === 0 || !isSettled(timeRatio(times[at]!, base)));
  }
  return { milliseconds: median(base), ratios: times.slice(1).map((own) => timeRatio(own, base)), runs };
}

/** Of times and those of the first model in the same rounds; the interval is that of the sign test. */
export function timeRatio(times: readonly number[], base: readonly number[]): TimeRatio {
  const ratios = times.map((time, round) => time / base[round]!).sort((a, b) => a - b);
  const count = ratios.length;
  const reach = Math.max(0, Math.floor((count - 2.58 * Math.sqrt(count)) / 2));
  return { ratio: median(ratios), low: ratios[reach]!, high: ratios[count - 1 - reach]!, rounds: count };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
