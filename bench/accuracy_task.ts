import type { OrtSession } from '../src/backends/ort/session.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import type { Model } from '../src/ir/graph.js';
import type { Tensor } from '../src/ir/tensor.js';

/** What a model said of one item, by output name. */
export type Answer = ReadonlyMap<string, Tensor>;

export type Score = { readonly good: number; readonly of: number };

/** One thing that is answered: a batch of digits, a line, a recording, a scene. */
export type AccuracyItem = {
  answer(session: OrtSession): Promise<Answer>;
  /** Against what is truly there, and against what float answers. */
  judge(answer: Answer, float: Answer): { readonly right: Score; readonly agrees: Score };
};

export type AccuracyTask = {
  /** Also the folder of its samples and of another tool's models. */
  readonly name: string;
  readonly title: string;
  /** What `right` counts, and what `agrees` counts. */
  readonly metrics: { readonly right: string; readonly agrees: string };
  /** A file, or what is made of one. */
  readonly model: string | (() => Promise<Model>);
  /** What ranges are found with; nothing of it is among the items. `model` is the float file. */
  calibration(smoke: boolean, model: string): Promise<readonly Feeds[]>;
  items(smoke: boolean): Promise<readonly AccuracyItem[]>;
};
