import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import type { Tensor } from '../../ir/tensor.js';

/** What a pattern found, by capture name. */
export type Captures = Readonly<Record<string, Node | Value | Constant | null>>;

export type Constant = { readonly value: Value; readonly tensor: Tensor };

type Bindings = Map<string, Node | Value | Constant | null>;

/** Matches the value at an input of a node; null is an input that is left out. */
export type ValuePattern<C> = {
  readonly captures?: C;
  match(value: Value | null, bindings: Bindings): boolean;
};

export type NodePattern<C> = ValuePattern<C> & {
  readonly opTypes: readonly string[];
  readonly domain: string;
  matchNode(node: Node, bindings: Bindings): boolean;
};

type CapturesOf<P> = P extends ValuePattern<infer C> ? C : never;
type Intersect<U> = (U extends unknown ? (part: U) => void : never) extends (part: infer I) => void ? I : never;
type Joined<P extends readonly unknown[]> = P extends readonly [] ? unknown : Intersect<CapturesOf<P[number]>>;

function bind(bindings: Bindings, name: string, found: Node | Value | Constant | null): boolean {
  const earlier = bindings.get(name);
  if (earlier !== undefined) return earlier === found;
  bindings.set(name, found);
  return true;
}

/** Any given value. The same name twice means the same value. */
export const any = <N extends string>(name: N): ValuePattern<Record<N, Value>> => ({
  match: (value, bindings) => value !== null && bind(bindings, name, value),
});

/** A value that is always the same tensor (`constantTensor`). */
export const constant = <N extends string>(name: N): ValuePattern<Record<N, Constant>> => ({
  match(value, bindings) {
    const tensor = constantTensor(value);
    return value !== null && tensor !== undefined && bind(bindings, name, { value, tensor });
  },
});

/** Matches what `pattern` matches, and an input that is left out: captured as null. */
export const optional = <N extends string, T>(
  name: N,
  pattern: ValuePattern<Record<N, T>>,
): ValuePattern<Record<N, T | null>> => ({
  match: (value, bindings) => (value === null ? bind(bindings, name, null) : pattern.match(value, bindings)),
});

/**
 * A node of one of these operator types of the default domain (or `domain`), with input patterns from the first on;
 * further inputs may be anything. As an input, its first output.
 */
export function op<N extends string, const P extends readonly ValuePattern<unknown>[]>(
  name: N,
  opTypes: string | readonly string[],
  inputs: P,
  domain = '',
): NodePattern<Record<N, Node> & Joined<P>> {
  const types = typeof opTypes === 'string' ? [opTypes] : opTypes;
  const matchNode = (node: Node, bindings: Bindings): boolean =>
    types.includes(node.opType) &&
    (node.domain === 'ai.onnx' ? '' : node.domain) === domain &&
    inputs.every((input, index) => input.match(node.inputs[index] ?? null, bindings)) &&
    bind(bindings, name, node);
  return {
    opTypes: types,
    domain,
    matchNode,
    match: (value, bindings) =>
      value?.producer != null && value.index === 0 && value.producer.attached && matchNode(value.producer, bindings),
  };
}

/** The captures of a match at `root`, or undefined. */
export function matchAt<C>(pattern: NodePattern<C>, root: Node): C | undefined {
  const bindings: Bindings = new Map();
  if (!pattern.matchNode(root, bindings)) return undefined;
  return Object.fromEntries(bindings) as C;
}
