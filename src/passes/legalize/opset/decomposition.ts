// Operators that the standard defines by older ones, taken apart below their first version.
import { floatAttribute, getFloat, getInt, getString, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { type DataType, dataTypeCode, dataTypeOfCode } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import { fromFront } from './axes.js';
import { floatScalar } from './scalar_tensor.js';
import type { Adapter, OperatorSteps, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

const introducedAt = (version: number, down: Adapter): OperatorSteps => ({ [version]: { up: 'same', down } });

/** Not a number is neither, so that both conditions together are exact. */
const orEqual =
  (opType: 'Greater' | 'Less'): Adapter =>
  (node, context) => {
    const inputs = [node.inputs[0] ?? null, node.inputs[1] ?? null];
    const either = [context.insert(node, opType, inputs), context.insert(node, 'Equal', inputs)];
    return context.become(node, 'Or', either);
  };

const castLike: Adapter = (node, context) => {
  const dtype = context.dtype(node.inputs[1]);
  if (dtype === undefined) return 'the type it casts to is not known';
  return context.become(node, 'Cast', [node.inputs[0]!], [intAttribute('to', dataTypeCode(dtype))]);
};

const hardSwish: Adapter = (node, context) => {
  const input = node.inputs[0]!;
  const attributes = [floatAttribute('alpha', 1 / 6), floatAttribute('beta', 0.5)];
  return context.become(node, 'Mul', [input, context.insert(node, 'HardSigmoid', [input], attributes)]);
};

const mish: Adapter = (node, context) => {
  const input = node.inputs[0]!;
  const bounded = context.insert(node, 'Tanh', [context.insert(node, 'Softplus', [input])]);
  return context.become(node, 'Mul', [input, bounded]);
};

const swish: Adapter = (node, context) => {
  const input = node.inputs[0]!;
  const alpha = getFloat(node, 'alpha', 1);
  const factor = alpha === 1 ? undefined : scalars(node, context);
  if (factor === 'unknown') return 'the type of its input is not known';
  const scaled = factor === undefined ? input : context.insert(node, 'Mul', [input, factor(alpha)]);
  return context.become(node, 'Mul', [input, context.insert(node, 'Sigmoid', [scaled])]);
};

const gelu: Adapter = (node, context) => {
  const input = node.inputs[0]!;
  const scalar = scalars(node, context);
  if (scalar === 'unknown') return 'the type of its input is not known';
  const make = (opType: string, ...inputs: Value[]) => context.insert(node, opType, inputs);
  let share: Value;
  if (getString(node, 'approximate', 'none') === 'tanh') {
    const cube = make('Mul', scalar(0.044715), make('Pow', input, scalar(3)));
    share = make('Tanh', make('Mul', scalar(Math.sqrt(2 / Math.PI)), make('Add', input, cube)));
  } else {
    share = make('Erf', make('Div', input, scalar(Math.SQRT2)));
  }
  return context.become(node, 'Mul', [make('Mul', scalar(0.5), input), make('Add', scalar(1), share)]);
};

/** Scalars of the type of the node's first input. */
function scalars(node: Node, context: StepContext): ((value: number) => Value) | 'unknown' {
  const dtype = context.dtype(node.inputs[0]);
  if (dtype === undefined || floatScalar(dtype, 0) === undefined) return 'unknown';
  return (value) => context.addConstant(node, floatScalar(dtype, value)!, `${node.opType.toLowerCase()}_scalar`);
}

/** (X − mean) / √(variance + ε) in the stash type, then scale and bias in the type of X. */
const layerNormalization: Adapter = (node, context) => {
  const [input, scale, bias] = node.inputs;
  const dtype = context.dtype(input);
  const stash = dataTypeOfCode(getInt(node, 'stash_type', 1));
  const axes = lastAxes(node, context);
  if (input == null || scale == null) return 'an input is missing';
  if (dtype === undefined || axes === undefined) return 'the type or rank of its input is not known';
  const epsilon = stash && floatScalar(stash, getFloat(node, 'epsilon', Math.fround(1e-5)));
  if (stash === undefined || epsilon === undefined) return 'it computes in a type that is not known';
  const [, meanOutput, deviationOutput] = node.outputs;
  if (meanOutput?.pinned || deviationOutput?.pinned) return 'an output is named by parts that are not understood';
  const make = (opType: string, ...inputs: Value[]) => context.insert(node, opType, inputs);
  const averaged = (value: Value) => context.insert(node, 'ReduceMean', [value], [intsAttribute('axes', axes)]);
  const cast = (value: Value, from: DataType, to: DataType) =>
    from === to ? value : context.insert(node, 'Cast', [value], [intAttribute('to', dataTypeCode(to))]);

  const precise = cast(input, dtype, stash);
  const mean = averaged(precise);
  const centred = make('Sub', precise, mean);
  const variance = averaged(make('Mul', centred, centred));
  const spread = make('Sqrt', make('Add', variance, context.addConstant(node, epsilon, 'layer_epsilon')));
  const normalized = cast(make('Div', centred, spread), stash, dtype);
  if (meanOutput != null) context.editor.replaceAllUses(meanOutput, mean);
  if (deviationOutput != null) context.editor.replaceAllUses(deviationOutput, make('Reciprocal', spread));
  for (const output of [deviationOutput, meanOutput]) if (output != null) context.editor.omitOutput(output);
  if (bias == null) return context.become(node, 'Mul', [normalized, scale]);
  return context.become(node, 'Add', [make('Mul', normalized, scale), bias]);
};

function lastAxes(node: Node, context: StepContext): number[] | undefined {
  const rank = context.rank(node.inputs[0]);
  const [axis] = fromFront([getInt(node, 'axis', -1)], rank) ?? [];
  if (rank === undefined || axis === undefined) return undefined;
  return Array.from({ length: rank - axis }, (_, index) => axis + index);
}

export const decompositionSteps: StepTable = {
  CastLike: introducedAt(15, castLike),
  Gelu: introducedAt(20, gelu),
  GreaterOrEqual: introducedAt(12, orEqual('Greater')),
  HardSwish: introducedAt(14, hardSwish),
  LayerNormalization: introducedAt(17, layerNormalization),
  LessOrEqual: introducedAt(12, orEqual('Less')),
  Mish: introducedAt(18, mish),
  Swish: introducedAt(24, swish),
};
