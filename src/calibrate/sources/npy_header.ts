import type { DataType } from '../../ir/data_type.js';
import { dataTypeBits } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';

/**
 * What an NPY file says of its array, versions 1.0 to 3.0 of the format:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export type NpyHeader = {
  readonly dtype: DataType;
  readonly bigEndian: boolean;
  readonly fortranOrder: boolean;
  readonly dims: readonly number[];
  /** Where the array begins in the file, in bytes. */
  readonly dataOffset: number;
  /** Bytes of the array. */
  readonly byteLength: number;
};

/** The longest header that is read; those NumPy writes for plain arrays take 128 bytes. */
const maxHeaderBytes = 65_536;
const maxRank = 64;

/** A prefix of this length holds every header that is accepted. */
export const npyPrefixBytes = 12 + maxHeaderBytes;

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

export const npyTypes: ReadonlyMap<string, DataType> = new Map([
  ['b1', 'bool'],
  ['i1', 'int8'],
  ['i2', 'int16'],
  ['i4', 'int32'],
  ['i8', 'int64'],
  ['u1', 'uint8'],
  ['u2', 'uint16'],
  ['u4', 'uint32'],
  ['u8', 'uint64'],
  ['f2', 'float16'],
  ['f4', 'float'],
  ['f8', 'double'],
  ['c8', 'complex64'],
  ['c16', 'complex128'],
]);

/**
 * Reads the header at the start of an NPY file; nothing in it is evaluated.
 * @param prefix the first `npyPrefixBytes` of the file, or all of it.
 * @throws DiagnosticError `data/malformed-npy`.
 */
export function parseNpyHeader(prefix: Uint8Array, where: string): NpyHeader {
  if (prefix.length < 10 || magic.some((byte, index) => prefix[index] !== byte)) {
    throw malformedNpy('this is not an NPY file', where);
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const major = prefix[6]!;
  if (major < 1 || major > 3 || prefix[7] !== 0) {
    throw malformedNpy(`NPY version ${major}.${prefix[7]} is not known`, where);
  }
  const start = major === 1 ? 10 : 12;
  if (prefix.length < start) throw malformedNpy('the file ends inside its header', where);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > maxHeaderBytes) throw malformedNpy(`a header of ${length} bytes, more than ${maxHeaderBytes}`, where);
  if (prefix.length < start + length) throw malformedNpy('the file ends inside its header', where);
  const text = Buffer.from(prefix.buffer, prefix.byteOffset + start, length).toString('latin1');
  const { descr, fortranOrder, dims } = parseDictionary(text, where);
  const { dtype, bigEndian } = elementType(descr, where);
  const byteLength = arrayBytes(dims, dataTypeBits(dtype) / 8, where);
  return { dtype, bigEndian, fortranOrder, dims, dataOffset: start + length, byteLength };
}

/**
 * Checks that a file of `size` bytes holds the header and the array, and nothing more.
 * @throws DiagnosticError `data/malformed-npy`.
 */
export function requireNpySize({ dataOffset, byteLength }: NpyHeader, size: number, where: string): void {
  const held = size - dataOffset;
  if (held === byteLength) return;
  const what = held < byteLength ? 'the file is cut short' : 'more follows the array';
  throw malformedNpy(`${what}: the header announces ${byteLength} bytes of data, the file holds ${held}`, where);
}

export const malformedNpy = (
  message: string,
  where: string,
  help = 'Write the array again with numpy.save',
): DiagnosticError => new DiagnosticError({ code: 'data/malformed-npy', message, where, help });

function elementType(descr: string, where: string): { dtype: DataType; bigEndian: boolean } {
  const [, order, name] = /^([<>|])([a-zA-Z]\d+)$/.exec(descr) ?? [];
  const dtype = name === undefined ? undefined : npyTypes.get(name);
  const wide = dtype !== undefined && dataTypeBits(dtype) > 8;
  if (dtype === undefined || (wide && order === '|')) {
    const known = [...npyTypes.keys()].join(' ');
    throw malformedNpy(`elements of type "${descr}" are not read`, where, `Save the array as one of ${known}`);
  }
  return { dtype, bigEndian: wide && order === '>' };
}

function arrayBytes(dims: readonly number[], elementBytes: number, where: string): number {
  let bytes = elementBytes;
  for (const dim of dims) {
    bytes *= dim;
    if (!Number.isSafeInteger(bytes)) throw malformedNpy(`no array has the shape [${dims.join(', ')}]`, where);
  }
  return bytes;
}

type Dictionary = { readonly descr: string; readonly fortranOrder: boolean; readonly dims: readonly number[] };

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`: these three keys, each once, in any order. */
function parseDictionary(text: string, where: string): Dictionary {
  const next = tokenizer(text, where);
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let dims: number[] | undefined;
  const fault = (what: string): DiagnosticError => malformedNpy(`the header ${what}`, where);
  const quoted = (token: string): string | undefined => (/^['"]/.test(token) ? token.slice(1, -1) : undefined);
  if (next() !== '{') throw fault('is no dictionary');
  for (let token = next(); token !== '}'; ) {
    const key = quoted(token);
    if (next() !== ':') throw fault('is no dictionary');
    const value = next();
    if (key === 'descr' && descr === undefined) {
      descr = quoted(value);
      if (descr === undefined) throw malformedNpy('arrays of records are not read', where, 'Save one array per field');
    } else if (key === 'fortran_order' && fortranOrder === undefined && /^(True|False)$/.test(value)) {
      fortranOrder = value === 'True';
    } else if (key === 'shape' && dims === undefined && value === '(') {
      dims = parseDims(next, fault);
    } else {
      throw fault(`has an entry "${key ?? token}" that does not belong there`);
    }
    token = next();
    if (token === ',') token = next();
    else if (token !== '}') throw fault('lacks a comma');
  }
  if (next() !== '') throw fault('goes on after its end');
  if (descr === undefined || fortranOrder === undefined || dims === undefined) {
    throw fault('lacks descr, fortran_order or shape');
  }
  return { descr, fortranOrder, dims };
}

/** What follows `(`: Python writes one dimension as `(3,)`, and none as `()`. */
function parseDims(next: () => string, fault: (what: string) => DiagnosticError): number[] {
  const dims: number[] = [];
  for (let token = next(); token !== ')'; ) {
    const dim = /^\d/.test(token) ? Number.parseInt(token, 10) : Number.NaN;
    if (!Number.isSafeInteger(dim)) throw fault('has a shape that is no tuple of numbers');
    if (dims.push(dim) > maxRank) throw fault(`has more than ${maxRank} dimensions`);
    token = next();
    if (token === ',') token = next();
    else if (token !== ')' || dims.length === 1) throw fault('has a shape that is no tuple of numbers');
  }
  return dims;
}

/** Gives one token a call, and an empty text at the end. Python 2 wrote long integers as `3L`. */
function tokenizer(text: string, where: string): () => string {
  const pattern = /[ \t\r\n]*(?:([{}()[\],:]|'[^'\\]*'|"[^"\\]*"|True|False)|(\d{1,16})L?(?!\w)|$)/y;
  return () => {
    const match = pattern.exec(text);
    if (match === null) throw malformedNpy('the header is not in the form NumPy writes', where);
    return match[1] ?? match[2] ?? '';
  };
}
