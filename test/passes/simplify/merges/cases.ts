import { expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { int64Tensor, tensorIntegers } from '../../../../src/ir/tensor.js';
import { mergeChains } from '../../../../src/passes/simplify/merge_chains.js';
import { ModelBuilder, randomTensor, reasonsOf } from '../../../build_model.js';
import { expectExact } from '../rewriting.js';

export const perm = (...axes: number[]) => ({ attributes: [intsAttribute('perm', axes)] });
export const ints = (b: ModelBuilder, values: readonly (number | bigint)[]): Value =>
  b.constant('v', int64Tensor(values));
export const axis = (value: number) => ({ attributes: [intAttribute('axis', value)] });

/** Constant operands of the one node of a type. */
function operands(model: ReturnType<ModelBuilder['build']>, opType: string) {
  const node = [...model.graph.nodes].find((each) => each.opType === opType)!;
  return node.inputs
    .slice(1)
    .map((input) => (input?.initializer?.kind === 'dense' ? tensorIntegers(input.initializer) : undefined));
}

type Case = {
  readonly dims: readonly (number | string)[];
  readonly build: (b: ModelBuilder, x: Value) => Value;
  readonly left: readonly string[];
  /** Shapes to try. */
  readonly feeds: readonly (readonly number[])[];
  readonly opset?: number;
  readonly reason?: string;
  readonly operands?: readonly (readonly bigint[] | undefined)[];
};

/** Each case on every one of its shapes, bit for bit. */
export function runCases(cases: Readonly<Record<string, Case>>): void {
  for (const [title, each] of Object.entries(cases)) {
    it(title, async () => {
      const b = new ModelBuilder(each.opset ?? 17);
      b.output(each.build(b, b.input('x', each.dims)), 'y');
      const feeds = each.feeds.map((dims) => ({ x: randomTensor(dims) }));
      const { model, report } = await expectExact(b.build(), mergeChains, each.left, feeds);
      if (each.reason !== undefined) expect(reasonsOf(report)).toContain(each.reason);
      if (each.operands !== undefined) expect(operands(model, each.left.at(-1)!)).toEqual(each.operands);
    });
  }
}

/** Of three axes, empty ones and ones of size 1 among them. */
export const sizes = [
  [2, 3, 4],
  [1, 1, 1],
  [0, 3, 4],
  [2, 0, 1],
] as const;
