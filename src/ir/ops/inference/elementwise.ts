import type { DataType } from '../../data_type.js';
import { formatShape, type Shape } from '../../value_type.js';
import { agreedShape } from './agreed_shape.js';
import { normalAxis } from './axes.js';
import { broadcastShapes } from './broadcast.js';
import { content } from './content.js';
import { elementsOfInput } from './content_view.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { setContentOf, setElementwiseContent } from './elementwise_content.js';

/** Output 0 has the type and shape of input 0. */
export const sameAsInput: InferenceRule = (context) => {
  context.setTensor(0, context.dtype(0), context.shape(0));
};

const unary: InferenceRule = (context) => {
  sameAsInput(context);
  setElementwiseContent(context);
};

const predicate: InferenceRule = (context) => {
  context.setTensor(0, 'bool', context.shape(0));
  setElementwiseContent(context);
};

/** Any type, not only a tensor; and its content. */
const identity: InferenceRule = (context) => {
  context.setType(0, context.type(0));
  context.setContent(0, context.anyContent(0));
};

/** All inputs broadcast against each other; the result has `dtype`. */
export function inferBroadcast(context: InferenceContext, dtype: DataType | undefined): void {
  setShape(context, dtype, inputShapes(context), broadcastShapes);
}

/** All inputs have the same shape. */
function inferSameShapes(context: InferenceContext, dtype: DataType | undefined): void {
  setShape(context, dtype, inputShapes(context), agreedShape);
}

function setShape(
  context: InferenceContext,
  dtype: DataType | undefined,
  shapes: readonly (Shape | undefined)[],
  join: (shapes: readonly (Shape | undefined)[]) => Shape | undefined | 'conflict',
): void {
  context.setTensor(0, dtype);
  const shape = shapes.length === 0 ? undefined : join(shapes);
  if (shape === 'conflict') {
    context.fail('infer/broadcast', `${shapes.slice(0, 8).map(formatShape).join(' and ')} do not fit each other`);
    return;
  }
  context.setTensor(0, dtype, shape);
  setElementwiseContent(context);
}

/** Of every input, each shape once: a value may be given any number of times. */
const inputShapes = (context: InferenceContext): readonly (Shape | undefined)[] => [
  ...new Set(context.node.inputs.map((_, index) => context.shape(index))),
];

/** The element type that inputs of one type parameter share. */
const sharedType = (context: InferenceContext, from = 0): DataType | undefined => {
  for (let index = from; index < context.inputCount; index += 1) {
    const dtype = context.dtype(index);
    if (dtype !== undefined) return dtype;
  }
  return undefined;
};

const binary: InferenceRule = (context) => inferBroadcast(context, sharedType(context));

/** Before opset 7 shapes are the same, or with `broadcast` the second is stretched to the first, from `axis` on. */
function inferLegacyBroadcast(context: InferenceContext, dtype: DataType | undefined): void {
  if (context.int('broadcast', 0) === 0) {
    inferSameShapes(context, dtype);
    return;
  }
  const shape = context.shape(0);
  context.setTensor(0, dtype, shape);
  const left = elementsOfInput(context, 0);
  const right = elementsOfInput(context, 1);
  if (shape === undefined || left === undefined || right === undefined) return;
  const axis = context.int('axis', shape.length - right.dims.length);
  const behind = right.elements.length === 1 ? 0 : shape.length - axis - right.dims.length;
  if (behind < 0 || behind > shape.length) return;
  const dims = [...right.dims, ...Array.from({ length: behind }, () => 1)];
  setContentOf(context, [left, content(right.dtype, dims, right.elements)]);
}

/** The rule of a binary operator that is older than broadcasting as it is now. */
const legacyBinary =
  (resultOf: (context: InferenceContext) => DataType | undefined): InferenceRule =>
  (context) => {
    if (context.opset < 7) inferLegacyBroadcast(context, resultOf(context));
    else inferBroadcast(context, resultOf(context));
  };

const arithmetic = legacyBinary(sharedType);
const comparison = legacyBinary(() => 'bool');

/** Since 12 the exponent may have a type of its own. */
const power = legacyBinary((context) => (context.opset < 12 ? sharedType(context) : context.dtype(0)));

/** Max, Min, Sum and Mean of any number of inputs broadcast since 8. */
const variadic: InferenceRule = (context) =>
  context.opset < 8 ? inferSameShapes(context, sharedType(context)) : inferBroadcast(context, sharedType(context));

/** Softmax and its like have one axis; before 13 it splits the shape in two, and may stand behind the last. */
const alongAxis: InferenceRule = (context) => {
  const rank = context.rank(0);
  const isSplit = context.opset < 13;
  const axis = context.int('axis', isSplit ? 1 : -1);
  const fits = rank === undefined || rank === 0 || normalAxis(axis, rank) !== undefined || (isSplit && axis === rank);
  if (fits) sameAsInput(context);
  else {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/axis', `axis ${axis} of a tensor of rank ${rank}`);
  }
};

function inferDropout(context: InferenceContext): void {
  sameAsInput(context);
  context.setTensor(1, context.opset >= 10 ? 'bool' : context.dtype(0), context.shape(0));
}

/**
 * The slope stretches to the input, since 7. Runtimes let the input stretch to the slope as well, so that what the slope
 * says counts where the input may be 1.
 */
const parametricRelu: InferenceRule = (context) => {
  const slope = context.shape(1);
  const fits = slope !== undefined && slope.length <= (context.rank(0) ?? 0);
  if (context.opset >= 7 && fits) inferBroadcast(context, context.dtype(0));
  else sameAsInput(context);
};

const named = (names: string, rule: InferenceRule): InferenceRules =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

export const elementwiseRules: InferenceRules = {
  ...named('Abs BitwiseNot Ceil Clip Floor Neg Relu Round Sign Sqrt', unary),
  ...named(
    'Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Mish Reciprocal Selu Shrink Sigmoid Sin Sinh Softplus Softsign Swish Tan Tanh ThresholdedRelu',
    sameAsInput,
  ),
  ...named('IsInf IsNaN Not', predicate),
  ...named('Add Div Mul Sub', arithmetic),
  ...named('And Equal Greater Less Or Xor', comparison),
  ...named('GreaterOrEqual LessOrEqual', (context) => inferBroadcast(context, 'bool')),
  ...named('BitShift BitwiseAnd BitwiseOr BitwiseXor Mod', binary),
  ...named('Max Mean Min Sum', variadic),
  ...named('Hardmax LogSoftmax Softmax', alongAxis),
  Pow: power,
  PRelu: parametricRelu,
  Where: (context) => inferBroadcast(context, sharedType(context, 1)),
  SwiGLU: (context) => inferSameShapes(context, sharedType(context)),
  ...named('com.microsoft:BiasGelu com.microsoft:FastGelu com.microsoft:Gelu com.microsoft:QuickGelu', sameAsInput),
  Identity: identity,
  Dropout: inferDropout,
};
