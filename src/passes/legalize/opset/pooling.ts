import { getInt, getInts, getString } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';
import type { Adapter, Step, StepTable } from './step.js';

/**
 * Rounding the size up can make a last window that starts in the padding behind the input. Newer versions leave it
 * out, older ones do not say; where no window can, both mean the same.
 */
const lastWindowClear: Adapter = (node) =>
  getInt(node, 'ceil_mode', 0) === 0 || startsInside(node)
    ? undefined
    : 'rounded up, its last window may start in the padding, which only newer opsets leave out';

function startsInside(node: Node): boolean {
  const padding = getString(node, 'auto_pad', 'NOTSET');
  if (padding.startsWith('SAME')) return true;
  const kernel = getInts(node, 'kernel_shape', []);
  const strides = getInts(node, 'strides', []);
  const dilations = getInts(node, 'dilations', []);
  const pads = padding === 'VALID' ? [] : getInts(node, 'pads', []);
  return kernel.every((size, axis) => {
    const extent = (size - 1) * (dilations[axis] ?? 1) + 1;
    return (pads[kernel.length + axis] ?? 0) + (strides[axis] ?? 1) <= extent;
  });
}

/** A window that hangs over the padding counts what lies outside in some readings, and not in others. */
const countsPaddingClearly: Adapter = (node) =>
  getInt(node, 'ceil_mode', 0) !== 0 && getInt(node, 'count_include_pad', 0) !== 0
    ? 'rounded up and counting padding, older opsets do not say what its last window is divided by'
    : undefined;

const both = (adapter: Adapter): Step => ({ up: adapter, down: adapter });

/** The two versions split an odd padding to opposite sides. */
const explicitPadding: Adapter = (node) =>
  getString(node, 'auto_pad', 'NOTSET').startsWith('SAME') || node.attributes.has('output_shape')
    ? 'before opset 11, which side gets an odd padding is told the other way round'
    : undefined;

export const poolingSteps: StepTable = {
  AveragePool: { 19: both(countsPaddingClearly), 22: both(lastWindowClear) },
  ConvTranspose: { 11: both(explicitPadding) },
  MaxPool: { 22: both(lastWindowClear) },
};
