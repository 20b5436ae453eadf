import { add, asDim, type Dim } from '../../dim.js';
import { headSize, splitHeads } from '../inference/heads.js';
import { agreedSize } from '../inference/sizes.js';
import type { CostContext, CostRule, CostRules, Count, Work } from './cost.js';
import { elementsOf, inputElements, plus, times } from './extent.js';

const unknown: Work = { macs: undefined, elementOps: undefined };

/** Sizes of the attention itself: of every query head, over all keys there are. */
type Sizes = {
  readonly batch: Count;
  readonly heads: Count;
  readonly queries: Count;
  readonly keys: Count;
  /** Of one head. */
  readonly keySize: Count;
  readonly valueSize: Count;
};

/** Greatest, difference, exp, sum, division, and the scale of the scores. */
const scoreOperations = 5 + 1;

/** softcap·tanh(score/softcap) */
const softcap = ({ input }: CostContext): number => (input.float('softcap', 0) === 0 ? 0 : 3);

/**
 * Q·K and its product with V: batch·heads·queries·keys·(keySize + valueSize). Keys that a mask, a causal order or a
 * window hides are counted, as the definition multiplies them all.
 */
function attention({ batch, heads, queries, keys, keySize, valueSize }: Sizes, perScore: number): Work {
  const scores = times(batch, heads, queries, keys);
  return { macs: times(scores, plus(keySize, valueSize)), elementOps: times(scores, perScore) };
}

const plusWork = (a: Work, b: Work): Work => ({
  macs: plus(a.macs, b.macs),
  elementOps: plus(a.elementOps, b.elementOps),
});

const settled = (size: Dim | undefined | 'conflict'): Dim | undefined => (size === 'conflict' ? undefined : size);

/** ONNX `Attention` */
const standard: CostRule = (context) => {
  const { input } = context;
  const keyHeads = input.int('kv_num_heads', undefined);
  const query = splitHeads(input.shape(0), input.int('q_num_heads', undefined));
  const key = splitHeads(input.shape(1), keyHeads);
  const value = splitHeads(input.shape(2), keyHeads);
  if (query === 'conflict' || key === 'conflict' || value === 'conflict') return unknown;
  const past = input.has(4) || input.has(5) ? settled(agreedSize([input.shape(4)?.[2], input.shape(5)?.[2]])) : 0;
  const isCausal = input.int('is_causal', 0) !== 0;
  return attention(
    {
      batch: settled(agreedSize([query.batch, key.batch, value.batch])),
      heads: query.heads,
      queries: query.length,
      keys: plus(past, settled(agreedSize([key.length, value.length]))),
      keySize: settled(agreedSize([query.size, key.size])),
      valueSize: value.size,
    },
    scoreOperations + softcap(context) + (input.has(3) ? 1 : 0) + (isCausal ? 1 : 0),
  );
};

/** Projections beside each other: [batch, length, input] by [input, hidden], then the attention of their parts. */
const projected =
  (pastInput: number, biasInput: number, maskInputs: readonly number[]): CostRule =>
  (context) => {
    const { input } = context;
    const x = input.shape(0);
    const all = settled(agreedSize([input.shape(1)?.[1], input.shape(biasInput)?.[0]]));
    if (x?.length !== 3) return unknown;
    const heads = input.int('num_heads', undefined);
    const sizes = input.ints('qkv_hidden_sizes', undefined);
    const [queryHidden, , valueHidden] = sizes ?? [third(all), third(all), third(all)];
    // In a buffer that keys of before share with those of now, its length is not theirs.
    const isShared = input.int('past_present_share_buffer', 0) !== 0;
    const past = input.has(pastInput) ? (isShared ? undefined : input.shape(pastInput)?.[3]) : 0;
    const masks = maskInputs.filter((index) => input.has(index)).length;
    const tokens = elementsOf(x.slice(0, 2));
    return plusWork(
      { macs: times(tokens, x[2], all), elementOps: input.has(biasInput) ? times(tokens, all) : 0 },
      attention(
        {
          batch: x[0],
          heads,
          queries: x[1],
          keys: plus(past, x[1]),
          keySize: settled(headSize(queryHidden, heads)),
          valueSize: settled(headSize(valueHidden, heads)),
        },
        scoreOperations + masks + (input.int('unidirectional', 0) === 0 ? 0 : 1),
      ),
    );
  };

const third = (size: Dim | undefined): Dim | undefined => settled(headSize(size, 3));

/** Queries [batch, length, hidden], or all in one [batch, length, heads, 3, size]; keys packed with values, or apart. */
const multiHead: CostRule = (context) => {
  const { input } = context;
  const query = input.shape(0);
  const key = input.shape(1);
  const value = input.shape(2);
  const heads = input.int('num_heads', undefined);
  const isPacked = query?.length === 5;
  const isKeyPacked = key?.length === 5;
  if (!isPacked && query?.length !== 3) return unknown;
  const size = isPacked ? query[4] : settled(headSize(query[2], heads));
  const length = isPacked
    ? query[1]
    : key?.length === 4
      ? key[2]
      : key?.length === 3 || isKeyPacked
        ? key[1]
        : undefined;
  const valueSize =
    isPacked || isKeyPacked ? size : value?.length === 4 ? value[3] : settled(headSize(value?.[2], heads));
  const isShared = input.has(8);
  const past = input.has(6) ? (isShared ? undefined : input.shape(6)?.[2]) : 0;
  const masks = [4, 5].filter((index) => input.has(index)).length + (input.int('unidirectional', 0) === 0 ? 0 : 1);
  const work = attention(
    { batch: query[0], heads, queries: query[1], keys: plus(past, length), keySize: size, valueSize },
    scoreOperations + masks,
  );
  return input.has(3) ? plusWork(work, { macs: 0, elementOps: projectionBias(context) }) : work;
};

/** One addition for each element of queries, keys and values. */
const projectionBias = (context: CostContext): Count =>
  plus(...[0, 1, 2].map((index) => (context.input.has(index) ? inputElements(context, index) : 0)));

/** Heads of queries share those of keys; how many keys there are is a scalar beside them. */
const groupQuery: CostRule = (context) => {
  const { input } = context;
  const query = input.shape(0);
  const heads = input.int('num_heads', undefined);
  const keyHeads = input.int('kv_num_heads', undefined);
  if (query?.length !== 3 || heads === undefined || keyHeads === undefined) return unknown;
  const isPacked = !input.has(2);
  const size = settled(headSize(query[2], isPacked ? heads + 2 * keyHeads : heads));
  const total = asDim(input.content(6)?.elements[0]);
  const masks = (input.has(10) ? 1 : 0) + (input.int('causal', 1) === 0 ? 0 : 1);
  const work = attention(
    { batch: query[0], heads, queries: query[1], keys: total, keySize: size, valueSize: size },
    scoreOperations + softcap(context) + masks,
  );
  // Queries and keys turn, three operations an element, where the caches have half the size of a head.
  const turned = times(2, input.shape(7)?.[1]);
  const vectors = times(query[0], query[1], add(heads, keyHeads));
  const rotation = input.int('do_rotary', 0) === 0 ? 0 : times(vectors, turned, 3);
  const isNormalized = input.has(14) || input.has(15);
  return plusWork(work, { macs: 0, elementOps: isNormalized ? undefined : rotation });
};

/**
 * ONNX `LinearAttention`, token by token: the state [dk, dv] of each key head decays, takes up k·vᵀ and meets every
 * query of its group; the delta rules first read the state at k, and scale the difference to v by beta.
 */
const linear: CostRule = (context) => {
  const { input } = context;
  const queryHeads = input.int('q_num_heads', undefined);
  const heads = input.int('kv_num_heads', undefined);
  const query = input.shape(0);
  const value = input.shape(2);
  const rule = input.attributes.has('update_rule') ? input.string('update_rule', '?') : 'gated_delta';
  if (query?.length !== 3 || !['linear', 'gated', 'delta', 'gated_delta'].includes(rule)) return unknown;
  const dk = settled(headSize(query[2], queryHeads));
  const dv = settled(headSize(value?.[2], heads));
  const tokens = times(query[0], query[1]);
  const state = times(dk, dv);
  const isDelta = rule.endsWith('delta');
  const isGated = rule.startsWith('gated');
  const states = times(tokens, heads, state);
  const results = times(tokens, queryHeads, dv);
  return {
    macs: plus(times(states, isDelta ? 2 : 1), times(tokens, queryHeads, state)),
    // The decay is an exponent of each of its elements and a product for the state; results are scaled.
    elementOps: plus(
      results,
      isGated ? plus(states, inputElements(context, 4)) : 0,
      isDelta ? times(tokens, heads, dv, 2) : 0,
    ),
  };
};

export const attentionCosts: CostRules = {
  Attention: standard,
  LinearAttention: linear,
  'com.microsoft:Attention': projected(4, 2, [3, 5]),
  'com.microsoft:QAttention': projected(8, 2, [5]),
  'com.microsoft:MultiHeadAttention': multiHead,
  'com.microsoft:GroupQueryAttention': groupQuery,
};
