import type { DataType } from '../../data_type.js';
import { formatShape, type Shape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { broadcastShapes } from './broadcast.js';
import { joinedShape } from './concat.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';
import { withStatedAxis } from './stated_axis.js';

/** ONNX Runtime's elementwise operators on 8-bit integers, each operand with its scale and zero point behind it. */
export const quantizedElementwiseRules: InferenceRules = {
  'com.microsoft:QLinearAdd': (context) => inferOperands(context, [0, 3], context.dtype(0)),
  'com.microsoft:QLinearMul': (context) => inferOperands(context, [0, 3], context.dtype(0)),
  'com.microsoft:QLinearWhere': (context) => inferOperands(context, [0, 1, 4], context.dtype(1)),
  'com.microsoft:MulInteger': (context) => inferOperands(context, [0, 2], 'int32'),
  'com.microsoft:QLinearLeakyRelu': sameAsInput,
  'com.microsoft:QLinearSigmoid': sameAsInput,
  'com.microsoft:QLinearSoftmax': withStatedAxis(sameAsInput),
  'com.microsoft:QLinearConcat': inferQuantizedConcat,
};

/** The inputs at these indices broadcast against each other. */
function inferOperands(context: InferenceContext, indices: readonly number[], dtype: DataType | undefined): void {
  context.setTensor(0, dtype);
  const shapes = indices.map((index) => context.shape(index));
  const shape = broadcastShapes(shapes);
  if (shape === 'conflict') {
    context.fail('infer/broadcast', `${shapes.map(formatShape).join(' and ')} do not fit each other`);
  } else context.setTensor(0, dtype, shape);
}

/** Behind the scale and zero point of the result, every third input is one to join. */
function inferQuantizedConcat(context: InferenceContext): void {
  const dtype = context.dtype(1);
  context.setTensor(0, dtype);
  const shapes = joinedInputs(context);
  const rank = shapes.find((shape) => shape !== undefined)?.length;
  const given = context.int('axis', undefined);
  if (rank === undefined || given === undefined) return;
  const axis = normalAxis(given, rank);
  const isRanked = shapes.every((shape) => shape === undefined || shape.length === rank);
  const shape = axis === undefined || !isRanked ? 'conflict' : joinedShape(shapes, rank, axis);
  if (shape === 'conflict') {
    const text = shapes.slice(0, 8).map(formatShape).join(', ');
    context.fail('infer/concat', `${text} cannot be joined along axis ${given}`);
  } else context.setTensor(0, dtype, shape);
}

function joinedInputs(context: InferenceContext): readonly (Shape | undefined)[] {
  const shapes: (Shape | undefined)[] = [];
  for (let index = 2; index < context.inputCount; index += 3) shapes.push(context.shape(index));
  return shapes;
}
