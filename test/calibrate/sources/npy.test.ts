import { describe, expect, it } from 'vitest';
import { decodeNpy, writeNpy } from '../../../src/calibrate/sources/npy.js';
import { dataTypeBits } from '../../../src/ir/data_type.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { floatTensor, tensorFromBytes } from '../../../src/ir/tensor.js';
import { diagnosticOf, npyDtypes, rawNpy, values } from './sample_files.js';

/** Files that numpy.save 2.4 wrote, but for version 2 and 3, which numpy.lib.format.write_array was asked for. */
const numpy = {
  fortran:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAwABAAQAAgAFAABAA0ABQARAAkAFQACAA4ABgASAAoAFgADAA8ABwATAAsAFwA=',
  bigEndian:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/+AAAAAAAAMACAAAAAAAAAAAAAAAAAABCAqBfIAAAAA==',
  version2:
    'k05VTVBZAgB0AAAAeydkZXNjcic6ICc8dTQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMywpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAQAAAAIAAAA=',
  version3:
    'k05VTVBZAwB0AAAAeydkZXNjcic6ICc8aTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoHAAAAAAAAAA==',
  bigEndianFortran:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAQEAAAD+AAABAgAAAQAAAAECgAAA=',
  bigEndianComplex:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmM4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/gAAAQAAAAA==',
  record:
    'k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxmNCcpXSwgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAA',
  text: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAA==',
} as const;

const written = (name: keyof typeof numpy): Uint8Array => Buffer.from(numpy[name], 'base64');

const plainHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";

describe('decodeNpy', () => {
  it('brings column-major arrays into row-major order', () => {
    const tensor = decodeNpy(written('fortran'), 'a.npy');
    expect(tensor).toMatchObject({ dtype: 'int16', dims: [2, 3, 4] });
    expect(values(tensor)).toEqual(Array.from({ length: 24 }, (_, index) => index));
  });

  it('reads big-endian numbers', () => {
    expect(values(decodeNpy(written('bigEndian'), 'a.npy'))).toEqual([1.5, -2.25, 0, 1e10]);
    expect(values(decodeNpy(written('bigEndianFortran'), 'a.npy'))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('swaps the bytes of both parts of big-endian complex numbers', () => {
    const tensor = decodeNpy(written('bigEndianComplex'), 'a.npy');
    expect(tensor.dtype).toBe('complex64');
    expect(values(tensor)).toEqual([1, 2]);
  });

  it('reads versions 2 and 3, and scalars', () => {
    expect(values(decodeNpy(written('version2'), 'a.npy'))).toEqual([0, 1, 2]);
    const scalar = decodeNpy(written('version3'), 'a.npy');
    expect(scalar).toMatchObject({ dtype: 'int64', dims: [] });
    expect(values(scalar)).toEqual([7n]);
  });

  it('gives float16 as bits', () => {
    const header = "{'descr': '>f2', 'fortran_order': False, 'shape': (2,), }";
    const tensor = decodeNpy(rawNpy(header, [0x3c, 0x00, 0xc0, 0x00]), 'a.npy');
    expect(tensor.dtype).toBe('float16');
    expect(values(tensor)).toEqual([0x3c00, 0xc000]);
  });

  it('reads headers in the other forms that NumPy has written', () => {
    const python2 = `{"descr": "<f4", "shape": (2L, 1L), "fortran_order": False}`;
    expect(decodeNpy(rawNpy(python2, new Uint8Array(8)), 'a.npy').dims).toEqual([2, 1]);
  });

  it('reads arrays without elements', () => {
    const header = "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 3), }";
    expect(decodeNpy(rawNpy(header), 'a.npy')).toMatchObject({ dims: [0, 3], byteLength: 0 });
  });

  it('does not change the bytes it was given', () => {
    const bytes = written('bigEndian');
    decodeNpy(bytes, 'a.npy');
    expect(bytes).toEqual(written('bigEndian'));
  });
});

describe('decodeNpy on files it refuses', () => {
  it.each(['record', 'text'] as const)('says what a %s array is not', async (name) => {
    expect(await diagnosticOf(() => decodeNpy(written(name), 'a.npy'))).toMatchObject({
      code: 'data/malformed-npy',
      where: 'a.npy',
      help: expect.stringContaining('Save'),
    });
  });

  it.each([
    ['an object array', "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }"],
    ['an element type without its byte order', "{'descr': '|f4', 'fortran_order': False, 'shape': (2,), }"],
    ['a missing key', "{'descr': '<f4', 'shape': (2,), }"],
    ['a key twice', "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"],
    ['an unknown key', "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': True}"],
    ['an expression', "{'descr': '<f4', 'fortran_order': False, 'shape': (1+1,), }"],
    ['a negative dimension', "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"],
    ['a number for a tuple', "{'descr': '<f4', 'fortran_order': False, 'shape': (2), }"],
    ['text after the dictionary', `${plainHeader.trim()} x`],
    ['an unclosed dictionary', "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), "],
    ['a missing comma', "{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }"],
    ['too many dimensions', `{'descr': '<f4', 'fortran_order': False, 'shape': (${'1, '.repeat(65)}), }`],
    ['no header', ''],
    ['a number past 2^53', "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999,), }"],
    ['a product past 2^53', "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999), }"],
    ['a long run of spaces', `${' '.repeat(60_000)}!`],
  ])('refuses %s in the header', async (_, header) => {
    expect(await diagnosticOf(() => decodeNpy(rawNpy(header, new Uint8Array(8)), 'a.npy'))).toMatchObject({
      code: 'data/malformed-npy',
    });
  });

  it('refuses unknown versions', async () => {
    for (const version of [
      [0, 0],
      [4, 0],
      [1, 1],
    ]) {
      const bytes = rawNpy(plainHeader, new Uint8Array(8), version);
      expect((await diagnosticOf(() => decodeNpy(bytes, 'a.npy'))).message).toContain('version');
    }
  });

  it('refuses a header longer than 64 KiB', async () => {
    const bytes = rawNpy(plainHeader.padEnd(70_000), new Uint8Array(8), [2, 0]);
    expect((await diagnosticOf(() => decodeNpy(bytes, 'a.npy'))).message).toContain('70000 bytes');
  });

  it('refuses a huge shape that the file does not hold, without allocating it', async () => {
    const header = "{'descr': '<f4', 'fortran_order': True, 'shape': (99999999, 99999), }";
    expect((await diagnosticOf(() => decodeNpy(rawNpy(header), 'a.npy'))).message).toContain('cut short');
  });

  it('refuses bytes after the array', async () => {
    const bytes = rawNpy(plainHeader, new Uint8Array(9));
    expect((await diagnosticOf(() => decodeNpy(bytes, 'a.npy'))).message).toContain('more follows');
  });

  it('refuses bools other than 0 and 1', async () => {
    const header = "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }";
    expect(values(decodeNpy(rawNpy(header, [0, 1]), 'a.npy'))).toEqual([0, 1]);
    expect((await diagnosticOf(() => decodeNpy(rawNpy(header, [0, 2]), 'a.npy'))).message).toContain('bool');
  });

  it('refuses a file cut at any byte', async () => {
    for (const name of ['fortran', 'version2'] as const) {
      const bytes = written(name);
      for (let length = 0; length < bytes.length; length++) {
        const { code } = await diagnosticOf(() => decodeNpy(bytes.subarray(0, length), 'a.npy'));
        expect(code).toBe('data/malformed-npy');
      }
    }
  });

  it('meets any changed byte with a diagnostic or an array', () => {
    const bytes = written('bigEndianFortran');
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 0x20, 0x27, 0x28, 0x2c, 0x39, 0x7f, 0xff, bytes[at]! ^ 1, bytes[at]! ^ 0x80]) {
        const mutated = Uint8Array.from(bytes);
        mutated[at] = value;
        try {
          decodeNpy(mutated, 'a.npy');
        } catch (error) {
          expect(error).toBeInstanceOf(DiagnosticError);
        }
      }
    }
  });
});

describe('writeNpy', () => {
  it('writes what numpy.save writes', () => {
    const tensor = floatTensor([0, 1], [2]);
    const header = `${"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".padEnd(0x75)}\n`;
    expect(Buffer.from(writeNpy(tensor))).toEqual(rawNpy(header, [0, 0, 0, 0, 0, 0, 0x80, 0x3f]));
  });

  it.each(npyDtypes)('writes %s so that it is read back', (dtype) => {
    for (const dims of [[], [3], [2, 0], [2, 1, 3]]) {
      const count = dims.reduce((product, dim) => product * dim, 1);
      const bytes = Uint8Array.from({ length: (count * dataTypeBits(dtype)) / 8 }, (_, index) =>
        dtype === 'bool' ? index % 2 : index * 37,
      );
      const tensor = decodeNpy(writeNpy(tensorFromBytes(dtype, dims, bytes)), 'a.npy');
      expect(tensor).toMatchObject({ dtype, dims });
      expect(Buffer.from(tensor.storage.bytes())).toEqual(Buffer.from(bytes));
    }
  });

  it('refuses types that NumPy lacks', async () => {
    const tensor = tensorFromBytes('bfloat16', [1], new Uint8Array(2));
    expect(await diagnosticOf(() => writeNpy(tensor))).toMatchObject({ code: 'data/no-npy-type' });
  });
});
