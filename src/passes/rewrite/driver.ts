import type { Graph, Node, Value } from '../../ir/graph.js';
import { mergeTypes } from '../../ir/ops/inference/merge.js';
import { typesEqual, type ValueType } from '../../ir/value_type.js';
import { definePass, type Pass, type PassContext } from '../pass.js';
import { matchAt } from './pattern.js';
import { ReplacementBuilder, type Rewrite } from './rewrite.js';

/** A pass that applies rewrites at every node, and again where one made something new to look at. */
export function rewritePass(name: string, summary: string, rewrites: readonly AnyRewrite[]): Pass {
  const byOperator = new Map<string, AnyRewrite[]>();
  for (const rewrite of rewrites) {
    for (const opType of rewrite.pattern.opTypes) {
      const key = `${rewrite.pattern.domain}:${opType}`;
      byOperator.set(key, [...(byOperator.get(key) ?? []), rewrite]);
    }
  }
  return definePass({ name, summary, scope: 'graphs', run: (graph, context) => drive(graph, byOperator, context) });
}

// A rewrite's captures are its own affair: the driver hands them from match to check to rewrite unseen.
// biome-ignore lint/suspicious/noExplicitAny: existential type of the captures
export type AnyRewrite = Rewrite<any>;

/** A rule that keeps making work for itself stops after this many rewrites for each node the graph had. */
const maxRewritesPerNode = 4;

function drive(graph: Graph, rules: ReadonlyMap<string, readonly AnyRewrite[]>, context: PassContext): void {
  let budget = maxRewritesPerNode * graph.nodes.size + 16;
  const again: Node[] = [];
  const visit = (node: Node): void => {
    const domain = node.domain === 'ai.onnx' ? '' : node.domain;
    for (const rewrite of rules.get(`${domain}:${node.opType}`) ?? []) {
      if (!node.attached || budget <= 0) return;
      const made = applyAt(rewrite, node, context);
      if (made === undefined) continue;
      budget -= 1;
      again.push(...made);
    }
  };
  for (const node of graph.nodes) visit(node);
  for (let node = again.pop(); node !== undefined; node = again.pop()) if (node.attached) visit(node);
}

/** Applies one rewrite at `root`. Returns the nodes worth looking at next, or undefined where it did not apply. */
function applyAt(rewrite: AnyRewrite, root: Node, context: PassContext): readonly Node[] | undefined {
  const match: unknown = matchAt(rewrite.pattern, root);
  if (match === undefined) return undefined;
  const decline = (reason: string): undefined =>
    context.decline({ rule: rewrite.name, node: root, reason }) as undefined;
  const reason = rewrite.check(match, context, root);
  if (reason !== undefined) return decline(reason);
  const build = new ReplacementBuilder(context.editor, root.graph, rewrite.name);
  const replacements = rewrite.rewrite(match, build, context, root);
  const mismatch = typeMismatch(root, replacements, context);
  if (mismatch !== undefined) {
    for (const draft of build.drafts) context.editor.discard(draft);
    return decline(mismatch);
  }
  const readers = replacements.flatMap((_, index) => readersOf(root.outputs[index] ?? null));
  for (const draft of build.drafts) context.editor.attach(draft, root);
  for (const [index, replacement] of replacements.entries()) {
    const output = root.outputs[index];
    if (replacement !== null && output != null) splice(output, replacement, context);
  }
  eraseUnread(matchedNodes(root, match), context);
  renameReplacements(root, replacements, build.drafts, context);
  return [...build.drafts, ...readers];
}

/** The first output whose replacement has another type, in words. */
function typeMismatch(
  root: Node,
  replacements: readonly (Value | null)[],
  { inference }: PassContext,
): string | undefined {
  for (const [index, replacement] of replacements.entries()) {
    const output = root.outputs[index];
    if (replacement === null || output == null) continue;
    const before = inference.typeOf(output);
    const after = inference.typeOf(replacement);
    const { conflict } = mergeTypes(after, before);
    if (conflict !== undefined) return `output "${output.name}" would change its type: ${conflict}`;
  }
  return undefined;
}

/** What is known of the old value holds for the new one. */
function splice(output: Value, replacement: Value, { editor, inference }: PassContext): void {
  const known: ValueType | undefined = inference.typeOf(output);
  if (replacement.producer !== null && known !== undefined && !typesEqual(replacement.type, known)) {
    const merged = mergeTypes(inference.typeOf(replacement), known).type;
    editor.setType(replacement, merged);
  }
  editor.replaceAllUses(output, replacement);
}

const readersOf = (output: Value | null): Node[] =>
  output === null ? [] : [...output.uses].flatMap((use) => (use.kind === 'node' ? [use.user] : []));

function matchedNodes(root: Node, match: unknown): Node[] {
  const captured = Object.values(match as Record<string, unknown>).filter(isNode);
  return [...new Set([root, ...captured])].sort((a, b) => b.order - a.order);
}

const isNode = (part: unknown): part is Node =>
  typeof part === 'object' && part !== null && 'kind' in part && part.kind === 'node';

/** The root, and inner nodes that only it read. */
function eraseUnread(nodes: readonly Node[], { editor }: PassContext): void {
  for (const node of nodes) {
    const unread = node.outputs.every((output) => output === null || (output.uses.size === 0 && !output.pinned));
    if (node.attached && unread) editor.eraseNode(node);
  }
}

/** A new value takes the name of the one it stands for, so that names in the file stay meaningful. */
function renameReplacements(
  root: Node,
  replacements: readonly (Value | null)[],
  drafts: readonly Node[],
  { editor }: PassContext,
): void {
  if (root.attached) return;
  for (const [index, replacement] of replacements.entries()) {
    const output = root.outputs[index];
    if (replacement?.producer != null && output != null && drafts.includes(replacement.producer)) {
      editor.renameValue(replacement, output.name);
    }
  }
}
