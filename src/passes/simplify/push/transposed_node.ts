import type { Attribute } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';
import type { Tensor } from '../../../ir/tensor.js';
import type { PassContext } from '../../pass.js';
import type { Permutation } from './permutation.js';

/** What an operand of the transposed node is. */
export type TransposedOperand =
  /** The operand was Transpose(y, perm); this is y. */
  | { readonly kind: 'data'; readonly perm: Permutation }
  /** As it is. */
  | { readonly kind: 'same' }
  | { readonly kind: 'constant'; readonly tensor: Tensor };

/**
 * A node that computes the same in another order of axes: its results were Transpose(z, perm) of the new ones, one
 * permutation for each.
 */
export type TransposedNode = {
  readonly results: readonly Permutation[];
  readonly operands: readonly TransposedOperand[];
  readonly attributes: readonly Attribute[];
};

/**
 * How a node computes where the operand `index` was Transpose(y, perm), on y. undefined where it cannot, or not for
 * certain.
 */
export type TransposeNode = (
  node: Node,
  index: number,
  perm: Permutation,
  context: PassContext,
) => TransposedNode | undefined;

export const same: TransposedOperand = { kind: 'same' };
