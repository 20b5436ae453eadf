import { getFloat, getFloats, getInts, getString, stringAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { floatTensor, tensorData } from '../../../ir/tensor.js';
import { fromFront } from './axes.js';
import type { Adapter, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

/** Before this opset, an output pixel stands for the input pixel at its place divided by the scale, rounded down. */
const coordinatesSince = 11;

const scalesOf = (value: Value | null | undefined, context: StepContext): number[] | undefined => {
  const tensor = context.constant(value);
  return tensor?.dtype === 'float' ? Array.from(tensorData(tensor), Number) : undefined;
};

const isEmpty = (value: Value | null | undefined, context: StepContext): boolean =>
  value == null || context.dims(value)?.includes(0) === true || context.constant(value)?.dims.includes(0) === true;

const modeOf = (node: Node): string => getString(node, 'mode', 'nearest');

const sidesToScales: Adapter = (node, context) => {
  const height = getFloat(node, 'height_scale', undefined);
  const width = getFloat(node, 'width_scale', undefined);
  if (height === undefined || width === undefined) return 'a scale is missing';
  if (modeOf(node) === 'bilinear') context.setAttribute(node, stringAttribute('mode', 'linear'));
  context.removeAttribute(node, 'height_scale', 'width_scale');
  context.setAttribute(node, { name: 'scales', kind: 'floats', value: [1, 1, height, width] });
  return undefined;
};

const scalesToInput: Adapter = (node, context) => {
  const scales = getFloats(node, 'scales', undefined);
  if (scales === undefined) return 'attribute "scales" is missing';
  context.setInput(node, 1, context.addConstant(node, floatTensor(scales), 'upsample_scales'));
  context.removeAttribute(node, 'scales');
  return undefined;
};

const scalesToAttribute: Adapter = (node, context) => {
  const scales = scalesOf(node.inputs[1], context);
  if (scales === undefined) return 'its scales are computed when it runs';
  context.truncateInputs(node, 1);
  context.setAttribute(node, { name: 'scales', kind: 'floats', value: scales });
  return undefined;
};

/** Upsample only ever enlarges, which Resize no longer tells: what that settles is set while it is known. */
const upsampleToResize: Adapter = (node, context) => {
  context.editor.setOperator(node, { domain: '', opType: 'Resize' });
  if (context.target >= coordinatesSince) setOldCoordinates(node, context);
  return undefined;
};

const resizeToUpsample: Adapter = (node, context) => {
  const scales = scalesOf(node.inputs[1], context);
  if (!scales?.every((scale) => scale >= 1)) return 'it is not known to enlarge on every axis';
  context.editor.setOperator(node, { domain: '', opType: 'Upsample' });
  return undefined;
};

function setOldCoordinates(node: Node, context: StepContext): void {
  context.setAttribute(node, stringAttribute('coordinate_transformation_mode', 'asymmetric'));
  if (modeOf(node) === 'nearest') context.setAttribute(node, stringAttribute('nearest_mode', 'floor'));
}

const sayCoordinates: Adapter = (node, context) => {
  const [, scales] = node.inputs;
  if (scales == null) return 'it has no scales';
  if (!node.attributes.has('coordinate_transformation_mode')) {
    if (modeOf(node) === 'nearest' && !scalesOf(scales, context)?.every((scale) => scale >= 1)) {
      return 'opset 10 does not say which pixel is the nearest where it may shrink';
    }
    setOldCoordinates(node, context);
  }
  context.editor.setInput(node, 2, scales);
  context.setInput(node, 1, context.addConstant(node, floatTensor([]), 'resize_roi'));
  return undefined;
};

const newerAttributes = [
  'coordinate_transformation_mode',
  'cubic_coeff_a',
  'exclude_outside',
  'extrapolation_value',
  'nearest_mode',
] as const;

const onlyOldCoordinates: Adapter = (node, context) => {
  const [, , scales, sizes] = node.inputs;
  if (scales == null || !isEmpty(sizes, context)) return 'it is given sizes, not scales';
  const reason = otherCoordinates(node, scalesOf(scales, context));
  if (reason !== undefined) return reason;
  context.removeAttribute(node, ...newerAttributes);
  context.setInput(node, 1, scales);
  context.truncateInputs(node, 2);
  return undefined;
};

/** Why a Resize of opset 11 takes other pixels than one of opset 10. */
function otherCoordinates(node: Node, scales: readonly number[] | undefined): string | undefined {
  const coordinates = getString(node, 'coordinate_transformation_mode', 'half_pixel');
  const mode = modeOf(node);
  if (mode === 'linear')
    return coordinates === 'asymmetric' ? undefined : `coordinates "${coordinates}" do not exist there`;
  if (mode !== 'nearest') return `mode "${mode}" does not exist there`;
  if (!scales?.every((scale) => scale >= 1)) return 'it is not known to enlarge on every axis';
  const nearest = getString(node, 'nearest_mode', 'round_prefer_floor');
  if (coordinates === 'asymmetric' && nearest === 'floor') return undefined;
  // By a whole factor s, centres lie at most (s − 1) / 2s from the pixel they belong to: never halfway.
  const isCentred = coordinates === 'half_pixel' || coordinates === 'pytorch_half_pixel';
  const rounds = nearest === 'round_prefer_floor' || nearest === 'round_prefer_ceil';
  if (isCentred && rounds && scales.every(Number.isInteger)) return undefined;
  return `coordinates "${coordinates}" rounded by "${nearest}" do not exist there`;
}

/** roi and scales may be left out from here on instead of being empty. */
const leaveOutEmpty: Adapter = (node, context) => {
  if (getString(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_half_pixel_for_nn') {
    return 'coordinates "tf_half_pixel_for_nn" do not exist there';
  }
  const [, , scales, sizes] = node.inputs;
  if (sizes == null || isEmpty(sizes, context)) {
    context.truncateInputs(node, 3);
    return undefined;
  }
  if (!isEmpty(scales, context)) return 'it is given sizes and scales';
  context.setInput(node, 2, null);
  return undefined;
};

const giveEmpty: Adapter = (node, context) => {
  const empty = () => context.addConstant(node, floatTensor([]), 'resize_empty');
  if (node.inputs[1] == null) context.setInput(node, 1, empty());
  if (node.inputs[2] == null) context.setInput(node, 2, empty());
  return undefined;
};

/** Down, the scales of some axes become those of all. */
const axesToAll: Adapter = (node, context) => {
  const given = getInts(node, 'axes', undefined);
  if (given === undefined) return undefined;
  const rank = context.rank(node.inputs[0]);
  const axes = rank === undefined ? undefined : fromFront(given, rank);
  if (rank === undefined || axes === undefined) return 'it resizes some axes, and the rank is not known';
  const isAll = axes.length === rank && axes.every((axis, index) => axis === index);
  if (!isAll) {
    if (getString(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize') {
      return 'it crops some axes';
    }
    const scales = scalesOf(node.inputs[2], context);
    if (scales === undefined || !isEmpty(node.inputs[3], context)) return 'it resizes some axes to sizes';
    const all = Array.from({ length: rank }, () => 1);
    for (const [index, axis] of axes.entries()) all[axis] = scales[index] ?? 1;
    context.setInput(node, 1, null);
    context.setInput(node, 2, context.addConstant(node, floatTensor(all), 'resize_scales'));
  }
  context.removeAttribute(node, 'axes');
  return undefined;
};

const noSymmetric: Adapter = (node) => {
  const mode = getString(node, 'coordinate_transformation_mode', 'half_pixel');
  return mode === 'half_pixel_symmetric' ? `coordinates "${mode}" do not exist there` : undefined;
};

export const resizeSteps: StepTable = {
  Upsample: {
    7: { up: sidesToScales, down: 'same' },
    9: { up: scalesToInput, down: scalesToAttribute },
    10: { up: upsampleToResize, down: { refuse: 'Upsample is deprecated' } },
  },
  Resize: {
    10: { up: 'same', down: resizeToUpsample },
    11: { up: sayCoordinates, down: onlyOldCoordinates },
    13: { up: leaveOutEmpty, down: giveEmpty },
    18: { up: 'same', down: axesToAll },
    19: { up: 'same', down: noSymmetric },
  },
};
