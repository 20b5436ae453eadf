import { asDim } from '../../dim.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Layout 0: X [sequence, batch, input], Y [sequence, directions, batch, hidden]; layout 1 puts the batch first. */
function inferRecurrent(context: InferenceContext): void {
  const x = context.shape(0);
  const r = context.shape(2);
  const directions = context.string('direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden = asDim(context.int('hidden_size', undefined) ?? r?.[2]);
  const dtype = context.dtype(0);
  const batchFirst = context.int('layout', 0) === 1;
  const [first, second] = [x?.[0], x?.[1]];
  const batch = batchFirst ? first : second;
  const sequence = batchFirst ? second : first;
  context.setTensor(
    0,
    dtype,
    batchFirst ? [batch, sequence, directions, hidden] : [sequence, directions, batch, hidden],
  );
  for (const index of [1, 2]) {
    context.setTensor(index, dtype, batchFirst ? [batch, directions, hidden] : [directions, batch, hidden]);
  }
}

export const recurrentRules: InferenceRules = { LSTM: inferRecurrent, GRU: inferRecurrent, RNN: inferRecurrent };
