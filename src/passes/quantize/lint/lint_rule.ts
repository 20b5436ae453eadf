import type { Editor } from '../../../ir/editor.js';
import type { Graph, Model, Node } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import type { QuantizationScheme, TargetProfile } from '../../target_profile.js';

/** What a rule found in a graph. */
export type Finding = {
  readonly node: Node;
  /** What is the matter, and what it costs. */
  readonly why: string;
  /** What to do about it. */
  readonly mend: string;
  readonly fix?: Fix;
};

/**
 * A mend that can be applied. `exact`: the same results. `harmless`: results as close to the float model, or closer.
 */
export type Fix = {
  readonly kind: 'exact' | 'harmless';
  apply(editor: Editor): void;
};

export type LintContext = {
  readonly model: Model;
  readonly target: TargetProfile;
  readonly scheme: QuantizationScheme;
  readonly inference: Inference;
};

/** A rule of the target's that Q/DQ pairs may break. */
export type LintRule = {
  /** Stable: `lint/…` */
  readonly code: string;
  readonly summary: string;
  /** What breaks the rule in one graph. Rules that a target's scheme does not have find nothing. */
  find(graph: Graph, context: LintContext): Iterable<Finding>;
};

export const defineLintRule = (rule: LintRule): LintRule => rule;

export const isStandard = (node: Node): boolean => node.domain === '' || node.domain === 'ai.onnx';

/** The role of a node in a scheme, undefined for operators of other domains. */
export const roleOf = (node: Node, { roles }: QuantizationScheme) =>
  isStandard(node) ? roles[node.opType] : undefined;

export const isLayer = (node: Node | null | undefined, scheme: QuantizationScheme): node is Node =>
  node != null && (roleOf(node, scheme)?.startsWith('compute') ?? false);
