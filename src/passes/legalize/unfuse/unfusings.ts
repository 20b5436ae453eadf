import { activationUnfusings } from './activations.js';
import { attention } from './attention.js';
import { layerUnfusings } from './fused_layers.js';
import { matmulNBits } from './matmul_nbits.js';
import { multiHeadAttention } from './multi_head_attention.js';
import { normalizationUnfusings } from './normalization.js';
import { packedAttention } from './packed_attention.js';
import { rotaryUnfusings } from './rotary_embedding.js';
import type { Unfusing } from './unfusing.js';

/** One line a family; no two tell about one operator. */
export const unfusings: readonly Unfusing[] = [
  ...activationUnfusings,
  ...layerUnfusings,
  ...normalizationUnfusings,
  ...rotaryUnfusings,
  attention,
  multiHeadAttention,
  packedAttention,
  matmulNBits,
];
