import type { Node, Value } from '../../../ir/graph.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import type { Spelling } from './spelling.js';

/** Builds what stands for the outputs of a node, in order; null: an output that nothing reads. */
export type Spell = (spelling: Spelling) => readonly (Value | null)[];

/** An operator that other operators spell exactly. */
export type Unfusing = {
  /** '' for the default domain. */
  readonly domain: string;
  readonly opType: string;
  /** The opset that its spelling needs, where that is not any. */
  readonly since?: number;
  /** How this node is spelled, or why it is not. */
  plan(node: Node, context: CheckContext): Spell | string;
};

/** Whether anything needs an output of a node. */
export const isRead = (node: Node, index: number): boolean => {
  const output = node.outputs[index];
  return output != null && (output.uses.size > 0 || output.pinned);
};

export const inputOf = (node: Node, index: number): Value | null => node.inputs[index] ?? null;
