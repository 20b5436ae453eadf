import { getInt, getString, stringAttribute } from '../../../ir/attribute.js';
import { constantNodeTensor } from '../../../ir/constant.js';
import { provablyAtLeast } from '../../../ir/dim.js';
import type { Adapter, StepTable } from './step.js';

/** Past any rank: where Slice stops by itself. */
const openEnd = 2 ** 31 - 1;

const sliceOfShape: Adapter = (node, context) => {
  const start = getInt(node, 'start', 0);
  const end = getInt(node, 'end', openEnd);
  context.removeAttribute(node, 'start', 'end');
  if (start === 0 && end === openEnd) return undefined;
  const shape = context.insert(node, 'Shape', [node.inputs[0]!]);
  const bounds = [start, end].map((bound, index) =>
    context.int64(node, [bound], index === 0 ? 'shape_start' : 'shape_end'),
  );
  return context.become(node, 'Slice', [shape, ...bounds]);
};

/** Down, where a 0 in the shape always means the input's own size. */
const zeroMeansCopy: Adapter = (node, context) => {
  if (getInt(node, 'allowzero', 0) !== 0) {
    const elements = context.elements(node.inputs[1]);
    const isClear = elements?.every((size) => size === -1 || (size !== undefined && provablyAtLeast(size, 1)));
    if (!isClear) return 'its shape may hold a 0 that means 0';
  }
  context.removeAttribute(node, 'allowzero');
  return undefined;
};

/** The short forms of a value are the tensor that they stand for. */
const valueToTensor: Adapter = (node, context) => {
  if (node.attributes.has('value')) return undefined;
  const tensor = constantNodeTensor(node);
  if (tensor === undefined) return undefined;
  context.removeAttribute(node, ...[...node.attributes.keys()].filter((name) => name.startsWith('value_')));
  context.setAttribute(node, { name: 'value', kind: 'tensor', value: tensor });
  return undefined;
};

const renameMode =
  (names: Readonly<Record<string, string>>, fallback: string): Adapter =>
  (node, context) => {
    const mode = getString(node, 'mode', fallback);
    context.setAttribute(node, stringAttribute('mode', names[mode] ?? mode));
    return undefined;
  };

const toLinear = renameMode({ bilinear: 'linear', bicubic: 'cubic' }, 'bilinear');
const toBilinear = renameMode({ linear: 'bilinear', cubic: 'bicubic' }, 'linear');

const onlyImages: Adapter = (node, context) =>
  context.rank(node.inputs[0]) === 4 ? toBilinear(node, context) : 'its input is not known to be an image';

const regionByOutput: Adapter = (node, context) => {
  context.setAttribute(node, stringAttribute('coordinate_transformation_mode', 'output_half_pixel'));
  return undefined;
};

const onlyByOutput: Adapter = (node, context) => {
  const mode = getString(node, 'coordinate_transformation_mode', 'half_pixel');
  if (mode !== 'output_half_pixel') return `coordinates "${mode}" do not exist there`;
  context.removeAttribute(node, 'coordinate_transformation_mode');
  return undefined;
};

export const shapeSteps: StepTable = {
  Constant: { 12: { up: 'same', down: valueToTensor } },
  GridSample: { 20: { up: toLinear, down: onlyImages } },
  Reshape: { 14: { up: 'same', down: zeroMeansCopy } },
  RoiAlign: { 16: { up: regionByOutput, down: onlyByOutput } },
  Shape: { 15: { up: 'same', down: sliceOfShape } },
};
