import { getInt } from '../../../ir/attribute.js';
import { dataTypeKind } from '../../../ir/data_type.js';
import { shapesEqual } from '../../../ir/value_type.js';
import { zeros } from './scalar_tensor.js';
import type { Adapter, StepTable } from './step.js';

const sameShapes: Adapter = (node, context) => {
  const [first, ...others] = node.inputs.map((input) => context.shape(input));
  return others.every((shape) => shapesEqual(first, shape)) ? undefined : 'its inputs are not known to have one shape';
};

const sum = { 8: { up: 'same', down: sameShapes } } as const;

const addZero: Adapter = (node, context) => {
  if (node.inputs[2] != null) return undefined;
  const dtype = context.dtype(node.inputs[0]);
  const zero = dtype && zeros(dtype, [1]);
  if (zero === undefined) return 'the type of its inputs is not known';
  context.setInput(node, 2, context.addConstant(node, zero, 'gemm_zero'));
  return undefined;
};

/** Down, floor modulo is for integers and truncated modulo for floats. */
const moduloByType: Adapter = (node, context) => {
  const dtype = context.dtype(node.inputs[0]);
  if (dtype === undefined) return 'the type of its inputs is not known';
  const isTruncated = getInt(node, 'fmod', 0) !== 0;
  if (isTruncated === (dataTypeKind(dtype) === 'float')) return undefined;
  return isTruncated ? `fmod of ${dtype} does not exist there` : `floor modulo of ${dtype} does not exist there`;
};

export const broadcastingSteps: StepTable = {
  Max: sum,
  Mean: sum,
  Min: sum,
  Sum: sum,
  Gemm: { 11: { up: 'same', down: addZero } },
  Mod: { 28: { up: 'same', down: moduloByType } },
};
