import { describe, expect, it } from 'vitest';
import { intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, refusal, singleNode } from '../convert.js';

describe('Scatter', () => {
  const constants = [int64Tensor([1, 0, 2], [1, 3]), floatTensor([1, 2, 3], [1, 3])];
  const matrix = { x: randomTensor([3, 3]) };

  it('is ScatterElements from opset 11 on', async () => {
    const older = singleNode(9, 'Scatter', [intAttribute('axis', 1)], { constants, dims: [3, 3] });
    expect(operatorsOf(await convertsTo(13, older, matrix))).toEqual(['ScatterElements']);
    const newer = singleNode(18, 'ScatterElements', [intAttribute('axis', 1)], { constants, dims: [3, 3] });
    expect(operatorsOf(await convertsTo(9, newer, matrix))).toEqual(['Scatter']);
  });

  it('refuses reductions that came later', async () => {
    const reduced = (opset: number, name: string) =>
      singleNode(opset, 'ScatterElements', [stringAttribute('reduction', name)], { constants, dims: [3, 3] });
    await convertsTo(16, reduced(18, 'add'), matrix);
    expect(await refusal(16, reduced(18, 'max'))).toBe('reduction "max" does not exist there');
    expect(await refusal(13, reduced(18, 'add'))).toBe('attribute "reduction" does not exist there');
  });
});
