import { InvariantError } from '../../ir/diagnostic.js';
import { ancestorIn, type Graph, type Node, opsetVersion, rootGraph, type Value } from '../../ir/graph.js';
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
    run: (graph, context) => rewriteGraph(graph, rules, context),
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

/** Applies rules at every node of one graph, and again where one made something new to look at. */
export function rewriteGraph(graph: Graph, rules: RuleIndex, context: PassContext): void {
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
  const results = rewrite.rewrite(match, build, context, root);
  const pairs = replacedPairs(root, results, found.inner);
  const obstacle = typeMismatch(pairs, context) ?? circle(found, build.drafts);
  if (obstacle !== undefined) {
    for (const draft of build.drafts) context.editor.discard(draft);
    return decline(obstacle);
  }
  context.fired(rewrite.name, root);
  const readers = pairs.flatMap(({ output }) => readersOf(output));
  for (const draft of build.drafts) {
    importDomain(draft, context);
    context.editor.attach(draft, root);
  }
  for (const { output, replacement } of pairs) splice(output, replacement, context);
  eraseUnread(nodes, context);
  renameReplacements(pairs, build.drafts, context);
  return [...build.drafts, ...readers];
}

type Found = {
  readonly match: unknown;
  readonly nodes: readonly Node[];
  /** Results of inner nodes that are replaced as well. */
  readonly inner: readonly Value[];
};

type Pair = { readonly output: Value; readonly replacement: Value };

/** What stands for the outputs of the root and, behind them, for the inner results. */
function replacedPairs(root: Node, results: readonly (Value | null)[], inner: readonly Value[]): Pair[] {
  const outputs = [...root.outputs, ...inner];
  return results.flatMap((replacement, index) => {
    const output = outputs[index];
    return replacement === null || output == null ? [] : [{ output, replacement }];
  });
}

/**
 * Where inner results are replaced, what reads them may feed the root itself: the new nodes would wait for themselves.
 * They cannot where they only read what comes before all those readers.
 */
function circle({ nodes, inner }: Found, drafts: readonly Node[]): string | undefined {
  if (inner.length === 0) return undefined;
  const { graph } = nodes[0]!;
  const outside = inner.flatMap(readersOf).filter((reader) => !nodes.includes(reader));
  const orders = outside.map((reader) => ancestorIn(graph, reader)?.order ?? Number.NEGATIVE_INFINITY);
  const first = Math.min(...orders);
  const isBefore = (value: Value | null): boolean => {
    const producer = value?.producer;
    if (producer == null || producer.graph !== graph || drafts.includes(producer)) return true;
    return producer.order < first;
  };
  const late = drafts.flatMap(({ inputs }) => inputs).find((input) => !isBefore(input));
  return late == null ? undefined : `"${late.name}" may depend on a result that is read elsewhere`;
}

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
  const inner = rewrite.replacesInner?.(match) ?? [];
  const obstacle =
    licenceObstacle(rewrite, context) ??
    outerNode(state.nodes) ??
    rewrite.check(match, context, root) ??
    (rewrite.keepsShared ? undefined : sharedNode(state.nodes, inner));
  if (obstacle === undefined) return { match, nodes: state.nodes, inner };
  context.decline({ rule: rewrite.name, node: root, reason: obstacle });
  return undefined;
}

/** What a graph around computes once would be computed wherever the root is, in every turn of a loop. */
const outerNode = ([root, ...inner]: readonly Node[]): string | undefined =>
  inner.some(({ graph }) => graph !== root?.graph) ? 'part of it stands in a graph around' : undefined;

const licenceObstacle = ({ licence }: AnyRewrite, { licences }: PassContext): string | undefined =>
  licences.has(licence) ? undefined : `it needs the licence "${licence}"`;

/** An inner node that something reads which stays: erasing it is not possible, and keeping it saves nothing. */
function sharedNode(nodes: readonly Node[], replaced: readonly Value[]): string | undefined {
  const matched = new Set(nodes);
  for (const node of nodes.slice(1)) {
    for (const output of node.outputs) {
      if (output !== null && replaced.includes(output)) continue;
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
function typeMismatch(pairs: readonly Pair[], { inference }: PassContext): string | undefined {
  for (const { output, replacement } of pairs) {
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
function renameReplacements(pairs: readonly Pair[], drafts: readonly Node[], { editor }: PassContext): void {
  for (const { output, replacement } of pairs) {
    if (replacement.producer === null || output.producer?.attached) continue;
    if (drafts.includes(replacement.producer)) editor.renameValue(replacement, output.name);
  }
}
