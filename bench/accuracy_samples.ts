import fs from 'node:fs';
import path from 'node:path';
import { zipSync } from 'fflate';
import type { Feeds } from '../src/calibrate/sources/source.js';
import type { Tensor } from '../src/ir/tensor.js';
import type { AccuracyTask } from './accuracy_task.js';
import { repository } from './models.js';

/** `FOLDER/NAME/0000.npz`…, an array an input, and `FOLDER/NAME/model.txt` that says which model they are for. */
export function writeSamples(folder: string, { name, model }: AccuracyTask, samples: readonly Feeds[]): void {
  const own = path.join(folder, name);
  fs.mkdirSync(own, { recursive: true });
  fs.writeFileSync(path.join(own, 'model.txt'), `${path.relative(repository, model)}\n`);
  for (const [index, feeds] of samples.entries()) {
    const arrays = Object.fromEntries([...feeds].map(([input, tensor]) => [`${input}.npy`, npyFile(tensor)]));
    fs.writeFileSync(path.join(own, `${String(index).padStart(4, '0')}.npz`), zipSync(arrays, { level: 0 }));
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
