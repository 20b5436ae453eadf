import { attentionSteps } from './attention.js';
import { axisSteps } from './axes.js';
import { broadcastingSteps } from './broadcasting.js';
import { clipSteps } from './clip.js';
import { controlFlowSteps } from './control_flow.js';
import { decompositionSteps } from './decomposition.js';
import { dropoutSteps } from './dropout.js';
import { legacySteps } from './legacy.js';
import { normalizationSteps } from './normalization.js';
import { padSteps } from './pad.js';
import { poolingSteps } from './pooling.js';
import { quantizationSteps } from './quantization.js';
import { reduceSteps } from './reduce.js';
import { resizeSteps } from './resize.js';
import { sameSteps } from './same_steps.js';
import { scatterSteps } from './scatter.js';
import { shapeSteps } from './shape.js';
import { signalSteps } from './signal.js';
import { sliceSteps } from './slice.js';
import { softmaxSteps } from './softmax.js';
import { splitSteps } from './split.js';
import type { OperatorSteps, StepTable } from './step.js';
import { topKSteps } from './top_k.js';

/** One line a family. No two tell about one step: a test holds that, and that every step of the schemas is told about. */
export const stepFamilies: readonly StepTable[] = [
  legacySteps,
  sameSteps,
  attentionSteps,
  axisSteps,
  broadcastingSteps,
  clipSteps,
  controlFlowSteps,
  decompositionSteps,
  dropoutSteps,
  normalizationSteps,
  padSteps,
  poolingSteps,
  quantizationSteps,
  reduceSteps,
  resizeSteps,
  scatterSteps,
  shapeSteps,
  signalSteps,
  sliceSteps,
  softmaxSteps,
  splitSteps,
  topKSteps,
];

/** How each operator of the default domain gets over each of its versions. */
export const steps: StepTable = merge(stepFamilies);

function merge(families: readonly StepTable[]): StepTable {
  const merged: Record<string, OperatorSteps> = {};
  for (const family of families) {
    for (const [opType, own] of Object.entries(family)) merged[opType] = { ...merged[opType], ...own };
  }
  return merged;
}
