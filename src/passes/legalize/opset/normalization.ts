import { getInt, intAttribute } from '../../../ir/attribute.js';
import { dataTypeCode } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { floatsOf } from './scalar_tensor.js';
import { shapeBack } from './shape_back.js';
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
  const dtype = context.dtype(input);
  if (dtype === undefined) return 'the type of its input is not known';
  // Opset 18 computes in the type of its input, opset 21 in float unless told.
  if (dtype !== 'float') context.setAttribute(node, intAttribute('stash_type', dataTypeCode(dtype)));
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

/** Down, the groups are normalized only, and every channel is scaled and shifted behind that. */
const channelsBehind: Adapter = (node, context) => {
  const [input, scale, bias] = node.inputs;
  const dtype = context.dtype(input);
  const rank = context.rank(input);
  const groups = getInt(node, 'num_groups', 0);
  if (input == null || scale == null || bias == null) return 'an input is missing';
  if (dtype === undefined || rank === undefined) return 'the type or rank of its input is not known';
  if (getInt(node, 'stash_type', 1) !== dataTypeCode(dtype)) return `it computes in another type than ${dtype}`;
  const one = floatsOf(dtype, [groups], 1);
  const zero = floatsOf(dtype, [groups], 0);
  if (one === undefined || zero === undefined) return `it normalizes ${dtype}`;
  const ones = context.addConstant(node, one, 'group_scale');
  const none = context.addConstant(node, zero, 'group_bias');
  const attributes = [...node.attributes.values()].filter(({ name }) => name !== 'stash_type');
  const normalized = context.insert(node, 'GroupNormalization', [input, ones, none], attributes);
  const column = context.int64(node, [-1, ...Array.from({ length: rank - 2 }, () => 1)], 'group_column');
  const scaled = context.insert(node, 'Mul', [normalized, context.insert(node, 'Reshape', [scale, column])]);
  return context.become(node, 'Add', [scaled, context.insert(node, 'Reshape', [bias, column])]);
};

/** A group of channels is what InstanceNormalization takes one channel for. */
const groupsAsChannels: Adapter = (node, context) => {
  const [input, scale, bias] = node.inputs;
  if (input == null || scale == null || bias == null) return 'an input is missing';
  const target = shapeBack(node, input, context);
  if (typeof target === 'string') return target;
  const groups = context.int64(node, [0, getInt(node, 'num_groups', 0), -1], 'group_shape');
  const epsilon = [...node.attributes.values()].filter(({ name }) => name === 'epsilon');
  const grouped = context.insert(node, 'Reshape', [input, groups]);
  const result = context.insert(node, 'InstanceNormalization', [grouped, scale, bias], epsilon);
  return context.become(node, 'Reshape', [result, target.shape], target.attributes);
};

export const normalizationSteps: StepTable = {
  BatchNormalization: {
    7: { up: noTestFlag, down: 'same' },
    9: { up: isSpatial, down: 'same' },
    14: { up: infers, down: stopsTraining },
    15: { up: 'same', down: 'same' },
  },
  GroupNormalization: {
    18: { up: 'same', down: groupsAsChannels },
    21: { up: groupsToChannels, down: channelsBehind },
  },
};
