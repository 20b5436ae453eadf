import { evaluate } from '../../src/ir/dim.js';
import type { Graph } from '../../src/ir/graph.js';
import { elementCount, type Tensor } from '../../src/ir/tensor.js';
import type { Shape } from '../../src/ir/value_type.js';

/** One result that has another shape than inferred, and what was fed. */
export type Disagreement = {
  readonly graph: Graph;
  readonly feeds: Iterable<Tensor>;
  readonly inferred: Shape;
  readonly actual: readonly number[];
  readonly bound: ReadonlyMap<string, number>;
};

/**
 * Where ONNX Runtime gives an ill-formed or empty input a shape that the standard does not: a reason, or undefined where
 * none applies and the disagreement is a mistake of inference.
 */
export function runtimeDeparture({ graph, feeds, inferred, actual, bound }: Disagreement): string | undefined {
  if (inferred.length !== actual.length) return undefined;
  const operators = new Set([...graph.nodes].map(({ opType }) => opType));
  const isAnyEmpty = [...feeds].some(({ dims }) => elementCount(dims) === 0);
  const expected = inferred.map((dim) => (dim === undefined ? undefined : evaluate(dim, bound)));
  const differing = actual.flatMap((size, axis) =>
    expected[axis] === undefined || expected[axis] === size ? [] : [{ size, expected: Number(expected[axis]) }],
  );
  if (has(operators, /^(Reduce|Arg)/) && isAnyEmpty && differing.every(({ expected: size }) => size === 1)) {
    return 'an empty tensor reduced along axes counted from the end keeps them';
  }
  if (operators.has('Concat') && isAnyEmpty) return 'empty tensors are joined whatever their other sizes are';
  if (has(operators, /MatMul/) && isAnyEmpty) return 'products of empty matrices do not stretch to each other';
  const isOneMore = ({ size, expected: inferredSize }: (typeof differing)[number]) =>
    inferredSize <= 0 && size === inferredSize + 1;
  if (has(operators, /Pool$/) && differing.every(isOneMore)) {
    return 'a pooling window larger than its input: the quotient below 0 is rounded up';
  }
  return undefined;
}

const has = (operators: ReadonlySet<string>, pattern: RegExp): boolean =>
  [...operators].some((operator) => pattern.test(operator));
