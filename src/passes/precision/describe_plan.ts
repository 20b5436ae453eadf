import type { Model, Node } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { castsAt, isHalfIn, type Party } from './cast_sites.js';
import { sitesOf } from './count_casts.js';
import type { PrecisionPlan } from './precision_plan.js';

/** Nodes in float that values join, among nodes in half. */
export type FloatIsland = {
  readonly nodes: readonly Node[];
  /** Why they are in float: each reason once, those of nodes that only join their neighbours last. */
  readonly reasons: readonly string[];
  /** Casts at its shore. A cast that two islands share counts for the first. */
  readonly casts: number;
};

export type PlanIslands = {
  readonly islands: readonly FloatIsland[];
  /** Casts where the model's inputs and outputs keep their type, or some other value does, and no island is near. */
  readonly elsewhere: number;
};

/** The float islands of a plan, in the order of the model, and what each costs. */
export function floatIslands(plan: PrecisionPlan, model: Model, inference: Inference): PlanIslands {
  const isHalf = isHalfIn(plan);
  const sites = sitesOf(plan, model, inference);
  const parent = new Map<Node, Node>();
  const rootOf = (node: Node): Node => {
    let root = node;
    for (let next = parent.get(root); next !== undefined && next !== root; next = parent.get(root)) root = next;
    parent.set(node, root);
    return root;
  };
  const floatNodes = (parties: Iterable<Party | null>): Node[] =>
    Array.from(parties).filter((party): party is Node => party?.kind === 'node' && !isHalf(party));
  // Nodes without a half form are no parties, and belong to islands all the same.
  const nodesAt = sites.map(({ value, stored, readers }) => {
    const users = Array.from(value.uses, (use) => (use.kind === 'node' ? use.user : null));
    return floatNodes([stored, value.producer, ...readers, ...users]);
  });
  for (const nodes of nodesAt) {
    const [first, ...others] = nodes;
    for (const other of others) parent.set(rootOf(other), rootOf(first!));
  }
  const members = new Map<Node, Node[]>();
  for (const [node, { type }] of plan.nodes) {
    if (type === 'half') continue;
    const root = rootOf(node);
    members.set(root, [...(members.get(root) ?? []), node]);
  }
  const casts = new Map<Node, number>();
  let elsewhere = 0;
  for (const [index, site] of sites.entries()) {
    const count = castsAt(site, isHalf);
    const [near] = nodesAt[index]!;
    if (near === undefined) elsewhere += count;
    else casts.set(rootOf(near), (casts.get(rootOf(near)) ?? 0) + count);
  }
  const islands = [...members].map(([root, nodes]) => ({
    nodes,
    reasons: reasonsOf(nodes, plan),
    casts: casts.get(root) ?? 0,
  }));
  return { islands, elsewhere };
}

function reasonsOf(nodes: readonly Node[], plan: PrecisionPlan): string[] {
  const reasons = [...new Set(nodes.map((node) => plan.nodes.get(node)!.reason))];
  const joins = (reason: string): boolean => reason.startsWith('it joins');
  return [...reasons.filter((reason) => !joins(reason)), ...reasons.filter(joins)];
}

/** A table for people: islands that are alike share a line. */
export function describePlan(plan: PrecisionPlan, model: Model, inference: Inference): string {
  const { islands, elsewhere } = floatIslands(plan, model, inference);
  const rows = new Map<string, { islands: number; nodes: number; casts: number; what: string; reason: string }>();
  for (const island of islands) {
    const what = [...new Set(island.nodes.map(({ opType }) => opType))].join(', ');
    // Names differ between islands that are alike.
    const reason = island.reasons[0]!.replaceAll(/ ?\(?"[^"]*"\)?/g, '');
    const row = rows.get(`${what}\n${reason}`) ?? { islands: 0, nodes: 0, casts: 0, what, reason };
    row.islands += 1;
    row.nodes += island.nodes.length;
    row.casts += island.casts;
    rows.set(`${what}\n${reason}`, row);
  }
  const lines = [['islands', 'nodes', 'casts', 'operators', 'reason']];
  for (const row of rows.values()) {
    lines.push([String(row.islands), String(row.nodes), String(row.casts), shortened(row.what), row.reason]);
  }
  if (elsewhere > 0) lines.push(['', '', String(elsewhere), '', 'inputs and outputs that keep their type']);
  const half = Array.from(plan.nodes.values()).filter(({ type }) => type === 'half').length;
  const total = islands.reduce((sum, { casts }) => sum + casts, elsewhere);
  const head = `${half} of ${plan.nodes.size} nodes in ${plan.half}, ${total} casts`;
  return `${head}\n${aligned(lines)}\n`;
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);

/** Numbers to the right, words to the left. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) =>
    column < 3 ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
