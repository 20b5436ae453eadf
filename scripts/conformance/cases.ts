import fs from 'node:fs';
import path from 'node:path';
import { decodeTensorProto } from '../../src/ir/onnx/tensor_codec.js';
import type { Tensor } from '../../src/ir/tensor.js';

/** A model and, where data lie beside it, what it is fed: one list of tensors in input order a data set. */
export type Case = {
  readonly name: string;
  readonly group: string;
  readonly model: string;
  /** undefined: none stored; 'unreadable': stored, but not as tensors (a sequence, an optional). */
  readonly inputs: readonly (readonly Tensor[])[] | 'unreadable' | undefined;
};

/** Every .onnx file below `folder`; a `model.onnx` with `test_data_set_*` beside it is a node test. */
export function findCases(folder: string): Case[] {
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.onnx'));
  return files.sort().map((file) => {
    const model = path.join(folder, file);
    const parent = path.dirname(model);
    const sets = fs
      .readdirSync(parent)
      .filter((name) => name.startsWith('test_data_set_'))
      .sort();
    if (path.basename(file) !== 'model.onnx' || sets.length === 0) {
      return { name: file, group: 'models', model, inputs: undefined };
    }
    return { name: path.basename(parent), group: 'node tests', model, inputs: storedInputs(parent, sets) };
  });
}

function storedInputs(folder: string, sets: readonly string[]): Case['inputs'] {
  try {
    return sets.map((set) => {
      const inputs: Tensor[] = [];
      for (let index = 0; ; index += 1) {
        const file = path.join(folder, set, `input_${index}.pb`);
        if (!fs.existsSync(file)) return inputs;
        inputs.push(decodeTensorProto(fs.readFileSync(file)));
      }
    });
  } catch {
    return 'unreadable';
  }
}
