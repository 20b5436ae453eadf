import protobuf from 'protobufjs/light.js';

/**
 * The messages of onnx.proto as of ONNX 1.23 (IR version 14): field name → [number, type], a type in brackets repeated.
 * Enumerations are int32, so that values of later versions pass through. The typed data fields of TensorProto are
 * declared as bytes: a packed run then stays a view of the file's buffer, and one that was written unpacked stays
 * among the unknown fields, from where `tensor_codec.ts` reads it.
 */
const messages = {
  ModelProto: {
    ir_version: [1, 'int64'],
    producer_name: [2, 'string'],
    producer_version: [3, 'string'],
    domain: [4, 'string'],
    model_version: [5, 'int64'],
    doc_string: [6, 'string'],
    graph: [7, 'GraphProto'],
    opset_import: [8, '[OperatorSetIdProto]'],
    metadata_props: [14, '[StringStringEntryProto]'],
    training_info: [20, '[TrainingInfoProto]'],
    functions: [25, '[FunctionProto]'],
    configuration: [26, '[DeviceConfigurationProto]'],
  },
  GraphProto: {
    node: [1, '[NodeProto]'],
    name: [2, 'string'],
    initializer: [5, '[TensorProto]'],
    doc_string: [10, 'string'],
    input: [11, '[ValueInfoProto]'],
    output: [12, '[ValueInfoProto]'],
    value_info: [13, '[ValueInfoProto]'],
    quantization_annotation: [14, '[TensorAnnotation]'],
    sparse_initializer: [15, '[SparseTensorProto]'],
    metadata_props: [16, '[StringStringEntryProto]'],
  },
  FunctionProto: {
    name: [1, 'string'],
    input: [4, '[string]'],
    output: [5, '[string]'],
    attribute: [6, '[string]'],
    node: [7, '[NodeProto]'],
    doc_string: [8, 'string'],
    opset_import: [9, '[OperatorSetIdProto]'],
    domain: [10, 'string'],
    attribute_proto: [11, '[AttributeProto]'],
    value_info: [12, '[ValueInfoProto]'],
    overload: [13, 'string'],
    metadata_props: [14, '[StringStringEntryProto]'],
  },
  NodeProto: {
    input: [1, '[string]'],
    output: [2, '[string]'],
    name: [3, 'string'],
    op_type: [4, 'string'],
    attribute: [5, '[AttributeProto]'],
    doc_string: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
    metadata_props: [9, '[StringStringEntryProto]'],
    device_configurations: [10, '[NodeDeviceConfigurationProto]'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, '[float]'],
    ints: [8, '[int64]'],
    strings: [9, '[bytes]'],
    tensors: [10, '[TensorProto]'],
    graphs: [11, '[GraphProto]'],
    doc_string: [13, 'string'],
    tp: [14, 'TypeProto'],
    type_protos: [15, '[TypeProto]'],
    type: [20, 'int32'],
    ref_attr_name: [21, 'string'],
    sparse_tensor: [22, 'SparseTensorProto'],
    sparse_tensors: [23, '[SparseTensorProto]'],
  },
  TensorProto: {
    dims: [1, '[int64]'],
    data_type: [2, 'int32'],
    segment: [3, 'SegmentProto'],
    float_data: [4, '[bytes]'],
    int32_data: [5, '[bytes]'],
    string_data: [6, '[bytes]'],
    int64_data: [7, '[bytes]'],
    name: [8, 'string'],
    raw_data: [9, 'bytes'],
    double_data: [10, '[bytes]'],
    uint64_data: [11, '[bytes]'],
    doc_string: [12, 'string'],
    external_data: [13, '[StringStringEntryProto]'],
    data_location: [14, 'int32'],
    metadata_props: [16, '[StringStringEntryProto]'],
  },
  SparseTensorProto: { values: [1, 'TensorProto'], indices: [2, 'TensorProto'], dims: [3, '[int64]'] },
  SegmentProto: { begin: [1, 'int64'], end: [2, 'int64'] },
  ValueInfoProto: {
    name: [1, 'string'],
    type: [2, 'TypeProto'],
    doc_string: [3, 'string'],
    metadata_props: [4, '[StringStringEntryProto]'],
  },
  TypeProto: {
    tensor_type: [1, 'TensorTypeProto'],
    sequence_type: [4, 'ElementTypeProto'],
    map_type: [5, 'MapTypeProto'],
    denotation: [6, 'string'],
    opaque_type: [7, 'OpaqueTypeProto'],
    sparse_tensor_type: [8, 'TensorTypeProto'],
    optional_type: [9, 'ElementTypeProto'],
  },
  TensorTypeProto: { elem_type: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  ElementTypeProto: { elem_type: [1, 'TypeProto'] },
  MapTypeProto: { key_type: [1, 'int32'], value_type: [2, 'TypeProto'] },
  OpaqueTypeProto: { domain: [1, 'string'], name: [2, 'string'] },
  TensorShapeProto: { dim: [1, '[DimensionProto]'] },
  DimensionProto: { dim_value: [1, 'int64'], dim_param: [2, 'string'], denotation: [3, 'string'] },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  TensorAnnotation: { tensor_name: [1, 'string'], quant_parameter_tensor_names: [2, '[StringStringEntryProto]'] },
  TrainingInfoProto: {
    initialization: [1, 'GraphProto'],
    algorithm: [2, 'GraphProto'],
    initialization_binding: [3, '[StringStringEntryProto]'],
    update_binding: [4, '[StringStringEntryProto]'],
  },
  DeviceConfigurationProto: { name: [1, 'string'], num_devices: [2, 'int32'], device: [3, '[string]'] },
  NodeDeviceConfigurationProto: {
    configuration_id: [1, 'string'],
    sharding_spec: [2, '[ShardingSpecProto]'],
    pipeline_stage: [3, 'int32'],
  },
  ShardingSpecProto: {
    tensor_name: [1, 'string'],
    device: [2, '[int64]'],
    index_to_device_group_map: [3, '[IntIntListEntryProto]'],
    sharded_dim: [4, '[ShardedDimProto]'],
  },
  IntIntListEntryProto: { key: [1, 'int64'], value: [2, '[int64]'] },
  ShardedDimProto: { axis: [1, 'int64'], simple_sharding: [2, '[SimpleShardedDimProto]'] },
  SimpleShardedDimProto: { dim_value: [1, 'int64'], dim_param: [2, 'string'], num_shards: [3, 'int64'] },
} as const satisfies Record<string, Record<string, readonly [number, string]>>;

export type MessageName = keyof typeof messages;

export type FieldSchema = { readonly id: number; readonly type: string; readonly repeated: boolean };

/** The fields of a message, for code that walks the wire itself. */
export function fieldsOf(message: MessageName): Record<string, FieldSchema> {
  return Object.fromEntries(
    Object.entries(messages[message]).map(([name, [id, type]]) => {
      const repeated = type.startsWith('[');
      return [name, { id, type: repeated ? type.slice(1, -1) : type, repeated }];
    }),
  );
}

const messageNames = Object.keys(messages) as readonly MessageName[];

const buildRoot = (): protobuf.Root =>
  protobuf.Root.fromJSON({
    nested: Object.fromEntries(
      messageNames.map((name) => {
        const fields = Object.entries(fieldsOf(name)).map(([field, { id, type, repeated }]) => [
          field,
          { id, type, ...(repeated && { rule: 'repeated', options: { packed: false } }) },
        ]);
        return [name, { edition: 'proto2', fields: Object.fromEntries(fields) }];
      }),
    ),
  });

const root = buildRoot();

const types = new Map<MessageName, protobuf.Type>();

/** Without the defaults that protobufjs lays on prototypes: a field that is not in the file reads as undefined. */
function messageType(name: MessageName): protobuf.Type {
  let type = types.get(name);
  if (type === undefined) {
    for (const each of messageNames) {
      const made = root.lookupType(each);
      for (const field of made.fieldsArray) Reflect.deleteProperty(made.ctor.prototype, field.name);
      types.set(each, made);
    }
    type = root.lookupType(name);
  }
  return type;
}

/** Decodes a message, unknown fields kept; bytes in it are views of `bytes`. Throws what protobufjs throws. */
export function decodeMessage<T>(name: MessageName, bytes: Uint8Array): T {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  return messageType(name).decode(reader) as unknown as T;
}

export const encodeMessage = (name: MessageName, message: object): Uint8Array =>
  messageType(name).encode(message).finish();
