import type { Attribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { type Graph, type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { operatorSchema } from '../../ir/ops/operator_schema.js';
import { formatType } from '../../ir/value_type.js';
import { tensorSignature, tensorsEqual } from './equal_tensors.js';

/** Whether two values are the same in the place where each is read. */
export type SameValue = (a: Value, b: Value) => boolean;

/** The same value, or two constants of the same type, shape and bytes. */
export const sameOrEqualConstant: SameValue = (a, b) => {
  if (a === b) return true;
  const left = constantTensor(a);
  const right = constantTensor(b);
  return left !== undefined && right !== undefined && tensorsEqual(left, right);
};

/** Whether two nodes compute the same from their inputs: operator, attributes, and which outputs are given. */
export function sameOperation(a: Node, b: Node, sameGraph: (a: Graph, b: Graph) => boolean = () => false): boolean {
  if (a.opType !== b.opType || normalized(a.domain) !== normalized(b.domain) || a.overload !== b.overload) return false;
  if (a.outputs.length !== b.outputs.length) return false;
  if (a.outputs.some((output, index) => (output === null) !== (b.outputs[index] === null))) return false;
  const left = statedAttributes(a);
  const right = statedAttributes(b);
  if (left.length !== right.length) return false;
  return left.every((attribute, index) => sameAttribute(attribute, right[index]!, sameGraph));
}

/** Whether two nodes read the same at every input, which of them are left out included. */
export const sameInputs = (a: readonly (Value | null)[], b: readonly (Value | null)[], same: SameValue): boolean =>
  a.length === b.length &&
  a.every((value, index) => {
    const other = b[index]!;
    return value === null || other === null ? value === other : same(value, other);
  });

/** Whether two subgraphs without inputs compute the same, node by node in the same order. */
export function equalGraphs(a: Graph, b: Graph, outer: SameValue = sameOrEqualConstant): boolean {
  if (a.inputs.length !== b.inputs.length || a.outputs.length !== b.outputs.length) return false;
  if (a.nodes.size !== b.nodes.size) return false;
  const pairs = new Map<Value, Value>(a.inputs.map((input, index) => [input, b.inputs[index]!]));
  const same: SameValue = (x, y) => (pairs.has(x) ? pairs.get(x) === y : outer(x, y));
  const others = b.nodes[Symbol.iterator]();
  for (const node of a.nodes) {
    const other = others.next().value as Node;
    const nested = (x: Graph, y: Graph) => equalGraphs(x, y, same);
    if (!sameInputs(node.inputs, other.inputs, same) || !sameOperation(node, other, nested)) return false;
    for (const [index, output] of node.outputs.entries()) {
      if (output !== null) pairs.set(output, other.outputs[index]!);
    }
  }
  return a.outputs.every(({ value }, index) => same(value, b.outputs[index]!.value));
}

/** A short text that nodes of the same operation share; undefined where we cannot compare an attribute. */
export function operationSignature(node: Node): string | undefined {
  const parts = [normalized(node.domain), node.opType, node.overload, node.outputs.map((each) => each !== null)];
  const attributes = statedAttributes(node).map((attribute) => [attribute.name, attributeText(attribute)]);
  return attributes.some(([, text]) => text === undefined) ? undefined : JSON.stringify([parts, attributes]);
}

const normalized = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** By name, without those that spell out the operator's default. */
function statedAttributes(node: Node): Attribute[] {
  const opset = opsetVersion(node.graph, node.domain);
  const schema = opset === undefined ? undefined : operatorSchema(node.domain, node.opType, opset);
  const isDefault = (attribute: Attribute): boolean => {
    const fallback = schema?.attributes.get(attribute.name)?.default;
    if (fallback == null) return false;
    if (attribute.kind === 'string') return Buffer.from(attribute.value).toString() === fallback;
    if (attribute.kind === 'int') return String(attribute.value) === String(fallback);
    return attribute.kind === 'float' && Object.is(attribute.value, fallback);
  };
  return [...node.attributes.values()]
    .filter((attribute) => !isDefault(attribute))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function sameAttribute(a: Attribute, b: Attribute, sameGraph: (a: Graph, b: Graph) => boolean): boolean {
  if (a.name !== b.name || a.kind !== b.kind) return false;
  if (a.kind === 'graph' && b.kind === 'graph') return sameGraph(a.value, b.value);
  if (a.kind === 'tensor' && b.kind === 'tensor') return tensorsEqual(a.value, b.value);
  const text = attributeText(a);
  return text !== undefined && text === attributeText(b);
}

/** Enough to tell attributes apart, tensors by their signature; undefined for what cannot be compared. */
function attributeText(attribute: Attribute): string | undefined {
  switch (attribute.kind) {
    case 'float':
      return floatText(attribute.value);
    case 'int':
      return String(attribute.value);
    case 'string':
      return byteText(attribute.value);
    case 'floats':
      return attribute.value.map(floatText).join();
    case 'ints':
      return attribute.value.join();
    case 'strings':
      return attribute.value.map(byteText).join();
    case 'reference':
      return `@${attribute.value}`;
    case 'tensor':
      return tensorSignature(attribute.value);
    case 'type':
      return attribute.value === undefined || attribute.value.kind === 'opaque'
        ? undefined
        : formatType(attribute.value);
    case 'graph':
    case 'graphs':
    case 'tensors':
    case 'sparse':
    case 'sparses':
    case 'types':
    case 'unknown':
      return undefined;
  }
}

const floatText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

const byteText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
