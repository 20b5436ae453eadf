import type { Model } from '../ir/graph.js';
import type { Tensor } from '../ir/tensor.js';

/** A model ready to run. Handed in by a backend, so that calibration needs no runtime of its own. */
export type RunningModel = {
  /** Runs once; results by output name, all of them or those wanted. */
  run(feeds: ReadonlyMap<string, Tensor>, wanted?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>;
  close(): Promise<void>;
};

/** Loads a model. `optimize` off keeps every value as the graph states it. */
export type ModelRunner = (model: Model, options?: { readonly optimize?: boolean }) => Promise<RunningModel>;
