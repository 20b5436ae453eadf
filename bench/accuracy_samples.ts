import fs from 'node:fs';
import path from 'node:path';
import { zipSync } from 'fflate';
import type { Feeds } from '../src/calibrate/sources/source.js';
import type { Tensor } from '../src/ir/tensor.js';

/** `FOLDER/model.onnx`, and `FOLDER/0000.npz`… with an array an input. */
export function writeSamples(folder: string, model: string, samples: readonly Feeds[]): void {
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(model, path.join(folder, 'model.onnx'));
  for (const [index, feeds] of samples.entries()) {
    const arrays = Object.fromEntries([...feeds].map(([input, tensor]) => [`${input}.npy`, npyFile(tensor)]));
    fs.writeFileSync(path.join(folder, `${String(index).padStart(4, '0')}.npz`), zipSync(arrays, { level: 0 }));
  }
}

/** Version 1.0: magic, length of the header, a Python dictionary that ends at a multiple of 64, the elements. */
function npyFile({ dtype, dims, storage }: Tensor): Uint8Array {
  const types: Partial<Record<Tensor['dtype'], string>> = { float: '<f4', int64: '<i8' };
  const type = types[dtype];
  if (type === undefined) throw new Error(`no sample here is of ${dtype}`);
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims.map((dim) => `${dim},`).join(' ')}), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 0xff, header.length >> 8]);
  return new Uint8Array(Buffer.concat([magic, Buffer.from(header, 'latin1'), storage.bytes()]));
}
