import type { InferenceContext } from '../inference/context.js';

/** Operations that an elementwise operator takes for one element of its result, counted from its formula. */
type Operations = number | ((context: InferenceContext) => number | undefined);

const others = (context: InferenceContext) => Math.max(0, context.inputCount - 1);

/** The attribute as text, or '' where it is none that can be read. */
const word = (context: InferenceContext, name: string, fallback: string) =>
  context.attributes.has(name) ? context.string(name, '') : fallback;

export const sigmoidOperations = 4;
export const erfGeluOperations = 5;
export const tanhGeluOperations = 9;
export const siluOperations = 5;
export const quantizeOperations = 4;

/** Formulas as the ONNX operator documents give them; a function of a math library is one operation. */
export const elementOperations: Readonly<Record<string, Operations>> = {
  Abs: 1,
  Acos: 1,
  Acosh: 1,
  Asin: 1,
  Asinh: 1,
  Atan: 1,
  Atanh: 1,
  BitCast: 0,
  BitwiseNot: 1,
  Cast: 1,
  CastLike: 1,
  Ceil: 1,
  // max(0, x) + min(0, a·(exp(x/a) − 1))
  Celu: 7,
  Clip: (context) =>
    ['min', 'max'].filter((name, index) => context.has(index + 1) || context.attributes.has(name)).length,
  Cos: 1,
  Cosh: 1,
  // x, or a·(exp(x) − 1)
  Elu: 4,
  Erf: 1,
  Exp: 1,
  Floor: 1,
  // x/2·(1 + erf(x/√2)), or 0.5·x·(1 + tanh(c·(x + d·x³)))
  Gelu: (context) => {
    const form = word(context, 'approximate', 'none');
    return form === 'none' ? erfGeluOperations : form === 'tanh' ? tanhGeluOperations : undefined;
  },
  // max(0, min(1, a·x + b))
  HardSigmoid: 4,
  HardSwish: 5,
  IsInf: 1,
  IsNaN: 1,
  LeakyRelu: 2,
  Log: 1,
  // x·tanh(log(1 + exp(x)))
  Mish: 5,
  Neg: 1,
  Not: 1,
  Reciprocal: 1,
  Relu: 1,
  Round: 1,
  // g·(a·exp(x) − a), or g·x
  Selu: 5,
  Shrink: 4,
  // 1/(1 + exp(−x))
  Sigmoid: sigmoidOperations,
  Sign: 1,
  Sin: 1,
  Sinh: 1,
  // log(exp(x) + 1)
  Softplus: 3,
  // x/(1 + |x|)
  Softsign: 3,
  Sqrt: 1,
  // x·sigmoid(a·x)
  Swish: 6,
  Tan: 1,
  Tanh: 1,
  ThresholdedRelu: 1,

  Add: 1,
  And: 1,
  BitShift: 1,
  BitwiseAnd: 1,
  BitwiseOr: 1,
  BitwiseXor: 1,
  Div: 1,
  Equal: 1,
  Greater: 1,
  GreaterOrEqual: 1,
  Less: 1,
  LessOrEqual: 1,
  Mod: 1,
  Mul: 1,
  Or: 1,
  PRelu: 2,
  Pow: 1,
  Sub: 1,
  // a·sigmoid(c·a)·b
  SwiGLU: 7,
  Xor: 1,

  Max: others,
  Mean: (context) => context.inputCount,
  Min: others,
  Sum: others,
  Where: 1,

  'ai.onnx.ml:Binarizer': 1,

  'com.microsoft:Gelu': erfGeluOperations,
  'com.microsoft:QuickGelu': 6,
  'com.microsoft:BiasGelu': 1 + erfGeluOperations,
  'com.microsoft:FastGelu': (context) => tanhGeluOperations + (context.has(1) ? 1 : 0),
  'com.microsoft:BiasAdd': 2,
  'com.microsoft:BiasSoftmax': 6,
};

/** Operations of the activations that recurrent and fused operators name; undefined for any other name. */
export const activationOperations = (name: string): number | undefined => activations.get(name.toLowerCase());

const activations: ReadonlyMap<string, number> = new Map([
  ['relu', 1],
  ['tanh', 1],
  ['sigmoid', sigmoidOperations],
  ['affine', 2],
  ['leakyrelu', 2],
  ['thresholdedrelu', 1],
  ['scaledtanh', 3],
  ['hardsigmoid', 4],
  ['elu', 4],
  ['softsign', 3],
  ['softplus', 3],
  ['clip', 2],
  ['gelu', erfGeluOperations],
  ['hardswish', 5],
]);
