import { getInt, intAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { Adapter, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

const noTestFlag: Adapter = (node, context) => {
  if (getInt(node, 'is_test', 0) === 0) return 'it is in training mode';
  context.removeAttribute(node, 'is_test');
  return undefined;
};

const isSpatial: Adapter = (node, context) => {
  if (getInt(node, 'spatial', 1) === 0) return 'its statistics are not by channel';
  context.removeAttribute(node, 'spatial');
  return undefined;
};

/** Before, more than one output meant training; after, an attribute does. */
const infers: Adapter = (node) => (node.outputs.length > 1 ? 'it is in training mode' : undefined);

const stopsTraining: Adapter = (node, context) => {
  if (getInt(node, 'training_mode', 0) !== 0 || node.outputs.length > 1) return 'it is in training mode';
  context.removeAttribute(node, 'training_mode');
  return undefined;
};

/** scale and bias of every group before, of every channel after. */
const groupsToChannels: Adapter = (node, context) => {
  const groups = getInt(node, 'num_groups', 0);
  const [input, scale, bias] = node.inputs;
  if (input == null || scale == null || bias == null) return 'an input is missing';
  // Opset 21 computes in float unless told; opset 18 does not say.
  if (context.dtype(input) !== 'float') return 'opset 18 does not say how precisely it computes other types than float';
  const repeats = channelsPerGroup(node, input, groups, context);
  context.editor.setInput(node, 1, repeatEach(node, scale, groups, repeats, context));
  context.editor.setInput(node, 2, repeatEach(node, bias, groups, repeats, context));
  return undefined;
};

function channelsPerGroup(node: Node, input: Value, groups: number, context: StepContext): Value {
  const channels = context.shape(input)?.[1];
  const shape = (count: number) => context.int64(node, [groups, count], 'group_channels');
  if (typeof channels === 'number') return shape(channels / groups);
  const size = context.insert(node, 'Shape', [input], [intAttribute('start', 1), intAttribute('end', 2)]);
  const count = context.insert(node, 'Div', [size, context.int64(node, [groups], 'groups')]);
  const leading = context.int64(node, [groups], 'groups');
  return context.insert(node, 'Concat', [leading, count], [intAttribute('axis', 0)]);
}

function repeatEach(node: Node, values: Value, groups: number, shape: Value, context: StepContext): Value {
  const column = context.addConstant(node, int64Tensor([groups, 1]), 'group_column');
  const flat = context.addConstant(node, int64Tensor([-1]), 'group_flat');
  const reshaped = context.insert(node, 'Reshape', [values, column]);
  return context.insert(node, 'Reshape', [context.insert(node, 'Expand', [reshaped, shape]), flat]);
}

export const normalizationSteps: StepTable = {
  BatchNormalization: {
    7: { up: noTestFlag, down: 'same' },
    9: { up: isSpatial, down: 'same' },
    14: { up: infers, down: stopsTraining },
    15: { up: 'same', down: 'same' },
  },
  GroupNormalization: {
    21: { up: groupsToChannels, down: { refuse: 'scale and bias are by channel here, and by group there' } },
  },
};
