import { getInt } from '../ir/attribute.js';
import { constantTensor } from '../ir/constant.js';
import { type DataType, dataTypeOfCode } from '../ir/data_type.js';
import type { Model, Node } from '../ir/graph.js';
import type { HalfType } from '../ir/half_float.js';
import { modelGraphs } from '../ir/traversal.js';
import type { tolerances } from './tolerance.js';

/** The precision that a model's own operators show, the coarsest where they show several; else fp32. */
export function apparentPrecision(model: Model): keyof typeof tolerances {
  const half = apparentHalf(model);
  let found: keyof typeof tolerances = half === undefined ? 'fp32' : half === 'float16' ? 'fp16' : 'bf16';
  for (const graph of modelGraphs(model)) {
    for (const node of graph.nodes) {
      if (hasFourBits(node)) return 'int4';
      if (quantizing.has(node.opType)) found = found === 'int8' || !isFloat8(node) ? 'int8' : 'fp8';
      else if (found !== 'int8' && found !== 'fp8' && dequantizing.has(node.opType)) found = 'int8-weights';
    }
  }
  return found;
}

/** The 16-bit floats that a model stores, takes, gives or casts to; bfloat16 where there are both. */
export function apparentHalf(model: Model): HalfType | undefined {
  const found = new Set<DataType | undefined>();
  for (const { type } of [...model.graph.inputs, ...model.graph.outputs]) {
    if (type?.kind === 'tensor') found.add(type.dtype);
  }
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) found.add(initializer?.dtype);
    for (const node of graph.nodes) {
      if (node.opType === 'Cast') found.add(dataTypeOfCode(getInt(node, 'to', 0)));
    }
  }
  return found.has('bfloat16') ? 'bfloat16' : found.has('float16') ? 'float16' : undefined;
}

const isFloat8 = (node: Node): boolean => constantTensor(node.inputs[2])?.dtype.startsWith('float8') === true;

const quantizing: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
  'QLinearConv',
  'QLinearMatMul',
]);

const dequantizing: ReadonlySet<string> = new Set(['DequantizeLinear', 'MatMulNBits', 'GatherBlockQuantized']);

function hasFourBits(node: Node): boolean {
  if (node.opType === 'MatMulBnb4') return true;
  if (!dequantizing.has(node.opType)) return false;
  const dtype = constantTensor(node.inputs[0])?.dtype;
  return node.opType === 'DequantizeLinear' ? dtype === 'int4' || dtype === 'uint4' : getInt(node, 'bits', 4) === 4;
}
