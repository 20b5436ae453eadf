import type { DataType } from '../../data_type.js';
import { provablyDifferent } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { agreedSize, attributeSize } from './sizes.js';

/** Where the sizes of a recurrent operator are found: its directions, and the hidden size by an input and its axis. */
type Layout = { readonly hiddenAxis: number; readonly dtype: DataType | undefined };

const directionCounts: ReadonlyMap<string, number> = new Map([
  ['forward', 1],
  ['reverse', 1],
  ['bidirectional', 2],
]);

/**
 * X [sequence, batch, input], R [directions, gates·hidden, hidden] and the state before [directions, batch, hidden]
 * => Y [sequence, directions, batch, hidden] and the states after. With layout 1 the batch comes first everywhere.
 */
function inferRecurrent(context: InferenceContext, { hiddenAxis, dtype }: Layout): void {
  for (let index = 0; index < context.outputCount; index += 1) context.setTensor(index, dtype);
  const x = context.shape(0);
  const r = context.shape(2);
  const before = context.shape(5);
  if ([x, r, before].some((shape) => shape !== undefined && shape.length !== 3)) {
    const shapes = `${formatShape(x)}, ${formatShape(r)} and ${formatShape(before)}`;
    context.fail('infer/rank', `${context.node.opType} takes input, weights and state of three axes, not ${shapes}`);
    return;
  }
  const isBatchFirst = context.int('layout', 0) !== 0;
  const directions = directionCounts.get(context.string('direction', 'forward').toLowerCase());
  const asked = context.int('hidden_size', undefined);
  const hidden = agreedSize([asked && attributeSize(asked), r?.[hiddenAxis], before?.[2]]);
  const batch = agreedSize([x?.[isBatchFirst ? 0 : 1], before?.[isBatchFirst ? 0 : 1]]);
  const isWrong = provablyDifferent(r?.[0], directions) || (asked !== undefined && asked < 1);
  if (directions === undefined || isWrong || hidden === 'conflict' || batch === 'conflict') {
    context.fail('infer/recurrent', 'direction, hidden_size, weights and state do not fit each other');
    return;
  }
  const sequence = x?.[isBatchFirst ? 1 : 0];
  context.setTensor(
    0,
    dtype,
    isBatchFirst ? [batch, sequence, directions, hidden] : [sequence, directions, batch, hidden],
  );
  const state = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  for (let index = 1; index < context.outputCount; index += 1) context.setTensor(index, dtype, state);
}

const standard = (context: InferenceContext): void =>
  inferRecurrent(context, { hiddenAxis: 2, dtype: context.dtype(0) });

/** Its weights are stored the other way round: R [directions, hidden, gates·hidden]. */
const dynamicallyQuantized = (context: InferenceContext): void =>
  inferRecurrent(context, { hiddenAxis: 1, dtype: context.dtype(0) });

export const recurrentRules: InferenceRules = {
  RNN: standard,
  GRU: standard,
  LSTM: standard,
  'com.microsoft:AttnLSTM': standard,
  'com.microsoft:DynamicQuantizeLSTM': dynamicallyQuantized,
};
