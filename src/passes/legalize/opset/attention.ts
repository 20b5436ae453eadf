import { dimEquals } from '../../../ir/dim.js';
import type { Adapter, StepTable } from './step.js';

/** A mask shorter than the keys is padded from opset 24 on, so that a last size of 1 is no longer clear. */
const maskIsLong: Adapter = (node, context) => {
  const mask = node.inputs[3];
  if (mask == null) return undefined;
  const last = context.shape(mask)?.at(-1);
  return last === undefined || last === 1 ? 'its mask may be broadcast to all keys, or padded' : undefined;
};

const maskIsComplete: Adapter = (node, context) => {
  const [, keys, , mask, past] = node.inputs;
  if (mask == null) return undefined;
  const last = context.shape(mask)?.at(-1);
  const length = context.shape(keys)?.at(-2);
  const isComplete = past == null && last !== undefined && length !== undefined && dimEquals(last, length);
  return isComplete ? undefined : 'its mask may be shorter than the keys';
};

export const attentionSteps: StepTable = {
  Attention: { 24: { up: maskIsLong, down: maskIsComplete } },
};
