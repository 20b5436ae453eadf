import { intsAttribute } from '../../../ir/attribute.js';
import type { Graph, Node, Use, Value } from '../../../ir/graph.js';
import { tensorType, type ValueType } from '../../../ir/value_type.js';
import type { PassContext } from '../../pass.js';
import type { AxisOrder } from './axis_order.js';
import { inverse, type Permutation } from './permutation.js';

/** Puts the turned nodes of a plan in the place of the old ones, with the Transposes that are still needed. */
export function rewriteTurned(graph: Graph, order: AxisOrder, rule: string, context: PassContext): void {
  const rewriting = new Rewriting(graph, order, rule, context);
  const turned = [...order.candidates.keys()].filter((node) => order.turned.has(node));
  const plain = rewriting.plainReadings(turned);
  for (const node of turned) rewriting.turn(node);
  for (const { root, use, perm } of plain) rewriting.read(root, use, perm);
  rewriting.eraseUnread(turned);
}

type PlainReading = { readonly root: Value; readonly use: Use; readonly perm: Permutation | undefined };

class Rewriting {
  private readonly graph: Graph;
  private readonly order: AxisOrder;
  private readonly rule: string;
  private readonly context: PassContext;
  /** By the old value, the one of the turned node. */
  private readonly stored = new Map<Value, Value>();
  /** Transposes made, by what they read and its order. */
  private readonly transposes = new Map<Value, Map<string, Value>>();

  constructor(graph: Graph, order: AxisOrder, rule: string, context: PassContext) {
    this.graph = graph;
    this.order = order;
    this.rule = rule;
    this.context = context;
  }

  /** What reads results of turned nodes and is not turned itself, before anything changes. */
  plainReadings(turned: readonly Node[]): PlainReading[] {
    return turned.flatMap((node) =>
      node.outputs.flatMap((root) =>
        root === null
          ? []
          : (this.order.readings.get(root) ?? []).flatMap((reading) => {
              const { use } = reading;
              const isTurned = use.kind === 'node' && this.order.turned.has(use.user);
              return isTurned ? [] : [{ root, use, perm: this.order.wanted(root, reading) }];
            }),
      ),
    );
  }

  turn(node: Node): void {
    const { editor } = this.context;
    const plan = this.order.candidates.get(node)!;
    const inputs = plan.operands.map((operand, index) => {
      if (operand.kind === 'constant') {
        const label = node.inputs[index]?.name ?? 'axes';
        return editor.draftConstant(this.graph, operand.tensor, label);
      }
      const input = node.inputs[index] ?? null;
      if (input === null) return null;
      const { root, perm } = this.order.aliasOf(input);
      const use = { kind: 'node' as const, user: node, index };
      return this.ordered(root, this.order.wanted(root, { use, perm }), input);
    });
    const made = editor.insertNode(
      {
        graph: this.graph,
        domain: node.domain,
        opType: node.opType,
        name: node.name,
        inputs,
        outputs: node.outputs.map(
          (output, index) => output && { name: output.name, type: this.turnedType(output, plan.results[index]!) },
        ),
        attributes: plan.attributes,
        provenance: [...node.provenance, this.rule],
      },
      node,
    );
    for (const [index, output] of node.outputs.entries()) {
      if (output !== null) this.stored.set(output, made.outputs[index]!);
    }
  }

  read(root: Value, use: Use, perm: Permutation | undefined): void {
    const value = this.ordered(root, perm);
    if (use.kind === 'node') this.context.editor.setInput(use.user, use.index, value);
    else this.context.editor.setOutputValue(use.user, value);
  }

  /** Old nodes, and Transposes before and behind them that nobody reads any more, from the last up. */
  eraseUnread(turned: readonly Node[]): void {
    const { editor } = this.context;
    const old = new Set(turned);
    for (const node of this.graph.nodes.reversed()) {
      const isUnread = node.outputs.every((output) => output === null || (output.uses.size === 0 && !output.pinned));
      if (isUnread && (old.has(node) || node.opType === 'Transpose')) editor.eraseNode(node);
    }
  }

  /** Transpose(what is stored of root, perm). `known`: a value that is it already, where root was not turned. */
  private ordered(root: Value, perm: Permutation | undefined, known?: Value): Value {
    const stored = this.stored.get(root) ?? root;
    if (perm === undefined) return stored;
    if (known !== undefined && stored === root && this.order.aliasOf(known).perm?.join() === perm.join()) return known;
    const made = this.transposes.get(stored) ?? new Map<string, Value>();
    this.transposes.set(stored, made);
    const existing = made.get(perm.join());
    if (existing !== undefined) return existing;
    const { producer } = stored;
    const before = producer?.graph === this.graph ? this.graph.nodes.after(producer) : this.graph.nodes.first;
    const node = this.context.editor.insertNode(
      {
        graph: this.graph,
        opType: 'Transpose',
        inputs: [stored],
        outputs: [{ name: `${root.name}_transposed` }],
        attributes: [intsAttribute('perm', perm)],
        provenance: [this.rule],
      },
      before,
    );
    made.set(perm.join(), node.outputs[0]!);
    return node.outputs[0]!;
  }

  private turnedType(output: Value, result: Permutation): ValueType | undefined {
    const type = this.context.inference.typeOf(output);
    if (type?.kind !== 'tensor') return undefined;
    const shape = type.shape?.length === result.length ? inverse(result).map((axis) => type.shape![axis]) : undefined;
    return tensorType(type.dtype, shape);
  }
}
