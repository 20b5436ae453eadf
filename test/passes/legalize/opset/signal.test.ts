import { describe, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, type More, singleNode } from '../convert.js';

describe('DFT', () => {
  const signal = { x: randomTensor([2, 5, 4, 1]) };

  it('takes its axis as an input up and as an attribute down', async () => {
    const spectrum: More = { dims: [2, 5, 4, 1] };
    await convertsTo(20, singleNode(17, 'DFT', [], spectrum), signal, 1e-6);
    await convertsTo(20, singleNode(17, 'DFT', [intAttribute('axis', 2)], spectrum), signal, 1e-6);
    await convertsTo(17, singleNode(20, 'DFT', [], spectrum), signal, 1e-6);
    await convertsTo(
      17,
      singleNode(20, 'DFT', [], { ...spectrum, constants: [null, int64Tensor([1], [])] }),
      signal,
      1e-6,
    );
  });
});
