import { expect, it } from 'vitest';
import { intsAttribute } from '../../../src/ir/attribute.js';
import { tensorData } from '../../../src/ir/tensor.js';
import { optimize } from '../../../src/optimize.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';

it('two layers that share a weight and a bias are quantized, and every node has a name of its own', async () => {
  const b = new ModelBuilder();
  const weight = b.constant('w', randomTensor([16, 16, 3, 3], 3));
  const bias = b.constant('b', randomTensor([16], 4));
  const attributes = [intsAttribute('pads', [1, 1, 1, 1])];
  let value = b.input('x', [1, 16, 8, 8]);
  for (let layer = 0; layer < 3; layer += 1) value = b.op('Conv', [value, weight, bias], { attributes });
  b.output(value, 'y');
  const data = [1, 2, 3].map((seed) => ({ x: tensorData(randomTensor([1, 16, 8, 8], seed)) as Float32Array }));
  // The check loads the result in the runtime, which refuses a name that comes twice.
  const quantization = { gate: 'none' } as const;
  const options = { precision: 'int8', quantization, calibration: { data }, check: { data } } as const;
  const result = await optimize({ model: b.build(), ...options });
  expect(result.check.status).toBe('passed');
  expect(result.quantization?.eightBit).toBeGreaterThan(1);
  const names = [...result.model.graph.nodes].flatMap(({ name }) => (name === '' ? [] : [name]));
  expect(new Set(names).size).toBe(names.length);
});
