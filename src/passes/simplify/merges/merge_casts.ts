// Cast(Cast(x)) => Cast(x), or x
// Needs: the first cast keeps every value of its type, and the second means the same on both: it rounds once, wraps alike,
// and never brings a float out of the range of integers, which no standard defines.
import { type DataType, dataTypeBits, dataTypeKind } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { plainOperator } from '../plain_operator.js';

type Match = { root: Node; inner: Node; x: Value };

export const mergeCasts = defineRewrite<Match>({
  name: 'merge-casts',
  summary: 'Cast(Cast(x)) => Cast(x), or x',
  licence: 'exact',
  keepsShared: true,
  pattern: op('root', 'Cast', [op('inner', 'Cast', [any('x')])]),
  check({ root, inner, x }, { inference }) {
    if (![root, inner].every((node) => plainOperator(node) === 'Cast' && onlyTo(node))) return 'rounding is asked for';
    const [from, by, to] = [x, inner.outputs[0]!, root.outputs[0]!].map((value) => dataTypeOf(value, inference));
    if (from === undefined || by === undefined || to === undefined) return 'a type is not known';
    return isSame(from, by, to) ? undefined : `${from} by way of ${by} to ${to} may differ from the direct way`;
  },
  rewrite({ root, x }, build, { inference }) {
    if (dataTypeOf(x, inference) === dataTypeOf(root.outputs[0]!, inference)) return [x];
    return [build.op('Cast', [x], { attributes: [...root.attributes.values()] })];
  },
});

const onlyTo = (node: Node): boolean =>
  [...node.attributes.keys()].every((name) => name === 'to' || name === 'saturate');

function dataTypeOf(value: Value, inference: Inference): DataType | undefined {
  const type = inference.typeOf(value);
  return type?.kind === 'tensor' ? type.dtype : undefined;
}

/** By type, the types that hold each of its values exactly (IEEE 754 precisions: 8, 11, 24 and 53 bits). */
const exactIn: Partial<Readonly<Record<DataType, readonly DataType[]>>> = {
  bool: [
    ...(['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64'] as const),
    ...(['bfloat16', 'float16', 'float', 'double'] as const),
  ],
  uint8: ['uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'bfloat16', 'float16', 'float', 'double'],
  int8: ['int16', 'int32', 'int64', 'bfloat16', 'float16', 'float', 'double'],
  uint16: ['uint32', 'int32', 'uint64', 'int64', 'float', 'double'],
  int16: ['int32', 'int64', 'float', 'double'],
  uint32: ['uint64', 'int64', 'double'],
  int32: ['int64', 'double'],
  bfloat16: ['float', 'double'],
  float16: ['float', 'double'],
  float: ['double'],
};

const widens = (from: DataType, to: DataType): boolean => exactIn[from]?.includes(to) ?? false;

function isSame(from: DataType, by: DataType, to: DataType): boolean {
  if (!widens(from, by)) return false;
  if (from === to || widens(from, to) || to === 'bool') return true;
  const isFloat = (dtype: DataType): boolean => dataTypeKind(dtype) === 'float';
  const isInteger = (dtype: DataType): boolean => ['signed', 'unsigned'].includes(dataTypeKind(dtype));
  // Integers wrap modulo their width, by way of a wider one as well.
  if (!isFloat(by)) return to === 'float' || (isInteger(to) && dataTypeBits(to) >= 8);
  // Long integers go to short floats by way of float, which rounds twice.
  return isFloat(from) ? to === 'float' || to === 'float16' : to === 'float';
}
