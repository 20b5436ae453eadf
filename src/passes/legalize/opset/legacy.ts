// Steps up to opset 7: attributes that hinted at memory, limited broadcasting, training flags.
import { getInt, getInts, getString, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { dataTypeCode, isDataType } from '../../../ir/data_type.js';
import type { Node } from '../../../ir/graph.js';
import { type Adapter, type OperatorSteps, type Step, type StepTable, same } from './step.js';
import type { StepContext } from './step_context.js';

/** Attributes that changed nothing, and are gone. */
const without = (...names: readonly string[]): Step => ({
  up(node, context) {
    context.removeAttribute(node, ...names);
    return undefined;
  },
  down: 'same',
});

const noMemoryHint = without('consumed_inputs');

const oncePerOperator = (opTypes: readonly string[], steps: OperatorSteps): StepTable =>
  Object.fromEntries(opTypes.map((opType) => [opType, steps]));

/** The second operand matched a run of the first one's axes, from `axis` on; now it matches from the back. */
const alignFromBack: Adapter = (node, context) => {
  const [left, right] = node.inputs;
  const axis = getInt(node, 'axis', undefined);
  const isBroadcast = getInt(node, 'broadcast', 0) !== 0;
  context.removeAttribute(node, 'axis', 'broadcast');
  if (!isBroadcast || axis === undefined || right == null) return undefined;
  const [rank, inner] = [context.rank(left), context.rank(right)];
  if (rank === undefined || inner === undefined) return 'it broadcasts along an axis, and a rank is not known';
  const trailing = rank - (axis < 0 ? axis + rank : axis) - inner;
  if (trailing <= 0 || context.dims(right)?.every((dim) => dim === 1)) return undefined;
  context.editor.setInput(node, 1, appendAxes(node, inner, trailing, context));
  return undefined;
};

function appendAxes(node: Node, rank: number, count: number, context: StepContext) {
  const axes = Array.from({ length: count }, (_, index) => rank + index);
  return context.insert(node, 'Unsqueeze', [node.inputs[1]!], [intsAttribute('axes', axes)]);
}

const slopeOfChannels: Adapter = (node, context) => {
  const [rank, inner] = [context.rank(node.inputs[0]), context.rank(node.inputs[1])];
  if (rank === undefined || inner === undefined) return 'a rank is not known';
  const trailing = rank - 1 - inner;
  if (inner !== 1 || trailing <= 0 || context.dims(node.inputs[1])?.[0] === 1) return undefined;
  context.editor.setInput(node, 1, appendAxes(node, 1, trailing, context));
  return undefined;
};

const shapeToInput: Adapter = (node, context) => {
  const shape = getInts(node, 'shape', undefined);
  if (shape === undefined) return 'attribute "shape" is missing';
  context.setInput(node, 1, context.int64(node, shape, 'reshape_shape'));
  context.removeAttribute(node, 'shape', 'consumed_inputs');
  return undefined;
};

const sayConcatAxis: Adapter = (node, context) => {
  if (!node.attributes.has('axis')) context.setAttribute(node, intAttribute('axis', 1));
  return undefined;
};

const castToCode: Adapter = (node, context) => {
  const name = getString(node, 'to', '').toLowerCase();
  if (!isDataType(name)) return `it casts to "${name}"`;
  context.setAttribute(node, intAttribute('to', dataTypeCode(name)));
  return undefined;
};

/** The order of a norm was a float. */
const integerOrder: Adapter = (node, context) => {
  const order = node.attributes.get('p');
  if (order?.kind !== 'float') return undefined;
  if (!Number.isInteger(order.value)) return `its order ${order.value} is not whole`;
  context.setAttribute(node, intAttribute('p', order.value));
  return undefined;
};

const arithmetic = { 6: noMemoryHint, 7: { up: alignFromBack, down: 'same' } } as const;

const recurrent = { 7: without('output_sequence') };

export const legacySteps: StepTable = {
  ...oncePerOperator(
    [
      'Abs',
      'BatchNormalization',
      'Ceil',
      'Dropout',
      'Elu',
      'Exp',
      'Floor',
      'HardSigmoid',
      'InstanceNormalization',
      'LeakyRelu',
      'Log',
      'Max',
      'Mean',
      'Min',
      'Neg',
      'Reciprocal',
      'Relu',
      'Selu',
      'Sigmoid',
      'Sqrt',
      'Sum',
      'Tanh',
    ],
    { 6: noMemoryHint },
  ),
  ...oncePerOperator(['Add', 'Sub', 'Mul', 'Div'], arithmetic),
  ...oncePerOperator(['And', 'Or', 'Xor', 'Equal', 'Greater', 'Less', 'Pow'], { 7: arithmetic[7] }),
  ...oncePerOperator(['LSTM', 'RNN'], recurrent),
  GRU: { 3: same, ...recurrent },
  Cast: { 6: { up: castToCode, down: 'same' } },
  Concat: { 4: { up: sayConcatAxis, down: 'same' } },
  Gemm: { 6: same, 7: without('broadcast') },
  GlobalLpPool: { 2: { up: integerOrder, down: 'same' } },
  LpPool: { 2: { up: integerOrder, down: 'same' } },
  PRelu: { 6: noMemoryHint, 7: { up: slopeOfChannels, down: 'same' } },
  Reshape: { 5: { up: shapeToInput, down: 'same' } },
  Tile: { 6: { up: { refuse: 'opset 1 repeats along one axis that is computed when it runs' }, down: 'same' } },
};
