// com.microsoft.MatMulNBits(x, B, scales) => MatMul(x, DequantizeLinear(W, scales)), scales by block of the sums
import { getInt, intAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { dataTypeBits } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import { elementCount, type Tensor, tensorFromBytes } from '../../../ir/tensor.js';
import { inputOf, type Unfusing } from './unfusing.js';

/** DequantizeLinear has blocks and 4 bits from this opset on. */
const blocksSince = 21;

type Sizes = { readonly sums: number; readonly outputs: number; readonly blockSize: number; readonly blocks: number };

export const matmulNBits: Unfusing = {
  domain: 'com.microsoft',
  opType: 'MatMulNBits',
  since: blocksSince,
  plan(node) {
    const [x, packed, scales, zeroPoints, order, bias] = [0, 1, 2, 3, 4, 5].map((index) => inputOf(node, index));
    if (x == null) return 'an input is missing';
    if (getInt(node, 'bits', 4) !== 4) return 'its weights are not of 4 bits';
    if (order != null) return 'the order of its blocks is given';
    if (getInt(node, 'weight_prepacked', 0) !== 0) return 'its weights are laid out for one processor';
    const [b, s, z] = [packed, scales, zeroPoints].map((value) => constantTensor(value));
    if (b === undefined || s === undefined || (zeroPoints != null && z === undefined))
      return 'its weights are not constant';
    if (z !== undefined && z.dtype !== 'uint8') return 'its zero points are not of 4 bits';
    const sizes = sizesOf(node);
    const { outputs, blocks, blockSize } = sizes;
    if (elementCount(b.dims) !== outputs * blocks * (blockSize / 2))
      return 'its weights are of another size than it says';
    if (elementCount(s.dims) !== outputs * blocks) return 'its scales are not one for each block';
    return (spelling) => {
      const weight = spelling.constant(weightOf(b, sizes, z === undefined), 'weight');
      const operands: Value[] = [weight, spelling.constant(scalesOf(s, sizes), 'scales')];
      if (z !== undefined) operands.push(spelling.constant(zeroPointOf(z, sizes), 'zero_point'));
      const attributes = [intAttribute('axis', 0), intAttribute('block_size', blockSize)];
      const product = spelling.op('MatMul', [x, spelling.op('DequantizeLinear', operands, ...attributes)]);
      return [bias == null ? product : spelling.op('Add', [product, bias])];
    };
  },
};

function sizesOf(node: Node): Sizes {
  const [sums, outputs, blockSize] = ['K', 'N', 'block_size'].map((name) => getInt(node, name, 0));
  return { sums: sums!, outputs: outputs!, blockSize: blockSize!, blocks: Math.ceil(sums! / blockSize!) };
}

/**
 * [N, blocks, block bytes] of unsigned 4-bit numbers, low half first, as [K, N]. Around the zero point of 8, which is
 * meant where none is given, they are signed numbers around 0.
 */
function weightOf(packed: Tensor, { sums, outputs, blocks, blockSize }: Sizes, isSigned: boolean): Tensor {
  const bytes = packed.storage.bytes();
  const rowBytes = blocks * (blockSize / 2);
  const half = (row: number, at: number) => (bytes[row * rowBytes + (at >> 1)]! >> (4 * (at & 1))) & 15;
  const flip = isSigned ? 8 : 0;
  return fourBits(isSigned ? 'int4' : 'uint4', [sums, outputs], (at, row) => half(row, at) ^ flip);
}

/** [N, blocks] as [blocks, N]. */
function scalesOf(scales: Tensor, { outputs, blocks }: Sizes): Tensor {
  const bytes = scales.storage.bytes();
  const width = dataTypeBits(scales.dtype) / 8;
  const turned = new Uint8Array(bytes.length);
  for (let row = 0; row < outputs; row += 1) {
    for (let block = 0; block < blocks; block += 1) {
      const from = (row * blocks + block) * width;
      turned.set(bytes.subarray(from, from + width), (block * outputs + row) * width);
    }
  }
  return tensorFromBytes(scales.dtype, [blocks, outputs], turned);
}

/** [N, ⌈blocks / 2⌉] bytes, low half first, as [blocks, N]. */
function zeroPointOf(packed: Tensor, { outputs, blocks }: Sizes): Tensor {
  const bytes = packed.storage.bytes();
  const rowBytes = Math.ceil(blocks / 2);
  return fourBits(
    'uint4',
    [blocks, outputs],
    (block, row) => (bytes[row * rowBytes + (block >> 1)]! >> (4 * (block & 1))) & 15,
  );
}

function fourBits(
  dtype: 'int4' | 'uint4',
  dims: readonly [number, number],
  at: (row: number, column: number) => number,
): Tensor {
  const [rows, columns] = dims;
  const bytes = new Uint8Array(Math.ceil((rows * columns) / 2));
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const index = row * columns + column;
      bytes[index >> 1]! |= at(row, column) << (4 * (index & 1));
    }
  }
  return tensorFromBytes(dtype, dims, bytes);
}
