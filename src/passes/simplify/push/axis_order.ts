import { constantTensor } from '../../../ir/constant.js';
import type { Graph, Node, Use, Value } from '../../../ir/graph.js';
import type { PassContext } from '../../pass.js';
import { permutationOf } from '../merges/merge_transposes.js';
import { compose, identity, inverse, isIdentity, type Permutation } from './permutation.js';
import { transposeNode } from './transposable.js';
import type { TransposedNode } from './transposed_node.js';

/** What a value is once the Transposes before it are seen through: Transpose(root, perm). */
export type Alias = { readonly root: Value; readonly perm: Permutation | undefined };

/** A reader of a value other than a Transpose: it wants Transpose(root, perm). */
export type Reading = { readonly use: Use; readonly perm: Permutation | undefined };

/**
 * Which nodes of a graph compute in another order of axes, and how many Transposes that takes: for each value that no
 * Transpose gives, one for each order, other than its own, in which it is read.
 */
export class AxisOrder {
  /** Nodes that may compute in another order, in topological order. */
  readonly candidates = new Map<Node, TransposedNode>();
  /** Those of them that do. */
  readonly turned = new Set<Node>();
  readonly readings = new Map<Value, Reading[]>();
  private readonly aliases = new Map<Value, Alias>();
  /** By value, the orders that it is read in, and how often. */
  private readonly orders = new Map<Value, Map<string, number>>();

  constructor(graph: Graph, context: PassContext) {
    for (const node of graph.nodes) {
      if (!this.seeThrough(node, context)) this.consider(node, context);
    }
    for (const node of this.candidates.keys()) this.turned.add(node);
    for (const root of this.rootsOf(graph)) this.collect(root);
  }

  aliasOf(value: Value): Alias {
    return this.aliases.get(value) ?? { root: value, perm: undefined };
  }

  /** Transposes that `root` takes. */
  cost(root: Value): number {
    return this.orders.get(root)?.size ?? 0;
  }

  /** Transposes that `root` takes where no node is turned. */
  costBefore(root: Value): number {
    const orders = new Set<string>();
    for (const { perm } of this.readings.get(root) ?? []) {
      if (perm !== undefined && !isIdentity(perm)) orders.add(perm.join());
    }
    return orders.size;
  }

  /** Results of a node, and what it reads as data. */
  rootsAround(node: Node): Set<Value> {
    const roots = new Set<Value>(node.outputs.filter((output) => output !== null));
    const plan = this.candidates.get(node);
    for (const [index, input] of node.inputs.entries()) {
      if (input !== null && plan?.operands[index]?.kind !== 'constant') roots.add(this.aliasOf(input).root);
    }
    return roots;
  }

  /** Puts a node back into its own order; how many Transposes more that takes. */
  turnBack(node: Node): number {
    return this.change(node, () => this.turned.delete(node));
  }

  turn(node: Node): number {
    return this.change(node, () => this.turned.add(node));
  }

  /** How a value is stored: it was Transpose(stored, result). */
  turnOf(root: Value): Permutation | undefined {
    const { producer } = root;
    if (producer === null || !this.turned.has(producer)) return undefined;
    return this.candidates.get(producer)!.results[root.index];
  }

  /** The order in which a reading takes what is stored; undefined where it takes nothing of it, or as it is. */
  wanted(root: Value, { use, perm }: Reading): Permutation | undefined {
    const turn = this.turnOf(root);
    const plain = turn === undefined ? perm : perm === undefined ? turn : compose(turn, perm);
    if (use.kind === 'node' && this.turned.has(use.user)) {
      const operand = this.candidates.get(use.user)!.operands[use.index];
      if (operand?.kind === 'constant') return undefined;
      if (operand?.kind === 'data') {
        const back = inverse(operand.perm);
        const order = plain === undefined ? back : compose(plain, back);
        return isIdentity(order) ? undefined : order;
      }
    }
    return plain === undefined || isIdentity(plain) ? undefined : plain;
  }

  private seeThrough(node: Node, { inference }: PassContext): boolean {
    const [input, output] = [node.inputs[0], node.outputs[0]];
    const perm = input == null || output == null || output.pinned ? undefined : permutationOf(node, inference);
    if (perm === undefined) return false;
    const { root, perm: before } = this.aliasOf(input!);
    this.aliases.set(output!, { root, perm: before === undefined ? perm : compose(before, perm) });
    return true;
  }

  /** Takes a node up whose operand is, or could be, known in another order. */
  private consider(node: Node, context: PassContext): void {
    if (node.outputs.some((output) => output?.pinned)) return;
    for (const [index, input] of node.inputs.entries()) {
      if (input === null || constantTensor(input) !== undefined) continue;
      const { root, perm } = this.aliasOf(input);
      const turn = root.producer === null ? undefined : this.candidates.get(root.producer)?.results[root.index];
      const known = turn === undefined ? perm : compose(turn, perm ?? identity(turn.length));
      if (known === undefined || isIdentity(known)) continue;
      const turned = transposeNode(node, index, known, context);
      if (turned === undefined) continue;
      this.candidates.set(node, turned);
      return;
    }
  }

  /** Values that a Transpose or a candidate of this graph is about. */
  private rootsOf(graph: Graph): Set<Value> {
    const roots = new Set<Value>();
    for (const { root } of this.aliases.values()) roots.add(root);
    for (const node of graph.nodes)
      if (this.candidates.has(node)) for (const root of this.rootsAround(node)) roots.add(root);
    return roots;
  }

  private collect(root: Value): void {
    const readings: Reading[] = [];
    const pending: Alias[] = [{ root, perm: undefined }];
    const values: Value[] = [root];
    for (
      let value = values.pop(), alias = pending.pop();
      value !== undefined;
      value = values.pop(), alias = pending.pop()
    ) {
      for (const use of value.uses) {
        const output = use.kind === 'node' ? use.user.outputs[0] : null;
        const next = output == null ? undefined : this.aliases.get(output);
        if (output != null && next !== undefined) {
          values.push(output);
          pending.push(next);
        } else readings.push({ use, perm: alias?.perm });
      }
    }
    this.readings.set(root, readings);
    this.orders.set(root, new Map());
    for (const reading of readings) this.count(root, reading, 1);
  }

  private count(root: Value, reading: Reading, by: 1 | -1): void {
    const order = this.wanted(root, reading)?.join();
    const orders = this.orders.get(root);
    if (order === undefined || orders === undefined) return;
    const count = (orders.get(order) ?? 0) + by;
    if (count === 0) orders.delete(order);
    else orders.set(order, count);
  }

  private change(node: Node, apply: () => void): number {
    const affected: { root: Value; reading: Reading }[] = [];
    for (const root of node.outputs) {
      if (root !== null) for (const reading of this.readings.get(root) ?? []) affected.push({ root, reading });
    }
    const outputs = new Set<Value | null>(node.outputs);
    for (const reading of this.readingsBy(node)) if (!outputs.has(reading.root)) affected.push(reading);
    const roots = new Set(affected.map(({ root }) => root));
    const total = (): number => [...roots].reduce((sum, root) => sum + this.cost(root), 0);
    const before = total();
    for (const { root, reading } of affected) this.count(root, reading, -1);
    apply();
    for (const { root, reading } of affected) this.count(root, reading, 1);
    return total() - before;
  }

  private readingsBy(node: Node): { root: Value; reading: Reading }[] {
    return node.inputs.flatMap((input, index) => {
      if (input === null) return [];
      const { root, perm } = this.aliasOf(input);
      return [{ root, reading: { use: { kind: 'node' as const, user: node, index }, perm } }];
    });
  }
}
