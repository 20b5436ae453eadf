import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../src/calibrate/sources/npy.js';
import { decodeNpz } from '../../../src/calibrate/sources/npz.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { diagnosticOf, values } from './sample_files.js';

/** Written by numpy 2.4; its local headers are zip64. */
const compressed = Buffer.from(
  'UEsDBC0AAAAIAAAAIQBP6QAq//////////8FABQAeC5ucHkBABAAmAAAAAAAAABVAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CsaaOgq1CmQDLgYwaLAHEg5ABMQNQLzAAQBQSwMELQAAAAgAAAAhAD6aFF7//////////woAFABsYWJlbHMubnB5AQAQAIgAAAAAAAAASAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOpo6CrUKFAAuRgYIAABQSwECLQMtAAAACAAAACEAT+kAKlUAAACYAAAABQAAAAAAAAAAAAAAgAEAAAAAeC5ucHlQSwECLQMtAAAACAAAACEAPpoUXkgAAACIAAAACgAAAAAAAAAAAAAAgAGMAAAAbGFiZWxzLm5weVBLBQYAAAAAAgACAGsAAAAQAQAAAAA=',
  'base64',
);
const stored = Buffer.from(
  'UEsDBC0AAAAAAAAAIQDzBVMh//////////8FABQAeC5ucHkBABAAiAAAAAAAAACIAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgyLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAAgD9QSwECLQMtAAAAAAAAACEA8wVTIYgAAACIAAAABQAAAAAAAAAAAAAAgAEAAAAAeC5ucHlQSwUGAAAAAAEAAQAzAAAAvwAAAAAA',
  'base64',
);
const limit = 2 ** 20;

describe('decodeNpz', () => {
  it('reads what numpy.savez_compressed wrote', async () => {
    const arrays = await decodeNpz(compressed, 'a.npz', limit);
    expect([...arrays.keys()]).toEqual(['x', 'labels']);
    expect(values(arrays.get('x'))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(values(arrays.get('labels'))).toEqual([1n]);
  });

  it('reads what numpy.savez stored', async () => {
    expect(values((await decodeNpz(stored, 'a.npz', limit)).get('x'))).toEqual([0, 1]);
  });

  it('takes keys for names, never for paths', async () => {
    const name = '../../a/b:0';
    const arrays = await decodeNpz(zipSync({ [`${name}.npy`]: writeNpy(floatTensor([1])) }), 'a.npz', limit);
    expect([...arrays.keys()]).toEqual([name]);
  });

  it('reads an archive without arrays', async () => {
    expect((await decodeNpz(zipSync({}), 'a.npz', limit)).size).toBe(0);
  });

  it('unpacks nothing where the arrays together pass the limit', async () => {
    const zeros = writeNpy(floatTensor(new Float32Array(100_000)));
    const bomb = zipSync({ 'a.npy': zeros, 'b.npy': zeros, 'c.npy': zeros });
    expect(bomb.length).toBeLessThan(5000);
    expect(await diagnosticOf(decodeNpz(bomb, 'a.npz', limit))).toMatchObject({
      code: 'data/too-large',
      where: 'a.npz',
    });
    expect((await decodeNpz(bomb, 'a.npz', 2 * limit)).size).toBe(3);
  });

  it('unpacks no more than the directory announces', async () => {
    const bomb = Buffer.from(zipSync({ 'a.npy': writeNpy(floatTensor(new Float32Array(100_000))) }));
    const directory = bomb.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    bomb.writeUInt32LE(200, directory + 24);
    expect((await diagnosticOf(decodeNpz(bomb, 'a.npz', limit))).code).toBe('data/malformed-npy');
  });

  it('refuses an entry that unpacks to less than was announced', async () => {
    const short = Buffer.from(zipSync({ 'a.npy': writeNpy(floatTensor([1])) }));
    const directory = short.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    short.writeUInt32LE(200, directory + 24);
    expect((await diagnosticOf(decodeNpz(short, 'a.npz', limit))).code).toMatch(/^data\/malformed-np[yz]$/);
  });

  it('refuses entries that are no arrays', async () => {
    const bytes = zipSync({ 'readme.txt': new Uint8Array(3) });
    expect(await diagnosticOf(decodeNpz(bytes, 'a.npz', limit))).toMatchObject({
      code: 'data/malformed-npz',
      message: expect.stringContaining('readme.txt'),
    });
  });

  it('refuses two entries of one name', async () => {
    const array = writeNpy(floatTensor([1]));
    const bytes = Buffer.from(zipSync({ 'a.npy': array, 'b.npy': array }, { level: 0 }));
    const directory = bytes.lastIndexOf('b.npy', undefined, 'latin1');
    bytes.write('a.npy', directory, 'latin1');
    expect((await diagnosticOf(decodeNpz(bytes, 'a.npz', limit))).message).toContain('two entries');
  });

  it('names the array that is malformed', async () => {
    const bytes = zipSync({ 'x.npy': new Uint8Array(4) });
    expect(await diagnosticOf(decodeNpz(bytes, 'a.npz', limit))).toMatchObject({
      code: 'data/malformed-npy',
      where: 'a.npz["x"]',
    });
  });

  it('refuses compression other than deflate', async () => {
    const bytes = Buffer.from(zipSync({ 'x.npy': writeNpy(floatTensor([1])) }));
    bytes.writeUInt16LE(14, bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1') + 10);
    expect((await diagnosticOf(decodeNpz(bytes, 'a.npz', limit))).code).toBe('data/malformed-npz');
  });

  it('does not follow a directory that announces entries without end', async () => {
    const bytes = Buffer.from(zipSync({ 'x.npy': writeNpy(floatTensor([1])) }));
    bytes.writeUInt16LE(0xffff, bytes.length - 22 + 8);
    expect((await diagnosticOf(decodeNpz(bytes, 'a.npz', limit))).code).toBe('data/malformed-npz');
  });

  it('refuses an archive cut at any byte', async () => {
    for (const bytes of [compressed, stored]) {
      for (let length = 0; length < bytes.length; length++) {
        const { code } = await diagnosticOf(decodeNpz(bytes.subarray(0, length), 'a.npz', limit));
        expect(code).toBe('data/malformed-npz');
      }
    }
  });

  it('meets any changed byte with a diagnostic or arrays', async () => {
    for (const bytes of [compressed, stored]) {
      for (let at = 0; at < bytes.length; at++) {
        for (const value of [0, 0x7f, 0xff, bytes[at]! ^ 1, bytes[at]! ^ 0x10]) {
          const mutated = Uint8Array.from(bytes);
          mutated[at] = value;
          await decodeNpz(mutated, 'a.npz', limit).catch((error: unknown) =>
            expect(error).toBeInstanceOf(DiagnosticError),
          );
        }
      }
    }
  });
});
