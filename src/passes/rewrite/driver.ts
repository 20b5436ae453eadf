import { InvariantError } from '../../ir/diagnostic.js';
import { type Graph, type Node, opsetVersion, rootGraph, type Value } from '../../ir/graph.js';
import { mergeTypes } from '../../ir/ops/inference/merge.js';
import { latestOpset } from '../../ir/ops/operator_schema.js';
import { typesEqual, type ValueType } from '../../ir/value_type.js';
import { definePass, type Pass, type PassContext } from '../pass.js';
import { MatchState } from './match_state.js';
import { matchAt } from './pattern.js';
import { ReplacementBuilder, type Rewrite } from './rewrite.js';

/** A pass that applies rewrites at every node, and again where one made something new to look at. */
export function rewritePass(name: string, summary: string, rewrites: readonly AnyRewrite[]): Pass {
  const rules = rulesByOperator(rewrites);
  return definePass({
    name,
    summary,
    scope: 'graphs',
    rewrites,
    run: (graph, context) => drive(graph, rules, context),
  });
}

export type RuleIndex = (node: Node) => readonly AnyRewrite[];

/** The rules whose root a node can be, in the order given. */
export function rulesByOperator(rewrites: readonly AnyRewrite[]): RuleIndex {
  const byOperator = new Map<string, AnyRewrite[]>();
  for (const rewrite of rewrites) {
    for (const opType of rewrite.pattern.opTypes) {
      const key = `${rewrite.pattern.domain}:${opType}`;
      byOperator.set(key, [...(byOperator.get(key) ?? []), rewrite]);
    }
  }
  return ({ domain, opType }) => byOperator.get(`${domain === 'ai.onnx' ? '' : domain}:${opType}`) ?? [];
}

// A rewrite's captures are its own affair: the driver hands them from match to check to rewrite unseen.
// biome-ignore lint/suspicious/noExplicitAny: existential type of the captures
export type AnyRewrite = Rewrite<any>;

/** A rule that keeps making work for itself stops after this many rewrites for each node the graph had. */
const maxRewritesPerNode = 4;

function drive(graph: Graph, rules: RuleIndex, context: PassContext): void {
  let budget = maxRewritesPerNode * graph.nodes.size + 16;
  const again: Node[] = [];
  const visit = (node: Node): void => {
    for (const rewrite of rules(node)) {
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
  const found = findAt(rewrite, root, context);
  if (found === undefined) return undefined;
  const decline = (reason: string): undefined =>
    context.decline({ rule: rewrite.name, node: root, reason }) as undefined;
  const { match, nodes } = found;
  if (rewrite.opset !== undefined && rewrite.opset > (opsetVersion(root.graph, '') ?? rewrite.opset)) {
    return decline(`it needs opset ${rewrite.opset}`);
  }
  const build = new ReplacementBuilder(context.editor, root.graph, rewrite.name);
  const replacements = rewrite.rewrite(match, build, context, root);
  const mismatch = typeMismatch(root, replacements, context);
  if (mismatch !== undefined) {
    for (const draft of build.drafts) context.editor.discard(draft);
    return decline(mismatch);
  }
  context.fired(rewrite.name, root);
  const readers = replacements.flatMap((_, index) => readersOf(root.outputs[index] ?? null));
  for (const draft of build.drafts) {
    importDomain(draft, context);
    context.editor.attach(draft, root);
  }
  for (const [index, replacement] of replacements.entries()) {
    const output = root.outputs[index];
    if (replacement !== null && output != null) splice(output, replacement, context);
  }
  eraseUnread(nodes, context);
  renameReplacements(root, replacements, build.drafts, context);
  return [...build.drafts, ...readers];
}

type Found = { readonly match: unknown; readonly nodes: readonly Node[] };

/** A node of a domain that nothing used so far needs its import; functions have imports of their own. */
function importDomain({ graph, domain }: Node, { editor }: PassContext): void {
  if (opsetVersion(graph, domain) !== undefined) return;
  const version = latestOpset(domain);
  if (version === undefined) throw new InvariantError(`no opset of the domain "${domain}" is known`);
  editor.setOpsetImport(domain, version, rootGraph(graph).ownerFunction);
}

/** A match at `root` that nothing speaks against but, it may be, the opset. */
export function findAt(rewrite: AnyRewrite, root: Node, context: PassContext): Found | undefined {
  const state = new MatchState(context.inference);
  const match: unknown = matchAt(rewrite.pattern, root, state);
  if (match === undefined) {
    tellNearMiss(rewrite, root, state, context);
    return undefined;
  }
  const obstacle =
    licenceObstacle(rewrite, context) ??
    rewrite.check(match, context, root) ??
    (rewrite.keepsShared ? undefined : sharedNode(state.nodes));
  if (obstacle === undefined) return { match, nodes: state.nodes };
  context.decline({ rule: rewrite.name, node: root, reason: obstacle });
  return undefined;
}

const licenceObstacle = ({ licence }: AnyRewrite, { licences }: PassContext): string | undefined =>
  licences.has(licence) ? undefined : `it needs the licence "${licence}"`;

/** An inner node that something reads which stays: erasing it is not possible, and keeping it saves nothing. */
function sharedNode(nodes: readonly Node[]): string | undefined {
  const matched = new Set(nodes);
  for (const node of nodes.slice(1)) {
    for (const output of node.outputs) {
      for (const use of output?.uses ?? []) {
        if (use.kind === 'node' && matched.has(use.user)) continue;
        return `"${output?.name}" is read elsewhere`;
      }
    }
  }
  return undefined;
}

function tellNearMiss(rewrite: AnyRewrite, root: Node, state: MatchState, context: PassContext): void {
  const miss = context.nearMiss === undefined ? undefined : state.nearMiss;
  if (miss === undefined || miss.matched < 2 || miss.matched * 2 < rewrite.pattern.size) return;
  context.nearMiss?.({ rule: rewrite.name, node: root, reason: miss.reason });
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

/** The root, and inner nodes that only it read. */
function eraseUnread(nodes: readonly Node[], { editor }: PassContext): void {
  for (const node of [...new Set(nodes)].sort((a, b) => b.order - a.order)) {
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
