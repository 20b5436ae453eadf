import fs from 'node:fs';
import path from 'node:path';
import { type DataType, dataTypeOfCode } from '../../../src/ir/data_type.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Model } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { type Int64, type TensorProto, toNumber } from '../../../src/ir/onnx/messages.js';
import { decodeMessage } from '../../../src/ir/onnx/schema.js';
import { decodeTensorProto } from '../../../src/ir/onnx/tensor_codec.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { modelGraphs } from '../../../src/ir/traversal.js';
import { formatType, tensorType } from '../../../src/ir/value_type.js';

export type StoredOutput = { readonly dtype: DataType | undefined; readonly dims: readonly number[] };

export type CaseResult = {
  readonly name: string;
  /** One line an output: what is wrong. */
  readonly wrong: readonly string[];
  /** Outputs or dimensions that stayed unknown. */
  readonly unknown: readonly string[];
  readonly knownDims: number;
  readonly totalDims: number;
};

/** The model of a node test, with every declared type but those of the inputs taken out. */
export function loadStripped(folder: string): Model {
  const model = decodeModel(fs.readFileSync(path.join(folder, 'model.onnx')), { folder });
  const editor = new Editor(model);
  for (const graph of modelGraphs(model)) {
    for (const slot of graph.outputs) editor.setOutputType(slot, undefined);
    for (const value of graph.values.values()) if (value.producer !== null) editor.setType(value, undefined);
  }
  return model;
}

/** Infers a node test's model and compares with the outputs stored beside it (tensors only). */
export function checkNodeCase(folder: string): CaseResult {
  const model = loadStripped(folder);
  // The stored inputs give small integer inputs (axes, shapes) no constant content: they are data of the call.
  const inference = new Inference(model);
  inference.inferAll();
  const wrong: string[] = [];
  const unknown: string[] = [];
  let knownDims = 0;
  let totalDims = 0;
  for (const set of fs.readdirSync(folder).filter((name) => name.startsWith('test_data_set'))) {
    for (const [index, slot] of model.graph.outputs.entries()) {
      const file = path.join(folder, set, `output_${index}.pb`);
      if (!fs.existsSync(file)) continue;
      let stored: StoredOutput;
      try {
        const bytes = fs.readFileSync(file);
        const message = decodeMessage<TensorProto>('TensorProto', bytes);
        if (message.data_type === undefined) continue;
        decodeTensorProto(bytes);
        stored = {
          dtype: dataTypeOfCode(message.data_type),
          dims: (message.dims ?? []).map((d: Int64) => toNumber(d)),
        };
      } catch {
        continue; // a sequence or optional: not a tensor
      }
      const type = inference.typeOf(slot.value);
      const label = `${slot.name}: inferred ${formatType(type)}, stored ${formatType(tensorType(stored.dtype, stored.dims))}`;
      totalDims += stored.dims.length;
      if (type?.kind !== 'tensor') {
        if (type === undefined) unknown.push(label);
        else if (type.kind !== 'optional' && type.kind !== 'sequence') wrong.push(label);
        continue;
      }
      if (type.dtype === undefined || type.shape === undefined) unknown.push(label);
      if (type.dtype !== undefined && type.dtype !== stored.dtype) wrong.push(label);
      if (type.shape === undefined) continue;
      if (type.shape.length !== stored.dims.length) {
        wrong.push(label);
        continue;
      }
      for (const [axis, dim] of type.shape.entries()) {
        if (typeof dim === 'number') {
          knownDims += 1;
          if (dim !== stored.dims[axis]) wrong.push(label);
        } else if (dim === undefined) unknown.push(label);
        else knownDims += 1;
      }
    }
  }
  wrong.push(...inference.diagnostics.map(({ code, message }) => `${code}: ${message}`));
  return {
    name: path.basename(folder),
    wrong: [...new Set(wrong)],
    unknown: [...new Set(unknown)],
    knownDims,
    totalDims,
  };
}
