import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { producerOf } from '../../rewrite/operator.js';
import { scalarOperand } from '../../rewrite/scalar.js';

export type OnePlus = { readonly node: Node; readonly rest: Value };

/** 1 + rest */
export function onePlus(value: Value | null | undefined, inference: Inference): OnePlus | undefined {
  const node = producerOf(value, 'Add');
  const [left = null, right = null] = node?.inputs ?? [];
  if (node === undefined || left === null || right === null) return undefined;
  if (scalarOperand(right, node, inference) === 1) return { node, rest: left };
  return scalarOperand(left, node, inference) === 1 ? { node, rest: right } : undefined;
}
