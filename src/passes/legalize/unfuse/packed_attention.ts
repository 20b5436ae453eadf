// com.microsoft.Attention(x, weights, bias, mask, scores) => softmax(scale · q · kᵀ + masks) · v of x · weights + bias
import { getInt, getInts } from '../../../ir/attribute.js';
import { opsetVersion } from '../../../ir/graph.js';
import { floatTypeOf } from './activations.js';
import { attendedHeads, type Facts } from './multi_head_attention.js';
import { causalSince } from './scaled_products.js';
import { inputOf, isRead, type Unfusing } from './unfusing.js';

export const packedAttention: Unfusing = {
  domain: 'com.microsoft',
  opType: 'Attention',
  plan(node, context) {
    const { inference } = context;
    const [x, weights, bias, padding, past, scores] = [0, 1, 2, 3, 4, 5].map((index) => inputOf(node, index));
    if (x == null || weights == null) return 'an input is missing';
    if (past != null || isRead(node, 1)) return 'keys and values of before are one tensor';
    if (getInt(node, 'do_rotary', 0) !== 0) return 'it rotates positions';
    const dtype = floatTypeOf(x, context);
    const width = inference.shapeOf(weights)?.[1];
    const heads = getInt(node, 'num_heads', 0);
    if (dtype === undefined || typeof width !== 'number') return 'the type or width of its operands is not known';
    const [q, k, v] = getInts(node, 'qkv_hidden_sizes', undefined) ?? [width / 3, width / 3, width / 3];
    const sizes = [q! / heads, k! / heads, v! / heads];
    if (heads < 1 || !sizes.every(Number.isInteger) || q !== k || q! + k! + v! !== width) return 'its heads do not fit';
    const padded = padding == null ? undefined : inference.shapeOf(padding)?.length;
    if (padding != null && padded !== 2 && padded !== 3) return 'its padding is not a mask of keys';
    const isCausal = getInt(node, 'unidirectional', 0) !== 0;
    if (isCausal && (opsetVersion(node.graph, '') ?? causalSince) < causalSince) {
      return `opset ${causalSince} is the first that makes causal masks`;
    }
    const facts: Facts = { heads, size: sizes[0]!, valueSize: sizes[2]!, areSplit: false, dtype, isCausal, padded };
    return (spelling) => {
      const product = spelling.op('MatMul', [x, weights]);
      const projected = bias == null ? product : spelling.op('Add', [product, bias]);
      const [query, key, value] = spelling.split(projected, 2, [q!, k!, v!]);
      const given = { query: query!, key: key!, value: value!, bias: null, padding: padding ?? null };
      const operands = { ...given, scores: scores ?? null, pastKey: null, pastValue: null };
      return [attendedHeads(node, operands, facts, spelling).result, null];
    };
  },
};
