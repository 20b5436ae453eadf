import type { Attribute, AttributeValue } from '../attribute.js';
import type { Graph } from '../graph.js';
import type { ExternalReader } from './external_data.js';
import {
  type AttributeProto,
  fromBigint,
  type GraphProto,
  type Int64,
  leftover,
  type Message,
  toBigint,
} from './messages.js';
import {
  decodeSparseTensor,
  decodeTensor,
  type ExternalPlacement,
  encodeSparseTensor,
  encodeTensor,
} from './tensor_codec.js';
import { decodeType, encodeType } from './type_codec.js';

/** AttributeProto.AttributeType */
const kinds = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparse: 11,
  sparses: 12,
  type: 13,
  types: 14,
} as const;

type Kind = keyof typeof kinds;

const kindNames = Object.keys(kinds) as readonly Kind[];

/** Before IR version 2 the type was not written: it is the field that is there. */
function kindOf(message: AttributeProto): Kind | undefined {
  if (message.type) return kindNames.find((kind) => kinds[kind] === message.type);
  const present: readonly (readonly [keyof AttributeProto, Kind])[] = [
    ['f', 'float'],
    ['i', 'int'],
    ['s', 'string'],
    ['t', 'tensor'],
    ['g', 'graph'],
    ['floats', 'floats'],
    ['ints', 'ints'],
    ['strings', 'strings'],
    ['tensors', 'tensors'],
    ['graphs', 'graphs'],
  ];
  return present.find(([field]) => message[field] !== undefined && message[field] !== null)?.[1];
}

export function decodeAttribute(
  message: AttributeProto,
  nodeWhere: string,
  external: ExternalReader | undefined,
  decodeGraph: (graph: GraphProto) => Graph,
): Attribute {
  const name = message.name ?? '';
  const where = `${nodeWhere} > attribute "${name}"`;
  if (message.ref_attr_name) return { name, kind: 'reference', value: message.ref_attr_name, wire: message };
  const value = decodeValue(message, kindOf(message), where, external, decodeGraph);
  const holdsGraphs = value.kind === 'graph' || value.kind === 'graphs';
  return { name, ...value, wire: holdsGraphs ? leftover(message, ['g', 'graphs']) : message };
}

function decodeValue(
  message: AttributeProto,
  kind: Kind | undefined,
  where: string,
  external: ExternalReader | undefined,
  decodeGraph: (graph: GraphProto) => Graph,
): AttributeValue {
  switch (kind) {
    case 'float':
      return { kind, value: message.f ?? 0 };
    case 'int':
      return { kind, value: toBigint(message.i) };
    case 'string':
      return { kind, value: message.s ?? new Uint8Array(0) };
    case 'tensor':
      return { kind, value: decodeTensor(message.t ?? {}, where, external) };
    case 'sparse':
      return { kind, value: decodeSparseTensor(message.sparse_tensor ?? {}, where, external) };
    case 'graph':
      return { kind, value: decodeGraph(message.g ?? {}) };
    case 'type':
      return { kind, value: decodeType(message.tp, where) };
    case 'floats':
      return { kind, value: message.floats ?? [] };
    case 'ints':
      return { kind, value: (message.ints ?? []).map(toBigint) };
    case 'strings':
      return { kind, value: message.strings ?? [] };
    case 'tensors':
      return { kind, value: (message.tensors ?? []).map((tensor) => decodeTensor(tensor, where, external)) };
    case 'sparses':
      return { kind, value: (message.sparse_tensors ?? []).map((t) => decodeSparseTensor(t, where, external)) };
    case 'graphs':
      return { kind, value: (message.graphs ?? []).map(decodeGraph) };
    case 'types':
      return { kind, value: (message.type_protos ?? []).map((type) => decodeType(type, where)) };
    case undefined:
      return { kind: 'unknown', value: null };
  }
}

/** Attributes that were decoded go back as they came; graphs and tensors in them are encoded anew around that. */
export function encodeAttribute(
  attribute: Attribute,
  encodeGraph: (graph: Graph) => GraphProto,
  placement: ExternalPlacement | undefined,
): AttributeProto {
  const wire = attribute.wire as AttributeProto | undefined;
  const message: AttributeProto & Message = { ...wire, ...(wire?.$unknowns && { $unknowns: wire.$unknowns }) };
  message.name = attribute.name;
  switch (attribute.kind) {
    case 'graph':
      return { type: kinds.graph, ...message, g: encodeGraph(attribute.value) };
    case 'graphs':
      return { type: kinds.graphs, ...message, graphs: attribute.value.map(encodeGraph) };
    case 'tensor':
      return { type: kinds.tensor, ...message, t: encodeTensor(attribute.value, undefined, placement) };
    case 'tensors':
      return {
        type: kinds.tensors,
        ...message,
        tensors: attribute.value.map((t) => encodeTensor(t, undefined, placement)),
      };
    default:
      return wire === undefined ? { name: attribute.name, ...plainAttribute(attribute) } : message;
  }
}

function plainAttribute(attribute: Attribute): AttributeProto {
  switch (attribute.kind) {
    case 'float':
      return { type: kinds.float, f: attribute.value };
    case 'int':
      return { type: kinds.int, i: fromBigint(attribute.value) as Int64 };
    case 'string':
      return { type: kinds.string, s: attribute.value };
    case 'floats':
      return { type: kinds.floats, floats: [...attribute.value] };
    case 'ints':
      return { type: kinds.ints, ints: attribute.value.map((value) => fromBigint(value) as Int64) };
    case 'strings':
      return { type: kinds.strings, strings: [...attribute.value] };
    case 'type': {
      const tp = encodeType(attribute.value);
      return { type: kinds.type, ...(tp && { tp }) };
    }
    case 'types':
      return { type: kinds.types, type_protos: attribute.value.map((type) => encodeType(type) ?? {}) };
    case 'sparse':
      return { type: kinds.sparse, sparse_tensor: encodeSparseTensor(attribute.value, undefined) };
    case 'sparses':
      return { type: kinds.sparses, sparse_tensors: attribute.value.map((t) => encodeSparseTensor(t, undefined)) };
    case 'reference':
      return { ref_attr_name: attribute.value };
    case 'unknown':
    case 'graph':
    case 'graphs':
    case 'tensor':
    case 'tensors':
      return {};
  }
}
