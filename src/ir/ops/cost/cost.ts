import type { Expr } from '../../dim.js';
import type { Shape } from '../../value_type.js';
import type { InferenceContext } from '../inference/context.js';
import type { Inference } from '../inference/inference.js';

/** A count as an expression over the symbols of the model's inputs; undefined where it is not known. */
export type Count = Expr | undefined;

/**
 * What one run of a node takes, as its operator is defined and not as some kernel computes it.
 *
 * - `macs`: multiplications whose product is added to a sum: one a weight that meets an element, padding and masked
 *   positions included.
 * - `elementOps`: the other operations on numbers, each of + − × ÷, a comparison with the choice that follows from it,
 *   a conversion, or one call of a function such as exp, log, sqrt, tanh or erf.
 * - `bytesRead`: of every input once, however often a kernel reads it, weights included; only what is picked of the
 *   data of Gather, Slice and their like.
 * - `bytesWritten`: of every output. Elements below 8 bits are packed. Views (Reshape, Squeeze, Unsqueeze, Flatten,
 *   Identity) and constants move nothing, since runtimes let the result share the input's memory.
 */
export type NodeCost = {
  readonly macs: Count;
  readonly elementOps: Count;
  readonly bytesRead: Count;
  readonly bytesWritten: Count;
};

export const costMetrics = ['macs', 'elementOps', 'bytesRead', 'bytesWritten'] as const;

export type CostMetric = (typeof costMetrics)[number];

export const unknownCost: NodeCost = {
  macs: undefined,
  elementOps: undefined,
  bytesRead: undefined,
  bytesWritten: undefined,
};

/** A node to be priced: its inputs and attributes through `input`, and what is inferred of its outputs. */
export type CostContext = {
  readonly input: InferenceContext;
  readonly inference: Inference;
  /** The shape of an output; undefined where it is left out or not known. */
  output(index: number): Shape | undefined;
};

/** What an operator computes. Without `bytes`, every input is read in full and every output written. */
export type Work = {
  readonly macs: Count;
  readonly elementOps: Count;
  readonly bytes?: { readonly read: Count; readonly written: Count };
};

/** Prices one operator in all its versions. Must not throw for anything a model can hold. */
export type CostRule = (context: CostContext) => Work;

/** Rules of a family, by operator type; those of other domains as `domain:Operator`. */
export type CostRules = Readonly<Record<string, CostRule>>;
