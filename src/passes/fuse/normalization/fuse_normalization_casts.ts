// Cast(LayerNormalization(Cast(x, float), scale, bias), T) => LayerNormalization(x, scale, bias), RMSNormalization alike
// Needs: x has type T and T's numbers are float's numbers, and scale and bias are the same numbers in T.
import { getInt } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { type DataType, dataTypeCode } from '../../../ir/data_type.js';
import type { Value } from '../../../ir/graph.js';
import { decodeHalf, encodeHalf } from '../../../ir/half_float.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { type Tensor, tensorData, tensorFromData } from '../../../ir/tensor.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';

export const fuseNormalizationCasts = defineRewrite({
  name: 'fuse-normalization-casts',
  summary: 'Cast(LayerNormalization(Cast(x))) => LayerNormalization(x), whose statistics are float all the same',
  // Numbers are rounded to T once more or once less.
  licence: 'reassociates',
  pattern: op('cast', 'Cast', [
    op('norm', ['LayerNormalization', 'RMSNormalization'], [op('up', 'Cast', [any('x')]), any('scale')], {
      moreInputs: true,
    }),
  ]),
  check({ cast, norm, x }, context, root) {
    const { inference } = context;
    const dtype = inference.dtypeOf(x);
    if (dtype !== 'float16' && dtype !== 'bfloat16') return `it starts from ${dtype ?? 'an unknown type'}`;
    if (inference.dtypeOf(norm.outputs[0]!) !== 'float') return 'it is not computed in float';
    if (getInt(cast, 'to', 0) !== dataTypeCode(dtype)) return 'it is cast to another type than it had';
    if (getInt(norm, 'stash_type', 1) !== dataTypeCode('float')) return 'its statistics are not float';
    if (norm.inputs.slice(1).some((operand) => operand !== null && inType(operand, dtype, inference) === undefined)) {
      return `scale and bias are not numbers of ${dtype}`;
    }
    return offerObstacle(root, { opType: norm.opType, of: x }, context);
  },
  rewrite: ({ norm, x }, build, { inference }) => [
    build.op(
      norm.opType,
      [
        x,
        ...norm.inputs.slice(1).map((operand) => operand && inType(operand, inference.dtypeOf(x)!, inference)!(build)),
      ],
      { attributes: [...norm.attributes.values()] },
    ),
  ],
});

/** The same numbers in a narrower type. */
function inType(
  value: Value,
  dtype: DataType,
  inference: Inference,
): ((build: ReplacementBuilder) => Value) | undefined {
  const source = producerOf(value, 'Cast')?.inputs[0];
  if (source != null && inference.dtypeOf(source) === dtype) return () => source;
  const tensor = constantTensor(value);
  const narrow = tensor === undefined ? undefined : narrowed(tensor, dtype);
  return narrow && ((build) => build.constant(narrow, value.name));
}

/** Undefined where a number is not one of the type. */
function narrowed(tensor: Tensor, dtype: DataType): Tensor | undefined {
  if (tensor.dtype !== 'float' || (dtype !== 'float16' && dtype !== 'bfloat16')) return undefined;
  const values = tensorData(tensor) as Float32Array;
  const bits = encodeHalf(dtype, values);
  const back = decodeHalf(dtype, bits);
  return back.every((value, index) => Object.is(value, values[index]))
    ? tensorFromData(dtype, tensor.dims, bits)
    : undefined;
}
