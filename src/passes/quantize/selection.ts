import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import type { QuantizedType } from '../target_profile.js';
import type { Range } from './ranges.js';

/** Nodes by node name or output name, where `*` stands for any characters, or by what they are. */
export type NodeSelector = string | ((node: Node) => boolean);

/** Values by name, where `*` stands for any characters, or by what they are. */
export type TensorSelector = string | ((value: Value) => boolean);

/** What a user says about single values. */
export type TensorOverride = {
  readonly match: TensorSelector;
  /** Instead of the calibrated one. */
  readonly range?: Range;
  /** Quantize it to this type, where the target takes it, and with it the values that share its scale. */
  readonly dtype?: QuantizedType;
  /** Leave it in float, and with it the nodes that would read it or write it in 8 bits. */
  readonly skip?: boolean;
};

/** What a user says about single nodes and values. Selectors that match nothing are refused. */
export type PlacementOptions = {
  /** Of the layers with weights, only these run on 8 bits, also those that the target had rather left in float. */
  readonly include?: readonly NodeSelector[];
  /** Nodes to leave in float. */
  readonly exclude?: readonly NodeSelector[];
  /** Further nodes to leave in float, by the name of their first output, with the reason. */
  readonly floats?: ReadonlyMap<string, string>;
  readonly tensors?: readonly TensorOverride[];
};

/** The options, resolved on a graph. */
export type Selection = {
  /** undefined: nothing was said, so all. */
  readonly included: ReadonlySet<Node> | undefined;
  /** Nodes to leave in float, with the reason. */
  readonly excluded: ReadonlyMap<Node, string>;
  readonly skipped: ReadonlySet<Value>;
  readonly ranges: ReadonlyMap<Value, Range>;
  readonly types: ReadonlyMap<Value, QuantizedType>;
};

/**
 * The nodes and values that the options mean; of several ranges for a value the last one counts.
 * @throws DiagnosticError `quantize/override-matches-nothing`.
 */
export function selectParts(graph: Graph, options: PlacementOptions): Selection {
  const { include, exclude = [], floats, tensors = [] } = options;
  const nodes = [...graph.nodes];
  requireKnown(nodes, floats);
  const nodesOf = (selectors: readonly NodeSelector[]) => selectNodes(nodes, selectors);
  const skipped = new Set<Value>();
  const ranges = new Map<Value, Range>();
  const types = new Map<Value, QuantizedType>();
  for (const { match, range, dtype, skip } of tensors) {
    for (const value of selectValues(graph, match)) {
      if (skip) skipped.add(value);
      if (range !== undefined) ranges.set(value, range);
      if (dtype !== undefined) types.set(value, dtype);
    }
  }
  return {
    included: include === undefined || include.length === 0 ? undefined : nodesOf(include),
    excluded: new Map([
      ...nodes.flatMap((node) => {
        const reason = floats?.get(node.outputs[0]?.name ?? '');
        return reason === undefined ? [] : [[node, reason] as const];
      }),
      ...Array.from(nodesOf(exclude), (node) => [node, 'excluded by name'] as const),
    ]),
    skipped,
    ranges,
    types,
  };
}

/**
 * The values that a selector means.
 * @throws DiagnosticError `quantize/override-matches-nothing`.
 */
export const selectValues = (graph: Graph, selector: TensorSelector): Value[] =>
  matches([...graph.values.values()], selector, ({ name }) => [name], matchesNothing);

/**
 * The nodes that selectors mean.
 * @throws DiagnosticError with `code` where one of them means none.
 */
export const selectNodes = (
  nodes: readonly Node[],
  selectors: readonly NodeSelector[],
  code: string = matchesNothing,
): ReadonlySet<Node> => new Set(selectors.flatMap((selector) => matches(nodes, selector, nodeNames, code)));

const matchesNothing = 'quantize/override-matches-nothing';

/** Names that were saved belong to the same model, simplified in the same way; others would be silently without effect. */
function requireKnown(nodes: readonly Node[], floats: ReadonlyMap<string, string> | undefined): void {
  if (floats === undefined) return;
  const known = new Set(nodes.map((node) => node.outputs[0]?.name));
  const stranger = [...floats.keys()].find((name) => !known.has(name));
  if (stranger === undefined) return;
  throw new DiagnosticError({
    code: 'quantize/override-matches-nothing',
    message: `no node computes "${stranger}", which is to stay in float`,
    help: 'The names belong to another model, or to another version of it',
  });
}

/** Whether one of the selectors means a node. */
export function nodeMatcher(selectors: readonly NodeSelector[]): (node: Node) => boolean {
  const tests = selectors.map((selector) => {
    if (typeof selector === 'function') return selector;
    const pattern = glob(selector);
    return (node: Node) => nodeNames(node).some((name) => name !== '' && pattern.test(name));
  });
  return (node) => tests.some((test) => test(node));
}

const nodeNames = (node: Node): string[] => [
  node.name,
  ...node.outputs.flatMap((output) => (output === null ? [] : [output.name])),
];

function matches<T>(
  parts: readonly T[],
  selector: string | ((part: T) => boolean),
  namesOf: (part: T) => readonly string[],
  code: string = matchesNothing,
): T[] {
  const fits =
    typeof selector === 'function'
      ? selector
      : (
          (pattern) => (part: T) =>
            namesOf(part).some((name) => name !== '' && pattern.test(name))
        )(glob(selector));
  const found = parts.filter(fits);
  if (found.length > 0) return found;
  throw new DiagnosticError({
    code,
    message:
      typeof selector === 'function' ? 'a predicate holds for nothing in the graph' : `"${selector}" names nothing`,
    help: 'Names are those after simplification; write the model simplified alone and inspect it',
  });
}

const glob = (text: string): RegExp =>
  new RegExp(`^${text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's');
