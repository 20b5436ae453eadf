import { getInt, getInts } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { tensorData } from '../../../ir/tensor.js';
import { producerOf } from '../../rewrite/operator.js';
import { isClose, scalarOperand } from '../../rewrite/scalar.js';

/** softmax(softcap(scale · q · kᵀ) + mask) · v, its operands of rank 4: [batch, heads, length, size]. */
export type AttentionParts = {
  readonly q: Value;
  /** Transposed: [batch, heads, size, length]. */
  readonly keys: Value;
  readonly v: Value;
  readonly scale: number;
  /** c of c · tanh(scores / c); 0 where the scores are not bounded. */
  readonly softcap: number;
  /** Added to the scaled scores, or left out. */
  readonly mask: Value | null;
  /** Weights that are no numbers count as 0. */
  readonly isGuarded: boolean;
  /** The nodes that compute it, from the last product on. */
  readonly nodes: readonly Node[];
  /** The scores on their way: scaled, bounded, masked, and their softmax. */
  readonly stages: {
    /** null where none is scaled in full before it is bounded. */
    readonly scaled: Value | null;
    readonly capped: Value;
    readonly masked: Value;
    readonly weights: Value;
  };
};

/** Takes scaled dot-product attention apart, or says what it is instead. `product`: the MatMul with the values. */
export function attentionParts(product: Node, inference: Inference): AttentionParts | string {
  const [weighted = null, v = null] = product.inputs;
  const guard = weighted === null ? undefined : nanGuard(weighted, inference);
  const weights = guard?.weights ?? weighted;
  const softmax = weights?.producer ?? null;
  if (softmax === null || v === null || softmax.opType !== 'Softmax') return 'the left operand is not a softmax';
  if (!isOverLastAxis(softmax, inference)) return 'the softmax runs over another axis';
  const nodes = [product, ...(guard?.nodes ?? []), softmax];
  let scores = softmax.inputs[0]!;
  let mask: Value | null = null;
  const sum = scores.producer;
  if (sum?.opType === 'Add' && sum.attached) {
    const [left, right] = sum.inputs as [Value, Value];
    const leads = leadsToProduct(left, inference);
    if (leads === leadsToProduct(right, inference)) return 'no operand of the sum is the scores alone';
    [scores, mask] = leads ? [left, right] : [right, left];
    nodes.push(sum);
  }
  const capped = peelSoftcap(scores, inference);
  const scaled = peelScale(capped.value, inference);
  const dot = scaled.value.producer;
  if (dot?.opType !== 'MatMul' || !dot.attached) return 'the scores are not a matrix product';
  const [query, keys] = dot.inputs as [Value, Value];
  const q = peelScale(query, inference);
  const k = peelScale(keys, inference);
  const scale = scaled.scale * q.scale * k.scale * capped.scale;
  const isScaledBefore = isClose(q.scale * k.scale, scale, 1e-6);
  return {
    q: q.value,
    keys: k.value,
    v,
    scale,
    softcap: capped.softcap,
    mask,
    isGuarded: guard !== undefined,
    nodes: [...nodes, ...capped.nodes, ...scaled.nodes, dot, ...q.nodes, ...k.nodes],
    stages: {
      scaled: capped.softcap === 0 ? scores : isScaledBefore ? dot.outputs[0]! : null,
      ...{ capped: scores, masked: softmax.inputs[0]!, weights: weights! },
    },
  };
}

/** Where(IsNaN(w), 0, w), which exporters put behind a softmax over scores that may all be hidden. */
function nanGuard(value: Value, inference: Inference): { weights: Value; nodes: readonly Node[] } | undefined {
  const where = producerOf(value, 'Where');
  const [condition = null, zero = null, weights = null] = where?.inputs ?? [];
  const test = condition === null ? undefined : producerOf(condition, 'IsNaN');
  if (where === undefined || test === undefined || weights === null || test.inputs[0] !== weights) return undefined;
  return scalarOperand(zero, where, inference) === 0 ? { weights, nodes: [where, test] } : undefined;
}

/** Whether a mask surely hides nothing by infinity: chosen between finite constants, or constant. */
export function isFiniteMask(mask: Value): boolean {
  const where = producerOf(mask, 'Where');
  const parts = where === undefined ? [mask] : where.inputs.slice(1);
  return parts.every((part) => {
    const tensor = constantTensor(part);
    return tensor?.dtype === 'float' && (tensorData(tensor) as Float32Array).every(Number.isFinite);
  });
}

type Scaled = { readonly value: Value; readonly scale: number; readonly nodes: readonly Node[] };

/** Constants that a value is multiplied with or divided by, one after the other. */
export function peelScale(value: Value, inference: Inference): Scaled {
  let [inner, scale] = [value, 1];
  const nodes: Node[] = [];
  for (;;) {
    const node = inner.producer;
    if (!node?.attached || (node.opType !== 'Mul' && node.opType !== 'Div')) return { value: inner, scale, nodes };
    const [left = null, right = null] = node.inputs;
    const byRight = scalarOperand(right, node, inference);
    const byLeft = node.opType === 'Mul' ? scalarOperand(left, node, inference) : undefined;
    const factor = byRight ?? byLeft;
    const rest = byRight === undefined ? right : left;
    if (factor === undefined || rest === null) return { value: inner, scale, nodes };
    scale = node.opType === 'Mul' ? scale * factor : scale / factor;
    nodes.push(node);
    inner = rest;
  }
}

const leadsToProduct = (value: Value, inference: Inference): boolean =>
  peelScale(peelSoftcap(value, inference).value, inference).value.producer?.opType === 'MatMul';

/** c · tanh(value · s / c), with the part of the scale that is inside: `scale` · value is what is bounded. */
function peelSoftcap(value: Value, inference: Inference): Scaled & { readonly softcap: number } {
  const outer = peelScale(value, inference);
  const tanh = producerOf(outer.value, 'Tanh');
  const none = { value, scale: 1, nodes: [], softcap: 0 };
  if (tanh === undefined || !(outer.scale > 0)) return none;
  return { value: tanh.inputs[0]!, scale: outer.scale, nodes: [...outer.nodes, tanh], softcap: outer.scale };
}

function isOverLastAxis(softmax: Node, inference: Inference): boolean {
  const opset = opsetVersion(softmax.graph, '') ?? 13;
  const axis = getInt(softmax, 'axis', opset < 13 ? 1 : -1);
  const rank = inference.shapeOf(softmax.inputs[0]!)?.length;
  return axis === -1 || (rank !== undefined && axis === rank - 1);
}

/** The permutation of a Transpose, reversal where it names none; undefined where the rank is not known. */
export function permutation(transpose: Node, inference: Inference): number[] | undefined {
  const given = getInts(transpose, 'perm', undefined);
  if (given !== undefined) return given;
  const rank = inference.shapeOf(transpose.inputs[0]!)?.length;
  return rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
}

/** The input of a Transpose by exactly this permutation, or undefined. */
export function transposedBy(value: Value, perm: readonly number[], inference: Inference): Value | undefined {
  const node = value.producer;
  if (node?.opType !== 'Transpose' || !node.attached || (node.domain !== '' && node.domain !== 'ai.onnx')) {
    return undefined;
  }
  const found = permutation(node, inference);
  const isSame = found?.length === perm.length && found.every((axis, index) => axis === perm[index]);
  return isSame ? node.inputs[0]! : undefined;
}
