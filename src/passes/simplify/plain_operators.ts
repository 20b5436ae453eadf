// CastLike(x, y) => Cast(x, to = type of y), where that type is known
// Sum(x, y) => Add(x, y), in opsets whose Add broadcasts
import { intAttribute } from '../../ir/attribute.js';
import { dataTypeCode } from '../../ir/data_type.js';
import { opsetVersion } from '../../ir/graph.js';
import { any, op } from '../rewrite/pattern.js';
import { defineRewrite } from '../rewrite/rewrite.js';

/** A constant cast to the type of another value can be folded once nothing but that type is asked for. */
const replaceCastlike = defineRewrite({
  name: 'replace-castlike',
  summary: 'CastLike(x, y) => Cast(x, to = type of y)',
  licence: 'exact',
  pattern: op('cast', 'CastLike', [any('x'), any('like')]),
  check: ({ like }, { inference }) =>
    inference.dtypeOf(like) === undefined ? 'the type to cast to is not known' : undefined,
  rewrite({ cast, x, like }, build, { inference }) {
    const to = intAttribute('to', dataTypeCode(inference.dtypeOf(like)!));
    // In every opset both have the same attributes, apart from `to`.
    return [build.op('Cast', [x], { attributes: [to, ...cast.attributes.values()], name: cast.name })];
  },
});

const replaceSumOfTwo = defineRewrite({
  name: 'replace-sum-of-two',
  summary: 'Sum(x, y) => Add(x, y)',
  licence: 'exact',
  pattern: op('sum', 'Sum', [any('x'), any('y')]),
  check: ({ sum }) => ((opsetVersion(sum.graph, '') ?? 1) < 8 ? 'its operands must have one shape' : undefined),
  rewrite: ({ sum, x, y }, build) => [build.op('Add', [x, y], { name: sum.name })],
});

/** Rules that leave other rules one spelling less to know. */
export const plainOperators = [replaceCastlike, replaceSumOfTwo] as const;
