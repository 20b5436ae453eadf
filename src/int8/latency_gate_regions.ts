import type { Node, Value } from '../ir/graph.js';
import { dataInputs, type Placement } from '../passes/quantize/placement.js';

/** 8-bit nodes that hand each other 8 bits, or read the same ones: they convert at their common border only. */
export type EightBitRegion = { readonly nodes: readonly Node[] };

/** The connected parts of a placement, each in the order of the graph; those of the fewest weights come first. */
export function eightBitRegions(placement: Placement): EightBitRegion[] {
  const weights = new Map(placement.computes.map(({ node, weightDims }) => [node, product(weightDims)]));
  const parents = new Map<Node, Node>();
  const rootOf = (node: Node): Node => {
    let root = node;
    for (let parent = parents.get(root); parent !== undefined && parent !== root; parent = parents.get(root))
      root = parent;
    return root;
  };
  const inputs = new Map(placement.computes.map(({ node, input }) => [node, input]));
  const firstAt = new Map<Value, Node>();
  const nodes = eightBitNodes(placement);
  for (const node of nodes) {
    for (const value of touched(node, inputs.get(node), placement)) {
      const other = firstAt.get(value);
      if (other === undefined) firstAt.set(value, node);
      else parents.set(rootOf(node), rootOf(other));
    }
  }
  const parts = new Map<Node, Node[]>();
  for (const node of nodes) {
    const root = rootOf(node);
    parts.set(root, [...(parts.get(root) ?? []), node]);
  }
  const size = (part: readonly Node[]) => part.reduce((sum, node) => sum + (weights.get(node) ?? 0), 0);
  return [...parts.values()].sort((a, b) => size(a) - size(b)).map((part) => ({ nodes: part }));
}

/** In the order of the graph. */
function eightBitNodes({ computes, carries }: Placement): Node[] {
  const chosen = new Set([...computes.map(({ node }) => node), ...carries]);
  const [first] = chosen;
  return first === undefined ? [] : [...first.graph.nodes].filter((node) => chosen.has(node));
}

/** The values with pairs that a node reads or writes, behind the activation that its saturation replaces. */
function touched(node: Node, input: Value | undefined, { values, absorbed }: Placement): Value[] {
  const activations = node.outputs
    .flatMap((output) => [...(output?.uses ?? [])])
    .flatMap((use) => {
      const result = use.kind === 'node' ? use.user.outputs[0] : undefined;
      return result != null && absorbed.get(result) !== undefined ? [result] : [];
    });
  const read = input === undefined ? dataInputs(node) : [input];
  const written = node.outputs.filter((output) => output !== null);
  return [...read, ...written, ...activations].filter((value) => values.has(value));
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
