import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import type { Constant, MatchState } from './match_state.js';
import { holdsNumber, scalarOperand } from './scalar.js';

export type { Constant } from './match_state.js';

/**
 * Matches the value at an input of a node (null: an input that is left out), then what `next` stands for; where that
 * fails, tries its other ways to match.
 */
export type ValuePattern<C> = {
  readonly captures?: C;
  match(value: Value | null, state: MatchState, next: () => boolean): boolean;
};

export type NodePattern<C> = ValuePattern<C> & {
  readonly opTypes: readonly string[];
  readonly domain: string;
  /** How many nodes it describes at least. */
  readonly size: number;
  matchNode(node: Node, state: MatchState, next: () => boolean): boolean;
};

type CapturesOf<P> = P extends ValuePattern<infer C> ? C : never;
type Intersect<U> = (U extends unknown ? (part: U) => void : never) extends (part: infer I) => void ? I : never;
type Joined<P extends readonly unknown[]> = P extends readonly [] ? unknown : Intersect<CapturesOf<P[number]>>;

/** Any given value. The same name twice means the same value. */
export const any = <N extends string>(name: N): ValuePattern<Record<N, Value>> => ({
  match: (value, state, next) => value !== null && state.bind(name, value, next),
});

/** A value that is always the same tensor (`constantTensor`). */
export const constant = <N extends string>(name: N): ValuePattern<Record<N, Constant>> => ({
  match(value, state, next) {
    const tensor = constantTensor(value);
    if (value === null || tensor === undefined) return state.miss(() => 'an operand is not constant');
    return state.bind(name, { value, tensor }, next);
  },
});

/**
 * A constant of one element equal to `expected` up to `tolerance` (relative), of a rank that cannot add axes to what
 * its reader computes.
 */
export const scalar = (expected: number, tolerance = 1e-6): ValuePattern<unknown> => ({
  match(value, state, next) {
    const found = scalarOperand(value, state.reader, state.inference);
    if (found === undefined) return state.miss(() => `an operand is not the constant ${expected}`);
    if (!holdsNumber(constantTensor(value)!, found, expected, tolerance))
      return state.miss(() => `a constant is ${found}, not ${expected}`);
    return next();
  },
});

/** Matches what `pattern` matches, and an input that is left out: captured as null. */
export const optional = <N extends string, T>(
  name: N,
  pattern: ValuePattern<Record<N, T>>,
): ValuePattern<Record<N, T | null>> => ({
  match: (value, state, next) => (value === null ? state.bind(name, null, next) : pattern.match(value, state, next)),
});

/** An input that is left out. */
export const absent: ValuePattern<unknown> = { match: (value, _state, next) => value === null && next() };

/** The first of these that lets the whole pattern match. What only some of them capture may be missing. */
export function oneOf<const P extends readonly ValuePattern<unknown>[]>(
  ...patterns: P
): ValuePattern<CapturesOf<P[number]>> {
  return { match: (value, state, next) => patterns.some((pattern) => pattern.match(value, state, next)) };
}

export type OpOptions = {
  readonly domain?: string;
  /** Two inputs that may stand in either order. */
  readonly commutative?: boolean;
  /** Which output of the node the value is; the first unless told. */
  readonly output?: number;
  /** Inputs behind those listed are not looked at; else there must be none. */
  readonly moreInputs?: boolean;
  /** Attributes and whatever else the operator's name does not tell. */
  where?(node: Node, state: MatchState): boolean;
};

/**
 * A node of one of these operator types of the default domain (or `domain`), with patterns of its inputs from the first
 * on. Captured under `name`, unless that is empty.
 */
export function op<N extends string, const P extends readonly ValuePattern<unknown>[]>(
  name: N,
  opTypes: string | readonly string[],
  inputs: P,
  options: OpOptions = {},
): NodePattern<Record<N, Node> & Joined<P>> {
  const types = typeof opTypes === 'string' ? [opTypes] : opTypes;
  const { domain = '', commutative = false, output = 0 } = options;
  const orders = commutative ? [inputs, [...inputs].reverse()] : [inputs];

  const matchInputs = (
    node: Node,
    patterns: readonly ValuePattern<unknown>[],
    at: number,
    state: MatchState,
    next: () => boolean,
  ): boolean => {
    const pattern = patterns[at];
    if (pattern === undefined) return next();
    state.reader = node;
    return pattern.match(node.inputs[at] ?? null, state, () => matchInputs(node, patterns, at + 1, state, next));
  };
  const matchNode = (node: Node, state: MatchState, next: () => boolean): boolean => {
    const isOne = types.includes(node.opType) && (node.domain === 'ai.onnx' ? '' : node.domain) === domain;
    if (!isOne) return state.miss(() => `${nodeLabel(node)} stands where ${types.join(' or ')} is expected`);
    if (!options.moreInputs && node.inputs.slice(inputs.length).some((input) => input !== null)) {
      return state.miss(() => `${nodeLabel(node)} has more inputs than expected`);
    }
    if (options.where?.(node, state) === false) return state.miss(() => `${nodeLabel(node)} has other attributes`);
    return state.hold(node, () =>
      state.bind(name, node, () => orders.some((order) => matchInputs(node, order, 0, state, next))),
    );
  };
  return {
    opTypes: types,
    domain,
    size: inputs.reduce((sum, input) => sum + ('size' in input ? Number(input.size) : 0), 1),
    matchNode,
    match(value, state, next) {
      const producer = value?.producer;
      if (producer == null || value?.index !== output || !producer.attached) {
        return state.miss(
          () => `${value === null ? 'nothing' : `"${value.name}"`} stands where ${types.join(' or ')} is expected`,
        );
      }
      return matchNode(producer, state, next);
    },
  };
}

/** A node that is not captured. */
export const node = <const P extends readonly ValuePattern<unknown>[]>(
  opTypes: string | readonly string[],
  inputs: P,
  options: OpOptions = {},
): NodePattern<Joined<P>> => op('', opTypes, inputs, options) as NodePattern<Joined<P>>;

/** Two operands in either order. */
export const commuted = <const P extends readonly [ValuePattern<unknown>, ValuePattern<unknown>]>(
  opTypes: string | readonly string[],
  inputs: P,
): NodePattern<Joined<P>> => node(opTypes, inputs, { commutative: true });

/** What a search found: captures, and the nodes that go away with the root. */
export type Finding<C> = { readonly captures: C; readonly nodes?: readonly Node[] };

/**
 * For what a pattern cannot say: looks from the root itself. `find` returns what it found, or why this is not a match;
 * nodes that it matched by `matchValue` count as found already.
 */
export function search<C extends object>(
  opTypes: string | readonly string[],
  find: (root: Node, state: MatchState) => Finding<C> | string,
  domain = '',
): NodePattern<C> {
  const types = typeof opTypes === 'string' ? [opTypes] : opTypes;
  const matchNode = (root: Node, state: MatchState, next: () => boolean): boolean =>
    state.hold(root, () => {
      const held = state.nodes.length;
      const found = find(root, state);
      if (typeof found === 'string') {
        state.miss(() => found);
      } else {
        for (const inner of found.nodes ?? []) if (!state.nodes.includes(inner)) state.nodes.push(inner);
        for (const [name, value] of Object.entries(found.captures)) state.bindings.set(name, value);
        if (next()) return true;
      }
      state.nodes.length = held;
      return false;
    });
  return {
    opTypes: types,
    domain,
    size: 1,
    matchNode,
    match: (value, state, next) => value?.producer?.attached === true && matchNode(value.producer, state, next),
  };
}

/** The captures of a match at `root`, or undefined; `state` tells how far it got and holds the matched nodes. */
export function matchAt<C>(pattern: NodePattern<C>, root: Node, state: MatchState): C | undefined {
  return pattern.matchNode(root, state, () => true) ? (Object.fromEntries(state.bindings) as C) : undefined;
}

/** Tries a pattern at a value inside a `search`. Captures and matched nodes stay in `state`. */
export const matchValue = (pattern: ValuePattern<unknown>, value: Value | null, state: MatchState): boolean =>
  pattern.match(value, state, () => true);

const nodeLabel = (node: Node): string => `${node.opType} "${node.name || (node.outputs[0]?.name ?? '')}"`;
