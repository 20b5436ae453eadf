import { dataTypeBits } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { type Tensor, tensorFromBytes } from '../../ir/tensor.js';
import {
  malformedNpy,
  type NpyHeader,
  npyPrefixBytes,
  npyTypes,
  parseNpyHeader,
  requireNpySize,
} from './npy_header.js';

/**
 * The array of an NPY file, row-major and little-endian whatever the file's order was. Where the file is so already,
 * the tensor is a view of `bytes`.
 * @param where names the file in messages.
 * @throws DiagnosticError `data/malformed-npy`.
 */
export function decodeNpy(bytes: Uint8Array, where: string): Tensor {
  const header = parseNpyHeader(bytes.subarray(0, npyPrefixBytes), where);
  requireNpySize(header, bytes.length, where);
  return npyTensor(header, header.dims, bytes.subarray(header.dataOffset), where);
}

/**
 * A tensor of the elements in `bytes`, which are in the file's byte and axis order.
 * @param dims the header's, or a number of rows of them.
 */
export function npyTensor(header: NpyHeader, dims: readonly number[], bytes: Uint8Array, where: string): Tensor {
  const { dtype } = header;
  if (dtype === 'bool' && bytes.some((byte) => byte > 1)) {
    throw malformedNpy('a bool array holds bytes other than 0 and 1', where);
  }
  const little = header.bigEndian
    ? swapped(bytes, dtype.startsWith('complex') ? 2 : 1, dataTypeBits(dtype) / 8)
    : bytes;
  const ordered = header.fortranOrder && dims.length > 1 ? rowMajor(little, dims, dataTypeBits(dtype) / 8) : little;
  return tensorFromBytes(dtype, dims, ordered);
}

/** A copy with the bytes of every number reversed; an element is `parts` numbers. */
function swapped(bytes: Uint8Array, parts: number, elementBytes: number): Uint8Array {
  const copy = Buffer.from(Uint8Array.from(bytes).buffer);
  switch (elementBytes / parts) {
    case 2:
      return copy.swap16();
    case 4:
      return copy.swap32();
    default:
      return copy.swap64();
  }
}

/** Column-major (the first axis varies fastest) to row-major (the last one does). */
function rowMajor(bytes: Uint8Array, dims: readonly number[], elementBytes: number): Uint8Array {
  const ordered = new Uint8Array(bytes.length);
  const strides = dims.map((_, axis) => dims.slice(0, axis).reduce((product, dim) => product * dim, elementBytes));
  const position = dims.map(() => 0);
  let source = 0;
  for (let target = 0; target < bytes.length; target += elementBytes) {
    for (let byte = 0; byte < elementBytes; byte++) ordered[target + byte] = bytes[source + byte]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      position[axis]! += 1;
      if (position[axis]! < dims[axis]!) break;
      source -= strides[axis]! * dims[axis]!;
      position[axis] = 0;
    }
  }
  return ordered;
}

const npyNames = new Map([...npyTypes].map(([name, dtype]) => [dtype, name]));

/**
 * The tensor as an NPY file, version 1.0, row-major and little-endian: what `numpy.load` reads.
 * @throws DiagnosticError `data/no-npy-type` for element types NumPy lacks: strings, bfloat16, and below 8 bits.
 */
export function writeNpy(tensor: Tensor): Uint8Array {
  const name = npyNames.get(tensor.dtype);
  if (name === undefined) {
    throw new DiagnosticError({
      code: 'data/no-npy-type',
      message: `an NPY file cannot hold ${tensor.dtype}`,
      help: 'Cast the tensor to float or to an integer type of at least 8 bits',
    });
  }
  const descr = `${dataTypeBits(tensor.dtype) > 8 ? '<' : '|'}${name}`;
  const dims = tensor.dims.length === 1 ? `${tensor.dims[0]},` : tensor.dims.join(', ');
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  // The data begins at a multiple of 64, so that it can be mapped into memory.
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const head = Buffer.alloc(10 + length, ' ');
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(length, 8);
  head.write(dictionary, 10, 'latin1');
  head.write('\n', head.length - 1, 'latin1');
  const file = new Uint8Array(head.length + tensor.byteLength);
  file.set(head);
  file.set(tensor.storage.bytes(), head.length);
  return file;
}
