import type { Diagnostic } from '../ir/diagnostic.js';
import type { Editor } from '../ir/editor.js';
import type { Graph, Model, Node } from '../ir/graph.js';
import type { Inference } from '../ir/ops/inference/inference.js';
import type { Tensor } from '../ir/tensor.js';
import type { Licence, TargetProfile } from './target_profile.js';

/**
 * Computes a model that has no inputs: the results of its outputs, by name. Handed in by whoever has a runtime;
 * constant folding evaluates through it.
 * @throws DiagnosticError where the runtime cannot run the model.
 */
export type Evaluator = (model: Model) => Promise<ReadonlyMap<string, Tensor>>;

/** A rule looked at a node and left it alone, and why. */
export type Decline = { readonly rule: string; readonly node: Node; readonly reason: string };

/** What a rule did at a node. `near`: much of its pattern was there; the reason says what was not. */
export type RuleEvent = {
  readonly kind: 'fired' | 'declined' | 'near';
  readonly rule: string;
  /** Names of graph and node, as they were then. */
  readonly where: string;
  readonly reason?: string;
};

export type PassContext = {
  readonly model: Model;
  readonly editor: Editor;
  readonly inference: Inference;
  readonly target: TargetProfile;
  /** Without one, constants that need a runtime stay as they are. */
  readonly evaluate?: Evaluator;
  /** Bytes that constant folding may add to the model in all. */
  readonly maxGrowthBytes: number;
  /** Which numbers a floating-point computation may be rewritten into. */
  readonly licences: ReadonlySet<Licence>;
  report(diagnostic: Diagnostic): void;
  decline(decline: Decline): void;
  /** Says that a rule rewrote something at a node, which may be gone by now. */
  fired(rule: string, node: Node): void;
  /** Given only where somebody wants to hear of near misses, which cost time to describe. */
  nearMiss?(decline: Decline): void;
};

export type Pass = {
  /** verb-object, kebab-case */
  readonly name: string;
  /** `before => after` */
  readonly summary: string;
  /**
   * `graphs`: `run` is called for every graph of the model, subgraphs and function bodies included, inner ones first.
   * `model`: once, with the main graph.
   */
  readonly scope: 'graphs' | 'model';
  /** The rules it applies, for listings; a pass without has one rule of its own name. */
  readonly rewrites?: readonly { readonly name: string; readonly summary: string; readonly licence: Licence }[];
  run(graph: Graph, context: PassContext): void | Promise<void>;
};

export const definePass = (pass: Pass): Pass => pass;
