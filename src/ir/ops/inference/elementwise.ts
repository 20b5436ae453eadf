import { type DataType, dataTypeOfCode } from '../../data_type.js';
import { formatShape, type Shape } from '../../value_type.js';
import { broadcastShapes } from './broadcast.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { setElementwiseContent, within } from './elementwise_content.js';

/** Output 0 has the type and shape of input 0. */
export const sameAsInput: InferenceRule = (context) => {
  context.setTensor(0, context.dtype(0), context.shape(0));
};

/** Any type, not only a tensor; and its content. */
const passThrough: InferenceRule = (context) => {
  context.setType(0, context.type(0));
  setElementwiseContent(context);
};

const unary: InferenceRule = (context) => {
  sameAsInput(context);
  setElementwiseContent(context);
};

const predicate: InferenceRule = (context) => {
  context.setTensor(0, 'bool', context.shape(0));
  setElementwiseContent(context);
};

/** Inputs broadcast against each other; the result has `dtype`. Before opset 7 the result has the shape of the first. */
export function inferBroadcast(context: InferenceContext, dtype: DataType | undefined, from = 0): void {
  const isLegacy = context.opset < 7 && !variadic.includes(context.node.opType);
  const count = isLegacy ? 1 : context.inputCount - from;
  const shapes: (Shape | undefined)[] = Array.from({ length: count }, (_, index) => context.shape(index + from));
  if (from > 0) shapes.push(context.shape(0));
  const shape = broadcastShapes(shapes);
  if (shape === 'conflict') {
    context.fail('infer/broadcast', `${shapes.map(formatShape).join(' and ')} do not broadcast`);
    context.setTensor(0, dtype);
    return;
  }
  context.setTensor(0, dtype, shape);
  setElementwiseContent(context);
}

const variadic = ['Max', 'Min', 'Mean', 'Sum'];

const binary: InferenceRule = (context) => inferBroadcast(context, context.dtype(0));
const comparison: InferenceRule = (context) => inferBroadcast(context, 'bool');

function inferCast(context: InferenceContext): void {
  const to = dataTypeOfCode(context.int('to', 0)) ?? namedType(context.string('to', ''));
  context.setTensor(0, to, context.shape(0));
  setCastContent(context, to);
}

/** Opset 1 to 5 spelled the type out. */
const namedType = (name: string): DataType | undefined =>
  (({ FLOAT: 'float', INT64: 'int64', INT32: 'int32', BOOL: 'bool', DOUBLE: 'double', FLOAT16: 'float16' }) as const)[
    name.toUpperCase() as 'FLOAT'
  ];

/** Between integers elements keep their value; to bool, only numbers tell. */
function setCastContent(context: InferenceContext, to: DataType | undefined): void {
  const known = context.content(0);
  if (known === undefined || (to !== 'int64' && to !== 'int32' && to !== 'bool')) return;
  const elements = known.elements.map((element) => {
    if (to !== 'bool') return within(to, element);
    return typeof element === 'number' || typeof element === 'bigint' ? Number(element !== 0) : undefined;
  });
  context.setContent(0, content(to, known.dims, elements));
}

function inferDropout(context: InferenceContext): void {
  sameAsInput(context);
  context.setTensor(1, context.opset >= 10 ? 'bool' : context.dtype(0), context.shape(0));
}

const named = (names: string, rule: InferenceRule): InferenceRules =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

export const elementwiseRules: InferenceRules = {
  ...named('Abs Neg Sign', unary),
  ...named(
    'Exp Log Sqrt Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Erf Sigmoid Relu LeakyRelu PRelu Elu Selu Celu Gelu Mish HardSigmoid HardSwish Swish ThresholdedRelu Shrink Softplus Softsign Floor Ceil Round Reciprocal BitwiseNot Clip Softmax LogSoftmax Hardmax CumSum CumProd Trilu',
    sameAsInput,
  ),
  ...named('Add Sub Mul Div Mod Pow BitwiseAnd BitwiseOr BitwiseXor BitShift Max Min Mean Sum', binary),
  ...named('And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual', comparison),
  ...named('IsNaN IsInf Not', predicate),
  Identity: passThrough,
  Where: (context) => inferBroadcast(context, context.dtype(1), 1),
  Cast: inferCast,
  CastLike: (context) => context.setTensor(0, context.dtype(1), context.shape(0)),
  Dropout: inferDropout,
};
