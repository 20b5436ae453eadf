import { type FieldSchema, fieldsOf, type MessageName } from './schema.js';
import { countVarints } from './varint.js';

type WireField = { readonly wireType: number; readonly bytes: Uint8Array };

/**
 * Compares two serialized messages field by field, unknown fields included, and says where they first differ: the
 * order of different fields and how repeated numbers are packed carry no meaning, everything else does.
 * @returns a path such as `graph.node[3].attribute[0].f`, or undefined where they are equal.
 */
export function firstDifference(a: Uint8Array, b: Uint8Array, message: MessageName = 'ModelProto'): string | undefined {
  return compareMessage(a, b, message, '');
}

function compareMessage(a: Uint8Array, b: Uint8Array, message: MessageName, path: string): string | undefined {
  if (Buffer.compare(a, b) === 0) return undefined;
  const left = readFields(a);
  const right = readFields(b);
  const schema = new Map(Object.entries(fieldsOf(message)).map(([name, field]) => [field.id, { name, ...field }]));
  for (const id of new Set([...left.keys(), ...right.keys()])) {
    const field = schema.get(id);
    const at = `${path}${path === '' ? '' : '.'}${field?.name ?? `#${id}`}`;
    const difference = compareField(left.get(id) ?? [], right.get(id) ?? [], field, at);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function compareField(
  a: readonly WireField[],
  b: readonly WireField[],
  field: FieldSchema | undefined,
  path: string,
): string | undefined {
  const left = field?.repeated ? a.flatMap((value) => unpack(value, field.type)) : a;
  const right = field?.repeated ? b.flatMap((value) => unpack(value, field.type)) : b;
  if (left.length !== right.length) return `${path}: ${left.length} against ${right.length} values`;
  for (const [index, value] of left.entries()) {
    const other = right[index]!;
    const at = field?.repeated ? `${path}[${index}]` : path;
    if (value.wireType !== other.wireType) return `${at}: wire type`;
    if (field !== undefined && isMessage(field.type)) {
      const difference = compareMessage(value.bytes, other.bytes, field.type, at);
      if (difference !== undefined) return difference;
    } else if (Buffer.compare(value.bytes, other.bytes) !== 0) return at;
  }
  return undefined;
}

const isMessage = (type: string): type is MessageName => type.endsWith('Proto') || type === 'TensorAnnotation';

/** A packed run of numbers as the single values it stands for. */
function unpack(field: WireField, type: string): WireField[] {
  if (field.wireType !== 2 || !['int64', 'float'].includes(type)) return [field];
  if (type === 'float') {
    const count = field.bytes.length / 4;
    return Array.from({ length: count }, (_, i) => ({ wireType: 5, bytes: field.bytes.subarray(i * 4, i * 4 + 4) }));
  }
  const values: WireField[] = [];
  let start = 0;
  for (let count = countVarints(field.bytes); count > 0; count -= 1) {
    let end = start;
    while (field.bytes[end]! >= 0x80) end += 1;
    values.push({ wireType: 0, bytes: field.bytes.subarray(start, end + 1) });
    start = end + 1;
  }
  return values;
}

function readFields(bytes: Uint8Array): Map<number, WireField[]> {
  const fields = new Map<number, WireField[]>();
  let position = 0;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[position];
      if (byte === undefined) throw new RangeError('message ends inside a number');
      position += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  while (position < bytes.length) {
    const tag = varint();
    const wireType = tag % 8;
    let start = position;
    if (wireType === 0) varint();
    else if (wireType === 1) position += 8;
    else if (wireType === 5) position += 4;
    else if (wireType === 2) {
      const length = varint();
      start = position;
      position += length;
    } else throw new RangeError(`wire type ${wireType}`);
    const id = Math.floor(tag / 8);
    const list = fields.get(id);
    const field = { wireType, bytes: bytes.subarray(start, position) };
    if (list === undefined) fields.set(id, [field]);
    else list.push(field);
  }
  return fields;
}
