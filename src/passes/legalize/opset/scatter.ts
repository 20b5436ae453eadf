import { getString } from '../../../ir/attribute.js';
import type { Adapter, StepTable } from './step.js';

const toScatterElements: Adapter = (node, context) => {
  context.editor.setOperator(node, { domain: '', opType: 'ScatterElements' });
  return undefined;
};

const toScatter: Adapter = (node, context) => {
  const indices = context.integers(node.inputs[1]);
  if (!indices?.every((index) => index >= 0)) return 'indices may count from the back here, and not there';
  context.editor.setOperator(node, { domain: '', opType: 'Scatter' });
  return undefined;
};

const withoutMaxMin: Adapter = (node) => {
  const reduction = getString(node, 'reduction', 'none');
  return reduction === 'max' || reduction === 'min' ? `reduction "${reduction}" does not exist there` : undefined;
};

const reductions = { 18: { up: 'same', down: withoutMaxMin } } as const;

export const scatterSteps: StepTable = {
  Scatter: { 11: { up: toScatterElements, down: { refuse: 'Scatter is deprecated' } } },
  ScatterElements: { 11: { up: 'same', down: toScatter }, ...reductions },
  ScatterND: reductions,
};
