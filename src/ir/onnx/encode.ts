import { DiagnosticError } from '../diagnostic.js';
import type { Graph, Model, ModelFunction, Node, OutputSlot, Value } from '../graph.js';
import { modelGraphs } from '../traversal.js';
import type { ValueType } from '../value_type.js';
import { encodeAttribute } from './attribute_codec.js';
import {
  type FunctionProto,
  fromBigint,
  type GraphProto,
  type Int64,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  put,
  type TensorProto,
  type ValueInfoProto,
} from './messages.js';
import { encodeMessage } from './schema.js';
import { type ExternalPlacement, encodeSparseTensor, encodeTensor } from './tensor_codec.js';
import { encodeType } from './type_codec.js';
import { encodeVarint } from './varint.js';
import { type GraphWire, type ModelWire, opsetMessages, partWire, putDescription, startMessage } from './wire.js';
import { assignWireNames, type WireNames } from './wire_names.js';

/**
 * The serialized model as chunks to be written one after the other. Weights are chunks of their own: views of the
 * bytes they were read from. The same model gives the same bytes.
 * @param placement decides which tensors go to a file of their own; none by default.
 * @throws DiagnosticError `save/too-deep`.
 */
export function encodeModelChunks(model: Model, placement?: ExternalPlacement): Uint8Array[] {
  const levels = countLevels(model);
  try {
    return new Encoder(model, placement, levels).chunks();
  } catch (cause) {
    if (cause instanceof Error && cause.message.includes('max depth')) throw tooDeep(cause);
    throw cause;
  }
}

/** Readers of protobuf take messages 100 deep, which are at most so many graphs below one another. */
const maxLevels = 33;

/** Up to here nothing that a graph holds can pass the limit for messages. */
const shallowLevels = 20;

/** How deep graphs lie below one another: found without recursion, before any. */
function countLevels(model: Model): number {
  const levels = new Map<Graph, number>();
  let deepest = 1;
  for (const graph of modelGraphs(model)) {
    const level = graph.owner === null ? 1 : levels.get(graph.owner.graph)! + 1;
    if (level > maxLevels) throw tooDeep();
    levels.set(graph, level);
    deepest = Math.max(deepest, level);
  }
  return deepest;
}

const tooDeep = (cause?: Error): DiagnosticError =>
  new DiagnosticError(
    { code: 'save/too-deep', message: `graphs are nested deeper than ${maxLevels} levels, which no reader takes` },
    { cause },
  );

/** The serialized model in one piece. */
export function encodeModel(model: Model): Uint8Array {
  return Buffer.concat(encodeModelChunks(model));
}

const int64 = (value: number | bigint): Int64 => fromBigint(BigInt(value)) as Int64;

const opsetMessage = (domain: string, version: number): OperatorSetIdProto => ({ domain, version: int64(version) });

/** The tag of a length-delimited field. */
const lengthTag = (id: number): Uint8Array => encodeVarint(id * 8 + 2);

const totalLength = (chunks: readonly Uint8Array[]): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0);

const delimited = (id: number, chunks: readonly Uint8Array[]): Uint8Array[] => [
  lengthTag(id),
  encodeVarint(totalLength(chunks)),
  ...chunks,
];

class Encoder {
  private readonly model: Model;
  private readonly placement: ExternalPlacement | undefined;
  private readonly names: WireNames;
  private readonly levels: number;

  constructor(model: Model, placement: ExternalPlacement | undefined, levels: number) {
    this.model = model;
    this.levels = levels;
    this.placement = placement;
    this.names = assignWireNames(model);
  }

  /** Everything but the graph first, so that a file cut anywhere is known to be cut. */
  chunks(): Uint8Array[] {
    const { model } = this;
    const message = startMessage<ModelProto>(model);
    put(message, 'ir_version', int64(model.irVersion), model.irVersion === 0);
    put(message, 'producer_name', model.producerName, model.producerName === '');
    put(message, 'producer_version', model.producerVersion, model.producerVersion === '');
    put(message, 'domain', model.domain, model.domain === '');
    put(message, 'model_version', int64(model.modelVersion), model.modelVersion === 0n);
    message.opset_import = opsetMessages(model.opsetImports, partWire<ModelWire>(model)?.opsets, opsetMessage);
    putDescription(message, model);
    const functions = Array.from(model.functions.values(), (fn) => this.function(fn));
    if (functions.length > 0) message.functions = functions;
    return [encodeMessage('ModelProto', message), ...delimited(7, this.mainGraph(model.graph))];
  }

  private mainGraph(graph: Graph): Uint8Array[] {
    const { initializer = [], ...rest } = this.graph(graph);
    const message: GraphProto = { ...rest, ...('$unknowns' in rest && { $unknowns: rest.$unknowns }) } as GraphProto;
    // Readers count from the model on: what the graph alone has room for may be one too deep for them.
    if (this.levels > shallowLevels) encodeMessage('ModelProto', { graph: message });
    return [
      encodeMessage('GraphProto', message),
      ...initializer.flatMap((tensor) => delimited(5, tensorChunks(tensor))),
    ];
  }

  private graph(graph: Graph): GraphProto {
    const message = startMessage<GraphProto>(graph);
    put(message, 'name', graph.name, graph.name === '');
    const nodes = Array.from(graph.nodes, (node) => this.node(node));
    for (const slot of graph.outputs) if (this.names.identities.has(slot)) nodes.push(this.identity(slot));
    if (nodes.length > 0) message.node = nodes;
    const initializers: TensorProto[] = [];
    const sparse = [];
    for (const value of graph.initializers) {
      const { initializer } = value;
      const name = this.names.nameOf(value);
      if (initializer?.kind === 'dense') initializers.push(encodeTensor(initializer, name, this.placement));
      else if (initializer?.kind === 'sparse') sparse.push(encodeSparseTensor(initializer, name));
    }
    if (initializers.length > 0) message.initializer = initializers;
    if (sparse.length > 0) message.sparse_initializer = sparse;
    if (graph.inputs.length > 0)
      message.input = graph.inputs.map((input) => this.valueInfo(input, input.name, input.type));
    if (graph.outputs.length > 0) {
      message.output = graph.outputs.map((slot) => this.valueInfo(slot, this.names.slotNameOf(slot), slot.type));
    }
    const infos = this.valueInfos(graph);
    if (infos.length > 0) message.value_info = infos;
    putDescription(message, graph);
    return message;
  }

  /** Declared values, and entries that name no value, in the order of the file. */
  private valueInfos(graph: Graph): ValueInfoProto[] {
    const { orphans = [], order = [] } = partWire<GraphWire>(graph) ?? {};
    const infos = new Map<string, ValueInfoProto>(orphans.map((info) => [info.name ?? '', info]));
    for (const value of graph.declared)
      infos.set(value.name, this.valueInfo(value, this.names.nameOf(value), value.type));
    const first = new Set(order);
    const names = [...order.filter((name) => infos.has(name)), ...[...infos.keys()].filter((name) => !first.has(name))];
    return names.map((name) => infos.get(name)!);
  }

  private valueInfo(part: Value | OutputSlot, name: string, type: ValueType | undefined): ValueInfoProto {
    const message = startMessage<ValueInfoProto>(part);
    put(message, 'name', name, name === '');
    const encoded = encodeType(type);
    if (encoded !== undefined) message.type = encoded;
    putDescription(message, part);
    return message;
  }

  private node(node: Node): NodeProto {
    const message = startMessage<NodeProto>(node);
    const nameOf = (value: Value | null): string => (value === null ? '' : this.names.nameOf(value));
    if (node.inputs.length > 0) message.input = node.inputs.map(nameOf);
    if (node.outputs.length > 0) message.output = node.outputs.map(nameOf);
    put(message, 'name', node.name, node.name === '');
    put(message, 'op_type', node.opType, node.opType === '');
    put(message, 'domain', node.domain, node.domain === '');
    put(message, 'overload', node.overload, node.overload === '');
    if (node.attributes.size > 0) {
      message.attribute = Array.from(node.attributes.values(), (attribute) =>
        encodeAttribute(attribute, (graph) => this.graph(graph), this.placement),
      );
    }
    putDescription(message, node);
    return message;
  }

  private identity(slot: OutputSlot): NodeProto {
    return { op_type: 'Identity', input: [this.names.nameOf(slot.value)], output: [this.names.slotNameOf(slot)] };
  }

  private function(fn: ModelFunction): FunctionProto {
    const message = startMessage<FunctionProto>(fn);
    const body = this.graph(fn.graph);
    put(message, 'name', fn.name, fn.name === '');
    put(message, 'domain', fn.domain, fn.domain === '');
    put(message, 'overload', fn.overload, fn.overload === '');
    if (body.input) message.input = body.input.map(({ name }) => name ?? '');
    if (body.output) message.output = body.output.map(({ name }) => name ?? '');
    if (body.node) message.node = [...constantNodes(body), ...body.node];
    if (body.value_info) message.value_info = body.value_info;
    if (fn.attributeNames.length > 0) message.attribute = [...fn.attributeNames];
    if (fn.attributeDefaults.size > 0) {
      message.attribute_proto = Array.from(fn.attributeDefaults.values(), (attribute) =>
        encodeAttribute(attribute, (graph) => this.graph(graph), this.placement),
      );
    }
    message.opset_import = opsetMessages(fn.opsetImports, partWire<ModelWire>(fn)?.opsets, opsetMessage);
    if (message.opset_import.length === 0) delete message.opset_import;
    putDescription(message, fn);
    return message;
  }
}

/** Functions have no initializers on the wire: constants that passes made there become Constant nodes. */
function constantNodes(body: GraphProto): NodeProto[] {
  return (body.initializer ?? []).map((tensor) => ({
    op_type: 'Constant',
    output: [tensor.name ?? ''],
    attribute: [{ name: 'value', type: 4, t: tensor }],
  }));
}

/** A tensor's message with its raw data as a chunk of its own. */
function tensorChunks(tensor: TensorProto): Uint8Array[] {
  const { raw_data, ...header } = tensor;
  if (raw_data === undefined) return [encodeMessage('TensorProto', tensor)];
  return [encodeMessage('TensorProto', header), ...delimited(9, [raw_data])];
}
