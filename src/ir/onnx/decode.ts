import type { Attribute } from '../attribute.js';
import { DiagnosticError } from '../diagnostic.js';
import { Editor } from '../editor.js';
import type { Graph, Model, ModelFunction, OutputSlot, Value } from '../graph.js';
import { functionKey } from '../graph.js';
import { tensorType, type ValueType } from '../value_type.js';
import { decodeAttribute } from './attribute_codec.js';
import { type ExternalReader, externalReader } from './external_data.js';
import {
  type DescribedProto,
  type FunctionProto,
  type GraphProto,
  leftover,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  toBigint,
  toNumber,
  type ValueInfoProto,
} from './messages.js';
import { sortNodes } from './node_order.js';
import { pinnedNames } from './pinned_names.js';
import { decodeMessage } from './schema.js';
import { decodeSparseTensor, decodeTensor } from './tensor_codec.js';
import { decodeType } from './type_codec.js';
import { describedWire, type GraphWire, type ModelWire, type PartWire } from './wire.js';

export type DecodeOptions = {
  /** The folder external data is read from; without it, a model that has any is refused. */
  readonly folder?: string;
};

/**
 * Reads a serialized ModelProto. Tensor data stays where it is: views of `bytes`, or ranges of files in `folder`.
 * @throws DiagnosticError with a `load/…` code for anything that is not a well-formed model.
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const message = parse(bytes);
  if (message.graph === undefined) {
    throw new DiagnosticError({
      code: 'load/no-graph',
      message: 'the file holds no graph',
      help: 'It is not an ONNX model, or it was cut off',
    });
  }
  if (message.opset_import === undefined || message.opset_import.length === 0) {
    throw new DiagnosticError({ code: 'load/no-opset', message: 'the model names no operator set (opset_import)' });
  }
  const external = options.folder === undefined ? undefined : externalReader(options.folder);
  return new Decoder(external).model(message, message.graph);
}

function parse(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw new DiagnosticError({ code: 'load/empty', message: 'the file is empty' });
  try {
    return decodeMessage<ModelProto>('ModelProto', bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (reason.includes('max depth')) {
      throw new DiagnosticError(
        { code: 'load/too-deep', message: 'graphs are nested deeper than 33 levels' },
        { cause },
      );
    }
    if (cause instanceof RangeError && reason.includes('out of range') && looksLikeModel(bytes)) {
      throw new DiagnosticError(
        { code: 'load/truncated', message: 'the file ends in the middle of the model', help: 'Copy it again' },
        { cause },
      );
    }
    throw new DiagnosticError({ code: 'load/not-protobuf', message: 'the file is not an ONNX model' }, { cause });
  }
}

/** Files begin with ir_version (field 1, a varint) or another low field of ModelProto; text does not. */
const looksLikeModel = (bytes: Uint8Array): boolean =>
  [0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(bytes[0]!);

const modelFields = [
  'ir_version',
  'producer_name',
  'producer_version',
  'domain',
  'model_version',
  'graph',
  'opset_import',
  'functions',
  'doc_string',
  'metadata_props',
] as const;
const graphFields = [
  'node',
  'name',
  'initializer',
  'sparse_initializer',
  'input',
  'output',
  'value_info',
  'doc_string',
  'metadata_props',
] as const;
const nodeFields = [
  'input',
  'output',
  'name',
  'op_type',
  'domain',
  'overload',
  'attribute',
  'doc_string',
  'metadata_props',
] as const;
const functionFields = [
  'name',
  'domain',
  'overload',
  'input',
  'output',
  'attribute',
  'attribute_proto',
  'node',
  'opset_import',
  'value_info',
  'doc_string',
  'metadata_props',
] as const;

/** A type that states nothing is kept as it stands. */
function valueInfoWire(info: ValueInfoProto): PartWire | undefined {
  const stated = info.type !== undefined && decodeType(info.type, '') !== undefined;
  return describedWire(
    info,
    leftover(info, ['name', 'doc_string', 'metadata_props', ...(stated ? (['type'] as const) : [])]),
  );
}

/** Names of the graphs around one, innermost first. */
type Scope = { readonly values: Map<string, Value>; readonly outer: Scope | undefined };

function lookUp(scope: Scope, name: string): Value | undefined {
  for (let current: Scope | undefined = scope; current !== undefined; current = current.outer) {
    const value = current.values.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

class Decoder {
  private readonly editor = new Editor(undefined, { keepNames: true });
  private readonly external: ExternalReader | undefined;
  private pinned: ReadonlySet<string> = new Set();

  constructor(external: ExternalReader | undefined) {
    this.external = external;
  }

  model(message: ModelProto, graph: GraphProto): Model {
    const { editor } = this;
    this.pinned = pinnedNames(message);
    const irVersion = toNumber(message.ir_version);
    editor.setModelProperties({
      irVersion,
      producerName: message.producer_name ?? '',
      producerVersion: message.producer_version ?? '',
      domain: message.domain ?? '',
      modelVersion: toBigint(message.model_version),
    });
    const rest = leftover(message, modelFields);
    const wire: ModelWire = { ...describedWire(message, rest), opsets: message.opset_import };
    this.describe(editor.model, message, wire);
    this.opsets(message.opset_import ?? [], null);
    const functions = (message.functions ?? []).map((fn) => ({ fn: this.declareFunction(fn), message: fn }));
    this.graph(graph, editor.model.graph, undefined, 'graph');
    for (const { fn, message: body } of functions) this.functionBody(body, fn);
    return editor.model;
  }

  private opsets(imports: readonly OperatorSetIdProto[], fn: ModelFunction | null): void {
    for (const { domain, version } of imports) this.editor.setOpsetImport(domain ?? '', toNumber(version), fn);
  }

  private describe(part: Parameters<Editor['describe']>[0], message: DescribedProto, wire: unknown): void {
    const metadata = new Map((message.metadata_props ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
    this.editor.describe(part, {
      docString: message.doc_string,
      metadata,
      wire: wire !== undefined && metadata.size > 0 ? { ...wire, metadata } : wire,
    });
  }

  private declareFunction(message: FunctionProto): ModelFunction {
    const { name = '', domain = '', overload = '' } = message;
    if (this.editor.model.functions.has(functionKey(domain, name, overload))) {
      throw new DiagnosticError({
        code: 'load/duplicate-function',
        message: `function ${domain}:${name} stands twice`,
      });
    }
    const where = `function ${domain}:${name}`;
    const defaults = (message.attribute_proto ?? []).map((proto) => this.simpleAttribute(proto, where));
    const fn = this.editor.addFunction({
      name,
      domain,
      overload,
      attributeNames: message.attribute ?? [],
      attributeDefaults: new Map(defaults.map((attribute) => [attribute.name, attribute])),
    });
    const wire = describedWire(message, leftover(message, functionFields));
    this.describe(fn, message, { ...wire, opsets: message.opset_import });
    this.opsets(message.opset_import ?? [], fn);
    return fn;
  }

  /** A default of a function's attribute: like a node's, but no graph can stand there. */
  private simpleAttribute(proto: Parameters<typeof decodeAttribute>[0], where: string): Attribute {
    return decodeAttribute(proto, where, this.external, () => {
      throw new DiagnosticError({ code: 'load/graph-default', message: 'a graph as default of an attribute', where });
    });
  }

  private functionBody(message: FunctionProto, fn: ModelFunction): void {
    const asGraph: GraphProto = {
      ...(message.node && { node: message.node }),
      ...(message.value_info && { value_info: message.value_info }),
      input: (message.input ?? []).map((name) => ({ name })),
      output: (message.output ?? []).map((name) => ({ name })),
    };
    this.graph(asGraph, fn.graph, undefined, `function ${fn.domain}:${fn.name}`);
    this.editor.setGraphName(fn.graph, `function ${fn.domain}:${fn.name}`);
  }

  private graph(message: GraphProto, graph: Graph, outer: Scope | undefined, path: string): void {
    const { editor } = this;
    const scope: Scope = { values: new Map(), outer };
    const where = `${path}${message.name ? ` "${message.name}"` : ''}`;
    if (message.name !== undefined && graph.name !== message.name) editor.setGraphName(graph, message.name);
    for (const info of message.input ?? []) {
      const name = info.name ?? '';
      this.requireNew(scope, name, where);
      const value = editor.addInput(graph, name, decodeType(info.type, `${where} > input "${name}"`));
      this.define(scope, value, info);
    }
    this.initializers(message, graph, scope, where);
    const infos = this.valueInfos(message.value_info ?? []);
    for (const node of sortNodes(message.node ?? [], where)) this.node(node, graph, scope, infos, where);
    for (const info of message.output ?? []) this.output(info, graph, scope, where);
    this.declare(message.value_info ?? [], scope);
    const rest = leftover(message, graphFields);
    const orphans = (message.value_info ?? []).filter((info) => !scope.values.has(info.name ?? ''));
    const order = orphans.length === 0 ? undefined : message.value_info?.map((info) => info.name ?? '');
    const wire: GraphWire = { ...describedWire(message, rest), orphans, ...(order && { order }) };
    this.describe(graph, message, wire);
  }

  private requireNew(scope: Scope, name: string, where: string): void {
    if (name === '')
      throw new DiagnosticError({ code: 'load/unnamed-value', message: 'a value without a name', where });
    if (scope.values.has(name)) {
      throw new DiagnosticError({ code: 'load/duplicate-name', message: `two values are named "${name}"`, where });
    }
  }

  private define(scope: Scope, value: Value, info: ValueInfoProto | undefined): void {
    scope.values.set(value.name, value);
    if (info !== undefined) {
      this.describe(value, info, valueInfoWire(info));
    }
    if (this.pinned.has(value.name)) this.editor.pin(value);
  }

  private initializers(message: GraphProto, graph: Graph, scope: Scope, where: string): void {
    const given = new Set<string>();
    const add = (name: string, tensor: ReturnType<typeof decodeTensor> | ReturnType<typeof decodeSparseTensor>) => {
      if (given.has(name)) {
        throw new DiagnosticError({
          code: 'load/duplicate-name',
          message: `two initializers are named "${name}"`,
          where,
        });
      }
      given.add(name);
      const input = scope.values.get(name);
      if (input !== undefined) {
        this.editor.setInitializer(input, tensor);
        return;
      }
      this.requireNew(scope, name, where);
      this.define(scope, this.editor.addInitializer(graph, tensor, name), undefined);
    };
    for (const proto of message.initializer ?? []) {
      const name = proto.name ?? '';
      add(name, decodeTensor(proto, `${where} > initializer "${name}"`, this.external));
    }
    for (const proto of message.sparse_initializer ?? []) {
      const name = proto.values?.name ?? '';
      add(name, decodeSparseTensor(proto, `${where} > sparse initializer "${name}"`, this.external));
    }
  }

  private valueInfos(infos: readonly ValueInfoProto[]): Map<string, ValueInfoProto> {
    return new Map(infos.map((info) => [info.name ?? '', info]));
  }

  private node(
    message: NodeProto,
    graph: Graph,
    scope: Scope,
    infos: ReadonlyMap<string, ValueInfoProto>,
    graphWhere: string,
  ): void {
    const { editor } = this;
    const where = `${graphWhere} > ${message.op_type ?? ''} "${message.name || (message.output?.[0] ?? '')}"`;
    const outputNames = message.output ?? [];
    const names = new Set<string>();
    for (const name of outputNames) {
      if (name === '') continue;
      this.requireNew(scope, name, where);
      if (names.has(name)) {
        throw new DiagnosticError({ code: 'load/duplicate-name', message: `two outputs are named "${name}"`, where });
      }
      names.add(name);
    }
    const node = editor.draft({
      graph,
      opType: message.op_type ?? '',
      domain: message.domain ?? '',
      overload: message.overload ?? '',
      name: message.name ?? '',
      inputs: (message.input ?? []).map((name) => (name === '' ? null : this.resolve(scope, name, where))),
      outputs: outputNames.map((name) =>
        name === '' ? null : { name, type: decodeType(infos.get(name)?.type, `${where} > output "${name}"`) },
      ),
    });
    for (const proto of message.attribute ?? []) {
      const attribute = decodeAttribute(proto, where, this.external, (inner) => {
        const subgraph = editor.createSubgraph(node, inner.name ?? '');
        this.graph(inner, subgraph, scope, `${where} > ${proto.name ?? ''}`);
        return subgraph;
      });
      if (node.attributes.has(attribute.name)) {
        throw new DiagnosticError({ code: 'load/duplicate-attribute', message: `"${attribute.name}" twice`, where });
      }
      editor.setAttribute(node, attribute);
    }
    editor.attach(node);
    this.describe(node, message, describedWire(message, leftover(message, nodeFields)));
    for (const output of node.outputs) {
      if (output !== null) this.define(scope, output, infos.get(output.name));
    }
  }

  private resolve(scope: Scope, name: string, where: string): Value {
    const value = lookUp(scope, name);
    if (value !== undefined) return value;
    throw new DiagnosticError({
      code: 'load/undefined-value',
      message: `nothing produces "${name}"`,
      where,
      help: 'The model is broken: each input must name a graph input, an initializer or an earlier output',
    });
  }

  private output(info: ValueInfoProto, graph: Graph, scope: Scope, where: string): OutputSlot {
    const name = info.name ?? '';
    const at = `${where} > output "${name}"`;
    const value = this.resolve(scope, name, at);
    const stated = decodeType(info.type, at);
    const slot = this.editor.addOutput(graph, value, name, stated);
    this.editor.setOutputType(slot, stated);
    if (value.type === undefined && value.graph === graph && stated !== undefined) this.editor.setType(value, stated);
    this.describe(slot, info, valueInfoWire(info));
    return slot;
  }

  /** value_info lists types of intermediate values; the order of the list is kept. */
  private declare(infos: readonly ValueInfoProto[], scope: Scope): void {
    for (const info of infos) {
      const value = scope.values.get(info.name ?? '');
      if (value === undefined) continue;
      this.editor.setDeclared(value, true);
      if (value.producer === null) this.refineDeclared(value, info);
    }
  }

  /** An input or initializer listed in value_info as well. */
  private refineDeclared(value: Value, info: ValueInfoProto): void {
    const type: ValueType | undefined = decodeType(info.type, `value "${value.name}"`);
    if (value.type === undefined && type !== undefined) this.editor.setType(value, type);
    if (value.wire === undefined && value.initializer !== null && !value.isInput) {
      this.editor.setType(value, type ?? tensorType(value.initializer.dtype, value.initializer.dims));
      this.define({ values: new Map(), outer: undefined }, value, info);
    }
  }
}
