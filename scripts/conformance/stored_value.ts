import fs from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs/light.js';
import { type DataType, dataTypeOfCode } from '../../src/ir/data_type.js';
import { type Int64, type TensorProto, toNumber } from '../../src/ir/onnx/messages.js';
import { decodeMessage } from '../../src/ir/onnx/schema.js';
import { decodeTensorProto } from '../../src/ir/onnx/tensor_codec.js';
import type { Tensor } from '../../src/ir/tensor.js';
import type { ValueType } from '../../src/ir/value_type.js';

/** The type of a stored value; of a sequence and of an optional, all that is in it. */
export type StoredValue =
  | { readonly kind: 'tensor'; readonly dtype: DataType | undefined; readonly dims: readonly number[] }
  | { readonly kind: 'sequence' | 'optional'; readonly members: readonly StoredValue[] };

/** `input_0.pb`, `output_3.pb` and so on of a data set, read as a value of the declared kind; undefined without a file. */
export function storedValue(
  set: string,
  slot: 'input' | 'output',
  index: number,
  declared: ValueType | undefined,
): StoredValue | undefined {
  const file = path.join(set, `${slot}_${index}.pb`);
  return fs.existsSync(file) ? readValue(fs.readFileSync(file), declared?.kind) : undefined;
}

/** The tensor of that name in a data set; undefined without a file. */
export function storedTensor(set: string, slot: 'input' | 'output', index: number): Tensor | undefined {
  const file = path.join(set, `${slot}_${index}.pb`);
  return fs.existsSync(file) ? decodeTensorProto(fs.readFileSync(file)) : undefined;
}

function readValue(bytes: Uint8Array, kind: ValueType['kind'] | undefined): StoredValue {
  if (kind === 'sequence') return { kind, members: members(bytes, { 3: 'tensor', 5: 'sequence', 7: 'optional' }) };
  if (kind === 'optional') return { kind, members: members(bytes, { 3: 'tensor', 5: 'sequence', 7: 'optional' }) };
  const message = decodeMessage<TensorProto>('TensorProto', bytes);
  return {
    kind: 'tensor',
    dtype: dataTypeOfCode(message.data_type ?? 0),
    dims: (message.dims ?? []).map((dim: Int64) => toNumber(dim)),
  };
}

/** SequenceProto and OptionalProto (onnx-data.proto) number their values alike. */
function members(bytes: Uint8Array, kinds: Readonly<Record<number, ValueType['kind']>>): StoredValue[] {
  const reader = protobuf.Reader.create(bytes);
  const found: StoredValue[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const kind = kinds[tag >>> 3];
    if (kind !== undefined) found.push(readValue(reader.bytes(), kind));
    else reader.skipType(tag & 7);
  }
  return found;
}
