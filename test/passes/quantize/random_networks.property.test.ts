import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Model, Value } from '../../../src/ir/graph.js';
import { lintModel } from '../../../src/lint.js';
import { optimize } from '../../../src/optimize.js';
import { qdqText } from './qdq_text.js';
import { image, NetworkBuilder, noise } from './small_networks.js';

type Step = { readonly kind: (typeof kinds)[number]; readonly from: number; readonly other: number };

const kinds = ['conv', 'conv', 'conv', 'relu', 'sigmoid', 'add', 'mul', 'concat', 'pool', 'transpose', 'mean'] as const;

/** Each step reads one or two of the values before it; all have the shape of the input. */
function network(steps: readonly Step[]): Model {
  const b = new NetworkBuilder();
  const values = [b.input('x', image)];
  const at = (index: number) => values[index % values.length]!;
  for (const [index, { kind, from, other }] of steps.entries()) {
    values.push(step(b, `${kind}${index}`, kind, at(from), at(other)));
  }
  b.output(b.concat('last', values.slice(-2)), 'y');
  return b.build();
}

function step(b: NetworkBuilder, name: string, kind: Step['kind'], x: Value, y: Value): Value {
  switch (kind) {
    case 'conv':
      return b.conv(name, x, 16, 1);
    case 'relu':
      return b.named(name, 'Relu', [x]);
    case 'sigmoid':
      return b.named(name, 'Sigmoid', [x]);
    case 'add':
      return b.named(name, 'Add', [x, y]);
    case 'mul':
      return b.named(name, 'Mul', [x, b.named(`${name}_gate`, 'Sigmoid', [y])]);
    case 'concat':
      return b.conv(name, b.concat(`${name}_all`, [x, y]), 16, 1, 32);
    case 'pool':
      return b.named(
        name,
        'MaxPool',
        [x],
        [
          ['kernel_shape', [3, 3]],
          ['pads', [1, 1, 1, 1]],
        ],
      );
    case 'transpose':
      return b.named(name, 'Transpose', [x], [['perm', [0, 1, 3, 2]]]);
    case 'mean':
      return b.named(name, 'Add', [x, b.named(`${name}_mean`, 'GlobalAveragePool', [y])]);
  }
}

const steps = fc.array(
  fc.record({ kind: fc.constantFrom(...kinds), from: fc.nat({ max: 30 }), other: fc.nat({ max: 30 }) }),
  { minLength: 3, maxLength: 14 },
);

it('random networks in 8 bits break no rule of their target, answer alike, and are complete', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom('tensorrt@10', 'ort-cpu'), async (list, target) => {
      const model = network(list);
      const data = noise(model);
      const quantization = { gate: 'none' } as const;
      const options = { target, cpu: 'vnni', precision: 'int8', quantization } as const;
      // Up to 14 layers of noise: a branch that is lost, doubled or given another's scale would be far below.
      const check = { data, tolerance: { minSqnr: 12 } };
      const once = await optimize({ model, ...options, calibration: { data }, check });
      expect(lintModel(once.model, options).findings).toEqual([]);
      if (target === 'ort-cpu') {
        const integers = await optimize({
          model,
          ...options,
          calibration: { data },
          check,
          quantization: { ...quantization, format: 'qoperator' },
        });
        // Its 8-bit layers are taken up as they are; no more than rounding is added for the layers that were float.
        await optimize({ model: integers.model, ...options, calibration: { data }, check });
        return;
      }
      const twice = await optimize({ model: once.model, ...options, check: false });
      expect(qdqText(twice.model.graph)).toEqual(qdqText(once.model.graph));
    }),
    { numRuns: 25 },
  );
});
