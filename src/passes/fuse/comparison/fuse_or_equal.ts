// Or(Less(a, b), Equal(a, b)) => LessOrEqual(a, b), Greater alike
// Not(Greater(a, b)) => LessOrEqual(a, b), Less alike, for integers

import { dataTypeKind } from '../../../ir/data_type.js';
import type { Value } from '../../../ir/graph.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { any, node, op, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

const since = 12;

export const fuseOrEqual = defineRewrite<{ readonly a: Value; readonly b: Value; readonly opType: string }>({
  name: 'fuse-or-equal',
  summary: 'Or(Less(a, b), Equal(a, b)) => LessOrEqual(a, b)',
  licence: 'exact',
  opset: since,
  pattern: search('Or', (root) => {
    for (const [left, right] of [root.inputs, [...root.inputs].reverse()]) {
      const order = producerOf(left, 'Less', 'Greater');
      const equal = producerOf(right, 'Equal');
      const [a = null, b = null] = order?.inputs ?? [];
      const isSame = equal?.inputs.includes(a) && equal.inputs.includes(b);
      if (order === undefined || equal === undefined || a === null || b === null || !isSame) continue;
      if (a === b) return 'both operands are one';
      return { captures: { a, b, opType: `${order.opType}OrEqual` }, nodes: [order, equal] };
    }
    return 'it is no order or equality of two values';
  }),
  check: ({ a, opType }, context, root) => offerObstacle(root, { opType, since, of: a }, context),
  rewrite: ({ a, b, opType }, build) => [build.op(opType, [a, b])],
});

export const fuseNotOrder = defineRewrite({
  name: 'fuse-not-order',
  summary: 'Not(Greater(a, b)) => LessOrEqual(a, b), for integers',
  licence: 'exact',
  opset: since,
  pattern: node('Not', [op('order', ['Less', 'Greater'], [any('a'), any('b')])]),
  check({ order, a }, context, root) {
    const dtype = context.inference.dtypeOf(a);
    const kind = dtype === undefined ? undefined : dataTypeKind(dtype);
    // NaN is neither less nor greater, nor less or equal.
    if (kind !== 'signed' && kind !== 'unsigned') return 'its operands may be NaN';
    return offerObstacle(root, { opType: turned(order.opType), since, of: a }, context);
  },
  rewrite: ({ order, a, b }, build) => [build.op(turned(order.opType), [a, b])],
});

const turned = (opType: string): string => (opType === 'Less' ? 'GreaterOrEqual' : 'LessOrEqual');
