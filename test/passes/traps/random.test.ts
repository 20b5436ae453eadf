import { describe, expect, it } from 'vitest';
import { targets } from '../../../src/backends/target.js';
import { intAttribute, intsAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { optimize } from '../../../src/optimize.js';
import { ModelBuilder, operatorsOf, randomTensor } from '../../build_model.js';

const bool = (value: boolean): Tensor => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));
const constant = (b: ModelBuilder, tensor: Tensor): Value => b.constant(b.editor.freshName('k'), tensor);

describe('random operators', () => {
  it.each(['RandomNormal', 'RandomUniform'])('two equal %s are two draws, and no constant', async (opType) => {
    const b = new ModelBuilder();
    const attributes = [intsAttribute('shape', [2, 3])];
    const x = b.input('x', [2, 3]);
    const draws = [1, 2].map(() => b.op(opType, [], { attributes }));
    const like = [1, 2].map(() => b.op(`${opType}Like`, [x]));
    b.output(b.op('Sub', [draws[0]!, draws[1]!]), 'y');
    b.output(b.op('Sub', [like[0]!, like[1]!]), 'z');
    for (const target of targets) {
      const { model } = await optimize({ model: b.build(), target, check: false });
      const operators = operatorsOf(model);
      expect(
        operators.filter((each) => each === opType),
        target.name,
      ).toHaveLength(2);
      expect(
        operators.filter((each) => each === `${opType}Like`),
        target.name,
      ).toHaveLength(2);
    }
  });

  it('Dropout in training, and Bernoulli, are drawn each time', async () => {
    const b = new ModelBuilder();
    const [ratio, training] = [constant(b, floatTensor([0.5], [])), constant(b, bool(true))];
    const k = constant(b, randomTensor([4, 4]));
    b.output(b.op('Sub', [b.op('Dropout', [k, ratio, training]), b.op('Dropout', [k, ratio, training])]), 'y');
    b.output(b.op('Bernoulli', [constant(b, floatTensor([0.5, 0.5]))]), 'z');
    b.output(
      b.op('Multinomial', [constant(b, randomTensor([1, 4]))], { attributes: [intAttribute('sample_size', 3)] }),
      'm',
      'int32',
    );
    for (const target of targets) {
      const { model } = await optimize({ model: b.build(), target, check: false });
      expect(operatorsOf(model).sort(), target.name).toEqual(['Bernoulli', 'Dropout', 'Dropout', 'Multinomial', 'Sub']);
    }
  });

  it('an operator nobody knows is neither merged, folded nor dropped', async () => {
    const b = new ModelBuilder();
    b.editor.setOpsetImport('custom', 1);
    const x = b.input('x', [2]);
    const attributes = [stringAttribute('mode', 'same')];
    const [first, second] = [1, 2].map(() =>
      b.op('Count', [constant(b, floatTensor([1]))], { domain: 'custom', attributes }),
    );
    b.op('Log', [x], { domain: 'custom' });
    b.output(b.op('Sub', [first!, second!]), 'y');
    for (const target of targets) {
      const { model } = await optimize({ model: b.build(), target });
      expect(operatorsOf(model).sort(), target.name).toEqual(['Count', 'Count', 'Log', 'Sub']);
    }
  });
});
