import { expect, it } from 'vitest';
import { content } from '../../../../src/ir/ops/inference/content.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { ModelBuilder } from '../../../build_model.js';
import { addIf } from '../../../passes/simplify/build_subgraphs.js';

it('a hypothesis follows what would be known, counts what would not fit, and leaves the inference as it is', () => {
  const b = new ModelBuilder();
  const a = b.input('a', ['N', 2, 3]);
  const c = b.input('c', [], 'bool');
  const raised = (branch: ModelBuilder) =>
    branch.output(branch.op('Unsqueeze', [a, branch.constant('axes', int64Tensor([0]))]));
  const same = (branch: ModelBuilder) => branch.output(branch.op('Relu', [a]));
  const [chosen] = addIf(b, c, raised, same);
  const result = b.op('Conv', [chosen!, b.constant('w', floatTensor([1, 1], [1, 2, 1]))]);
  const inference = new Inference(b.editor.model);
  expect(inference.shapeOf(chosen!)).toBeUndefined();
  inference.typeOf(result);

  const [taken, other] = [1, 0].map((value) => inference.assuming(c, content('bool', [], [value])));
  expect([taken!.shapeOf(chosen!)?.length, other!.shapeOf(chosen!)?.length]).toEqual([4, 3]);
  taken!.typeOf(result);
  expect([...taken!.misfits].map(({ opType }) => opType)).toEqual(['Conv']);
  expect(other!.shapeOf(result)).toHaveLength(3);
  expect(other!.misfits.size).toBe(0);

  expect(inference.shapeOf(chosen!)).toBeUndefined();
  expect(inference.misfits.size).toBe(0);
  expect(inference.diagnostics).toEqual([]);
});

it('a hypothesis holds inside a branch that is inferred again from around it', () => {
  const b = new ModelBuilder();
  const a = b.input('a', ['N', 2, 3]);
  const outer = (branch: ModelBuilder) => {
    const size = branch.op('Gather', [branch.op('Shape', [a]), branch.constant('zero', int64Tensor([0], []))]);
    const isOne = branch.op('Equal', [size, branch.constant('one', int64Tensor([1], []))], { outputs: ['is_one'] });
    const squeezed = (inner: ModelBuilder) =>
      inner.output(inner.op('Squeeze', [a, inner.constant('axes', int64Tensor([0]))]), 'squeezed');
    const same = (inner: ModelBuilder) => inner.output(inner.op('Relu', [a]), 'same');
    const [chosen] = addIf(branch, isOne, squeezed, same, ['inner']);
    branch.output(branch.op('Neg', [chosen!], { outputs: ['negated'] }));
  };
  const other = (branch: ModelBuilder) => branch.output(branch.op('Relu', [a]), 'other');
  const [result] = addIf(b, b.input('c', [], 'bool'), outer, other);
  const inference = new Inference(b.editor.model);
  inference.typeOf(result!);
  const branch = result!.producer!.attributes.get('then_branch');
  if (branch?.kind !== 'graph') throw new Error('no branch');
  const [isOne, negated] = ['is_one', 'negated'].map((name) => branch.value.values.get(name)!);
  expect(inference.shapeOf(negated!)).toBeUndefined();
  for (const [value, rank] of [
    [1, 2],
    [0, 3],
  ]) {
    expect(inference.assuming(isOne!, content('bool', [], [value!])).shapeOf(negated!)).toHaveLength(rank!);
  }
});
