import type { Attribute } from '../../ir/attribute.js';
import type { Editor, OutputSpec } from '../../ir/editor.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import type { Tensor } from '../../ir/tensor.js';
import type { Licence, TargetProfile } from '../target_profile.js';
import type { NodePattern } from './pattern.js';

/** What a check may look at: it holds no editor and can only decline. */
export type CheckContext = {
  readonly inference: Inference;
  readonly target: TargetProfile;
  readonly maxGrowthBytes: number;
  readonly licences: ReadonlySet<Licence>;
};

export type NodeOptions = {
  readonly attributes?: readonly Attribute[];
  readonly domain?: string;
  readonly name?: string;
  readonly outputs?: number | readonly (OutputSpec | null)[];
};

/** Builds replacement nodes that stand nowhere until the driver puts them in. */
export class ReplacementBuilder {
  private readonly editor: Editor;
  private readonly graph: Graph;
  private readonly rule: string;
  private readonly nodes: Node[] = [];

  constructor(editor: Editor, graph: Graph, rule: string) {
    this.editor = editor;
    this.graph = graph;
    this.rule = rule;
  }

  get drafts(): readonly Node[] {
    return this.nodes;
  }

  /** A node with one output unless told; its first output value. */
  op(opType: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Value {
    return this.node(opType, inputs, options).outputs[0]!;
  }

  /** A node with one output unless told. */
  node(opType: string, inputs: readonly (Value | null)[], options: NodeOptions = {}): Node {
    const node = this.editor.draft({
      graph: this.graph,
      opType,
      inputs,
      domain: options.domain ?? '',
      name: options.name ?? '',
      outputs: options.outputs ?? 1,
      attributes: options.attributes ?? [],
      provenance: [this.rule],
    });
    this.nodes.push(node);
    return node;
  }

  constant(tensor: Tensor, name = ''): Value {
    return this.editor.draftConstant(this.graph, tensor, name);
  }
}

export type Rewrite<C = unknown> = {
  readonly name: string;
  /** `before => after` */
  readonly summary: string;
  readonly licence: Licence;
  /** The opset of the default domain that the replacement needs, where the pattern is found in older ones too. */
  readonly opset?: number;
  /** Matched nodes that others read too stay beside the replacement; unless told, they are a reason to decline. */
  readonly keepsShared?: boolean;
  /** Matched at the node whose outputs are replaced. */
  readonly pattern: NodePattern<C>;
  /** Results of matched inner nodes that others may read: they are replaced too, by what `rewrite` returns behind the root's. */
  replacesInner?(match: C): readonly Value[];
  /** Why this match must be left alone, or undefined. */
  check(match: C, context: CheckContext, root: Node): string | undefined;
  /** Replacements of the root's outputs and of the inner results, in order; null leaves one as it is. */
  rewrite(match: C, build: ReplacementBuilder, context: CheckContext, root: Node): readonly (Value | null)[];
};

export const defineRewrite = <C>(rewrite: Rewrite<C>): Rewrite<C> => rewrite;
