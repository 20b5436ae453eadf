import { asDim, type Dim, mul, sub } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { agreedSize, attributeSize } from './sizes.js';
import { agreed, ofRank } from './state_space.js';

/** ONNX Runtime's convolutions of each channel that keep the positions behind them as a state, in com.microsoft. */
export const causalConvolutionRules: InferenceRules = {
  'com.microsoft:CausalConvWithState': causalConvolution,
  'com.microsoft:VarlenCausalConvWithState': packedCausalConvolution,
};

/**
 * [B, C, L], or [B, L, …C] with `channels_last`, => the same and the last (k − 1) · dilation positions, as many times as
 * there are states to go back to, in front of all other axes. The state over several spatial axes is nowhere said.
 */
function causalConvolution(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype, context.shape(0));
  context.setTensor(1, dtype);
  const states = context.int('state_window', 0);
  if (context.int('ndim', 1) !== 1) return;
  if (states < 0 || context.int('dilation', 1) < 1) {
    context.fail('infer/window', 'state_window is at least 0, dilation at least 1');
    return;
  }
  const isLast = context.int('channels_last', 0) !== 0;
  const input = isLast ? context.shape(0) : ofRank(context, 0, 3);
  const weight = ofRank(context, 1, 3);
  const bias = ofRank(context, 2, 1);
  if (input === 'conflict' || weight === 'conflict' || bias === 'conflict') return;
  const past = context.shape(3);
  const before = states > 0 ? past?.slice(1) : past;
  const rank = isLast ? input?.length : 3;
  if (rank !== undefined && (rank < 3 || (before !== undefined && before.length !== rank))) {
    context.fail('infer/rank', `input ${formatShape(input)} does not fit the state ${formatShape(past)}`);
    return;
  }
  const batch = agreed(context, 'batch', [input?.[0], before?.[0]]);
  const kept = agreed(context, 'kernel', [keptPositions(context, weight), before?.[isLast ? 1 : 2]]);
  const channels = isLast
    ? (input ?? before)?.slice(2)
    : [agreedSize([input?.[1], weight?.[0], bias?.[0], before?.[1]])];
  if (batch === 'conflict' || kept === 'conflict') return;
  if (channels?.includes('conflict')) {
    context.fail('infer/size', `channels of ${formatShape(input)} and ${formatShape(weight)} are not the same`);
    return;
  }
  if (channels === undefined) return;
  const sizes = channels.filter((size) => size !== 'conflict');
  const slots = states > 0 ? [attributeSize(states)] : [];
  const ordered = (length: Dim | undefined): Shape => (isLast ? [batch, length, ...sizes] : [batch, ...sizes, length]);
  context.setTensor(0, dtype, ordered(input?.[isLast ? 1 : 2]));
  context.setTensor(1, dtype, [...slots, ...ordered(kept)]);
}

/** Tokens of several sequences [tokens, C] => the same, the state of each sequence [B, C, positions], and what changed it. */
function packedCausalConvolution(context: InferenceContext): void {
  const dtype = context.dtype(0);
  for (const index of [0, 1, 2]) context.setTensor(index, dtype);
  const input = ofRank(context, 0, 2);
  const weight = ofRank(context, 1, 3);
  const bounds = ofRank(context, 2, 1);
  const bias = ofRank(context, 3, 1);
  const state = ofRank(context, 4, 3);
  const counts = ofRank(context, 5, 1);
  if (input === 'conflict' || weight === 'conflict' || bounds === 'conflict') return;
  if (bias === 'conflict' || state === 'conflict' || counts === 'conflict') return;
  const batch = agreed(context, 'batch', [state?.[0], asDim(sub(bounds?.[0], 1)), counts?.[0]]);
  const channels = agreed(context, 'channels', [input?.[1], weight?.[0], bias?.[0], state?.[1]]);
  const kept = agreed(context, 'kernel', [keptPositions(context, weight), state?.[2]]);
  if (batch === 'conflict' || channels === 'conflict' || kept === 'conflict') return;
  context.setTensor(0, dtype, [input?.[0], channels]);
  context.setTensor(1, dtype, [batch, channels, kept]);
  context.setTensor(2, dtype, [batch, attributeSize(context.int('state_update_capacity', 0)), channels]);
}

/** (k − 1) · dilation */
const keptPositions = (context: InferenceContext, weight: Shape | undefined): Dim | undefined =>
  asDim(mul(sub(weight?.[2], 1), attributeSize(context.int('dilation', 1))));
