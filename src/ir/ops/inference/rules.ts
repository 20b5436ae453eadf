import type { InferenceRule, InferenceRules } from './context.js';
import { controlFlowRules } from './control_flow.js';
import { elementwiseRules } from './elementwise.js';
import { machineLearningRules } from './machine_learning.js';
import { randomRules } from './random.js';
import { sequenceRules } from './sequences.js';
import { signalRules } from './signal.js';
import { textRules } from './text.js';

/** One line a family of operators. */
const families: readonly InferenceRules[] = [
  elementwiseRules,
  controlFlowRules,
  sequenceRules,
  randomRules,
  signalRules,
  textRules,
  machineLearningRules,
];

const rules = new Map<string, InferenceRule>(families.flatMap((family) => Object.entries(family)));

/** The rule of an operator; undefined where it has none, and its outputs stay unknown. */
export const inferenceRule = (domain: string, opType: string): InferenceRule | undefined =>
  rules.get(domain === '' || domain === 'ai.onnx' ? opType : `${domain}:${opType}`);
