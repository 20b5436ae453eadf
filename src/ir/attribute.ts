import type { Graph } from './graph.js';
import type { SparseTensor, Tensor } from './tensor.js';
import type { ValueType } from './value_type.js';

/**
 * An immutable attribute (graphs excepted, which the editor may change in place). Strings are bytes, since ONNX does
 * not promise UTF-8; integers are bigint, since they are int64.
 */
export type Attribute = AttributeValue & {
  readonly name: string;
  /** The message this was decoded from; only `src/ir/onnx` reads it. */
  readonly wire?: unknown;
};

export type AttributeValue =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: Uint8Array }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'sparse'; readonly value: SparseTensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'type'; readonly value: ValueType | undefined }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly bigint[] }
  | { readonly kind: 'strings'; readonly value: readonly Uint8Array[] }
  | { readonly kind: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly kind: 'sparses'; readonly value: readonly SparseTensor[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  | { readonly kind: 'types'; readonly value: readonly (ValueType | undefined)[] }
  /** Inside a function: the value of the function's own attribute of that name. */
  | { readonly kind: 'reference'; readonly value: string }
  /** A kind this version does not know; kept as it came. */
  | { readonly kind: 'unknown'; readonly value: null };

type HasAttributes = { readonly attributes: ReadonlyMap<string, Attribute> };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const intAttribute = (name: string, value: number | bigint): Attribute => ({
  name,
  kind: 'int',
  value: BigInt(value),
});
export const intsAttribute = (name: string, values: readonly (number | bigint)[]): Attribute => ({
  name,
  kind: 'ints',
  value: values.map(BigInt),
});
export const floatAttribute = (name: string, value: number): Attribute => ({
  name,
  kind: 'float',
  value: Math.fround(value),
});
export const stringAttribute = (name: string, text: string): Attribute => ({
  name,
  kind: 'string',
  value: encoder.encode(text),
});
export const tensorAttribute = (name: string, value: Tensor): Attribute => ({ name, kind: 'tensor', value });

const largest = BigInt(Number.MAX_SAFE_INTEGER);

/** A number; past ±(2^53 − 1) saturated there, which clamps such as Slice's INT64_MAX mean the same by. */
export const saturated = (value: bigint): number =>
  value > largest ? Number.MAX_SAFE_INTEGER : value < -largest ? Number.MIN_SAFE_INTEGER : Number(value);

/** The integer attribute, or `fallback` where the node has none of that name and kind. */
export function getInt<F>(node: HasAttributes, name: string, fallback: F): number | F {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? saturated(attribute.value) : fallback;
}

export function getInts<F>(node: HasAttributes, name: string, fallback: F): number[] | F {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.value.map(saturated) : fallback;
}

export function getFloat<F>(node: HasAttributes, name: string, fallback: F): number | F {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'float' ? attribute.value : fallback;
}

export function getFloats<F>(node: HasAttributes, name: string, fallback: F): readonly number[] | F {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'floats' ? attribute.value : fallback;
}

export function getString<F>(node: HasAttributes, name: string, fallback: F): string | F {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'string' ? decoder.decode(attribute.value) : fallback;
}

export function getTensor(node: HasAttributes, name: string): Tensor | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'tensor' ? attribute.value : undefined;
}

export function getGraph(node: HasAttributes, name: string): Graph | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'graph' ? attribute.value : undefined;
}

/** The graphs an attribute holds. */
export const graphsOf = (attribute: Attribute): readonly Graph[] =>
  attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : [];

/** Every subgraph of a node, in attribute order. */
export function subgraphs(node: HasAttributes): Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) graphs.push(...graphsOf(attribute));
  return graphs;
}
