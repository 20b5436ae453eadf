import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('operands', () => {
  it('of Sum must have one shape before opset 8', async () => {
    await convertsTo(7, singleNode(13, 'Sum', [], { constants: [randomTensor(nodeDims, 2)] }), feeds);
    expect(await refusal(7, singleNode(8, 'Sum', [], { constants: [randomTensor([6])] }))).toMatch(/one shape/);
  });

  it('of Gemm are three before opset 11', async () => {
    const gemm = singleNode(13, 'Gemm', [], { constants: [randomTensor([4, 2])], dims: [3, 4] });
    const converted = await convertsTo(9, gemm, { x: randomTensor([3, 4]) });
    expect([...converted.graph.nodes][0]?.inputs.length).toBe(3);
  });

  it('of Mod decide which modulo exists before opset 28', async () => {
    const modulo = (fmod: number) =>
      singleNode(28, 'Mod', [intAttribute('fmod', fmod)], { constants: [randomTensor([6], 3)] });
    expect(await refusal(26, modulo(0))).toBe('floor modulo of float does not exist there');
  });

  it('of types that an older opset lacks are refused', async () => {
    const model = modelOf(14, (b) => {
      const x = b.input('x', [2], 'int8');
      b.output(b.op('Add', [x, x]), 'y', 'int8');
    });
    expect(await refusal(13, model)).toBe('it does not take tensor(int8) there');
  });
});
