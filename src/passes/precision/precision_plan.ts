import type { Node, OutputSlot, Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';

/** What a node computes its floats in, and why. `half`: the 16-bit type of the plan. */
export type NodePrecision = { readonly type: 'float' | 'half'; readonly reason: string };

/** Which type every float of a model gets, decided before anything is rewritten. */
export type PrecisionPlan = {
  readonly half: HalfType;
  /** Of all graphs of the model, each node that reads or writes float32. */
  readonly nodes: ReadonlyMap<Node, NodePrecision>;
  /** Float32 inputs and outputs of the main graph that get the half type; the others stay as they are. */
  readonly inputs: ReadonlySet<Value>;
  readonly outputs: ReadonlySet<OutputSlot>;
};
