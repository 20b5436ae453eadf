// ReduceSum(|x|) => ReduceL1(x)               ReduceSum(x²) => ReduceSumSquare(x)
// √ReduceSumSquare(x), √ReduceSum(x²) => ReduceL2(x)
// log(ReduceSum(x)) => ReduceLogSum(x)        log(ReduceSum(exp(x))) => ReduceLogSumExp(x)
// Needs: axes in a form that the operator takes in this opset.
import { type Attribute, getInt, intsAttribute } from '../../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { monomialOf } from '../../rewrite/monomial.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { namedAxes } from '../../rewrite/reduction.js';
import { defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import type { Licence } from '../../target_profile.js';

type Match = { readonly x: Value; readonly reduction: Node };

/** What a reduction reduces, seen through what it is a reduction of. */
type Inner = (value: Value, inference: Inference) => { readonly x: Value; readonly nodes: readonly Node[] } | undefined;

const absolute: Inner = (value) => through(producerOf(value, 'Abs'));
const exponential: Inner = (value) => through(producerOf(value, 'Exp'));
const plain: Inner = (value) => ({ x: value, nodes: [] });

const square: Inner = (value, inference) => {
  const { coefficient, powers, nodes } = monomialOf(value, inference);
  const [only, ...more] = powers;
  return only?.exponent === 2 && more.length === 0 && coefficient === 1 ? { x: only.value, nodes } : undefined;
};

const through = (node: Node | undefined): ReturnType<Inner> => node && { x: node.inputs[0]!, nodes: [node] };

export const fuseReduceL1 = fuseReduction('ReduceL1', 'ReduceSum(|x|)', undefined, absolute);
export const fuseReduceSumSquare = fuseReduction('ReduceSumSquare', 'ReduceSum(x²)', undefined, square);
export const fuseReduceL2 = fuseReduction('ReduceL2', '√ReduceSum(x²)', 'Sqrt', square);
export const fuseReduceLogSum = fuseReduction('ReduceLogSum', 'log(ReduceSum(x))', 'Log', plain);
export const fuseReduceLogSumExp = fuseReduction(
  'ReduceLogSumExp',
  'log(ReduceSum(exp(x)))',
  'Log',
  exponential,
  // exp overflows where the operator need not.
  'assumes-finite',
);

function fuseReduction(
  opType: string,
  spelling: string,
  outer: 'Sqrt' | 'Log' | undefined,
  inner: Inner,
  licence: Licence = 'reassociates',
): Rewrite<Match> {
  return defineRewrite<Match>({
    name: `fuse-${opType.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).slice(1)}`,
    summary: `${spelling} => ${opType}(x)`,
    licence,
    pattern: search(outer ?? 'ReduceSum', (root, { inference }): Finding<Match> | string => {
      const reduction = outer === undefined ? root : producerOf(root.inputs[0], 'ReduceSum');
      const squared = outer === 'Sqrt' ? producerOf(root.inputs[0], 'ReduceSumSquare') : undefined;
      if (squared?.inputs[0] != null)
        return { captures: { x: squared.inputs[0], reduction: squared }, nodes: [squared] };
      const found = reduction?.inputs[0] == null ? undefined : inner(reduction.inputs[0], inference);
      if (reduction === undefined || found === undefined) return `it is not ${spelling}`;
      return { captures: { x: found.x, reduction }, nodes: [reduction, ...found.nodes] };
    }),
    check({ x, reduction }, context, root) {
      if (attributesFor(reduction) === undefined) return 'its axes are not in a form that the operator takes';
      return offerObstacle(root, { opType, of: x }, context);
    },
    rewrite({ x, reduction }, build) {
      const { attributes, axes } = attributesFor(reduction)!;
      return [build.op(opType, axes === null ? [x] : [x, axes], { attributes })];
    },
  });
}

/** Axes are an input of ReduceSum from opset 13 on and of the others from 18 on. */
function attributesFor(reduction: Node): { attributes: readonly Attribute[]; axes: Value | null } | undefined {
  const axes = reduction.inputs[1] ?? null;
  const attributes = [...reduction.attributes.values()];
  // What no axes mean to the others has changed between versions.
  if (getInt(reduction, 'noop_with_empty_axes', 0) !== 0) return undefined;
  if ((opsetVersion(reduction.graph, '') ?? 1) >= 18 || axes === null) return { attributes, axes };
  const named = namedAxes(reduction);
  if (named === undefined) return undefined;
  const others = attributes.filter(({ name }) => name !== 'noop_with_empty_axes');
  return { attributes: named.length === 0 ? others : [...others, intsAttribute('axes', named)], axes: null };
}
