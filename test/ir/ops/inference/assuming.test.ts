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
});
