import fs from 'node:fs';
import path from 'node:path';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { subgraphCosts } from '../../src/ir/ops/cost/control_flow.js';
import { nodeCost } from '../../src/ir/ops/cost/node_cost.js';
import { Inference } from '../../src/ir/ops/inference/inference.js';
import { storedTensor } from './stored_value.js';

/** Their results share the memory of an input, or stand in the file: nothing is written. */
const views = ['Constant', 'Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze'];

/**
 * Compares the bytes that the one node of a node test writes with those of the outputs stored beside it; undefined where
 * they cannot be compared: other models, subgraphs, sequences and strings, sizes that data decide.
 */
export function compareCost(folder: string): { readonly wrong: string | undefined } | undefined {
  const model = decodeModel(fs.readFileSync(path.join(folder, 'model.onnx')), { folder });
  const { first: node, size } = model.graph.nodes;
  if (node === null || size !== 1 || Object.hasOwn(subgraphCosts, node.opType)) return undefined;
  const written = nodeCost(node, new Inference(model)).bytesWritten;
  const set = path.join(folder, 'test_data_set_0');
  const declared = model.graph.outputs.map(({ type }) => type);
  if (written === undefined || !declared.every((type) => type?.kind === 'tensor' && type.dtype !== 'string')) {
    return undefined;
  }
  const stored = declared.map((_, index) => storedTensor(set, 'output', index));
  if (stored.includes(undefined) || node.outputs.filter((output) => output !== null).length !== stored.length) {
    return undefined;
  }
  const bytes = views.includes(node.opType) ? 0 : stored.reduce((sum, tensor) => sum + tensor!.byteLength, 0);
  return { wrong: written === bytes ? undefined : `writes ${bytes} bytes, priced as ${String(written)}` };
}
