import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { int64Tensor, tensorFromData, tensorIntegers } from '../../../src/ir/tensor.js';
import { readSizesFromInputs } from '../../../src/passes/simplify/read_sizes_from_inputs.js';
import { reuseShapeValues } from '../../../src/passes/simplify/reuse_shape_values.js';
import { simplifyShapeOperands } from '../../../src/passes/simplify/simplify_shape_operands.js';
import { applyPass, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { expectExact, withIf } from './rewriting.js';

const axis0 = { attributes: [intAttribute('axis', 0)] };

/** The size of `value` along `axis`, as a vector of one. */
function sizeOf(b: ModelBuilder, value: Value, axis: number): Value {
  const index = b.constant('index', int64Tensor([axis], []));
  const size = b.op('Gather', [b.op('Shape', [value]), index]);
  return b.op('Unsqueeze', [size, b.constant('axes', int64Tensor([0]))]);
}

const vector = (b: ModelBuilder, values: readonly number[]): Value => b.constant('v', int64Tensor(values));

/** Node types behind what is alive: shape chains that nobody reads do not count. */
const operandOf = (model: ReturnType<ModelBuilder['build']>, opType: string, index: number) => {
  const node = [...model.graph.nodes].find((each) => each.opType === opType)!;
  const tensor = node.inputs[index]?.initializer;
  return tensor?.kind === 'dense' ? tensorIntegers(tensor) : undefined;
};

describe('simplify-shape-operands', () => {
  it('copies the sizes that a Reshape keeps, for every size, 0 and 1 included', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 's', 12]);
    const shape = b.op('Concat', [sizeOf(b, x, 0), sizeOf(b, x, 1), vector(b, [3, 4])], axis0);
    b.output(b.op('Reshape', [x, shape]), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, simplifyShapeOperands);
    expect(operandOf(result, 'Reshape', 1)).toEqual([0n, 0n, 3n, 4n]);
    const kept = operatorsOf(model).filter((opType) => opType !== 'Concat');
    const feeds = [
      [2, 3],
      [1, 1],
      [0, 3],
      [2, 0],
      [0, 0],
    ].map(([n, s]) => ({ x: randomTensor([n!, s!, 12]) }));
    await expectExact(model, simplifyShapeOperands, kept, feeds);
  });

  it('writes −1 for a product where the other sizes are never 0', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 's', 6]);
    const rows = b.op('Mul', [sizeOf(b, x, 0), sizeOf(b, x, 1)]);
    b.output(b.op('Reshape', [x, b.op('Concat', [rows, vector(b, [6])], axis0)]), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, simplifyShapeOperands);
    expect(operandOf(result, 'Reshape', 1)).toEqual([-1n, 6n]);
    const feeds = [
      [2, 3],
      [1, 1],
      [0, 0],
    ].map(([n, s]) => ({ x: randomTensor([n!, s!, 6]) }));
    const kept = operatorsOf(model).filter((opType) => opType !== 'Concat');
    await expectExact(model, simplifyShapeOperands, kept, feeds);
  });

  it('does not write −1 beside a size that may be 0, which the runtime refuses; the rest becomes constant', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 'h', 'w']);
    const pixels = b.op('Mul', [sizeOf(b, x, 1), sizeOf(b, x, 2)], { outputs: ['pixels'] });
    const shape = b.op('Concat', [sizeOf(b, x, 0), pixels, vector(b, [1])], axis0);
    b.output(b.op('Reshape', [x, shape]), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, simplifyShapeOperands);
    expect(operandOf(result, 'Concat', 0)).toEqual([0n]);
    expect(operandOf(result, 'Concat', 2)).toEqual([1n]);
    const feeds = [
      [2, 3, 4],
      [0, 3, 4],
      [2, 1, 1],
    ].map((dims) => ({ x: randomTensor(dims) }));
    await expectExact(model, simplifyShapeOperands, operatorsOf(model), feeds);
  });

  it('reads a 0 in the one way that all opsets have, where allowzero is not needed', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 6]);
    const allow = { attributes: [intAttribute('allowzero', 1)] };
    b.output(b.op('Reshape', [x, b.op('Concat', [sizeOf(b, x, 0), vector(b, [2, 3])], axis0)], allow), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, simplifyShapeOperands);
    expect(operandOf(result, 'Reshape', 1)).toEqual([0n, 2n, 3n]);
    expect([...result.graph.nodes].at(-1)!.attributes.size).toBe(0);
    const kept = operatorsOf(model).filter((opType) => opType !== 'Concat');
    await expectExact(model, simplifyShapeOperands, kept, [{ x: randomTensor([2, 6]) }, { x: randomTensor([0, 6]) }]);
  });

  it('leaves two unknown sizes, and an element of 0 under allowzero', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['r', 6]);
    const like = b.input('like', ['n', 's']);
    const shape = b.op('Concat', [sizeOf(b, like, 0), sizeOf(b, like, 1), vector(b, [6])], axis0);
    b.output(b.op('Reshape', [x, shape]), 'y');
    const empty = b.input('empty', ['n', 0]);
    const same = b.op('Concat', [sizeOf(b, empty, 0), vector(b, [0, 3])], axis0);
    b.output(b.op('Reshape', [empty, same], { attributes: [intAttribute('allowzero', 1)] }), 'z');
    const model = b.build();
    const { report } = await expectExact(model, simplifyShapeOperands, operatorsOf(model), [
      { x: randomTensor([6, 6]), like: randomTensor([2, 3]), empty: randomTensor([2, 0]) },
    ]);
    expect(reasonsOf(report)).toEqual(['no constant says the same as its operand']);
  });

  it('expands by 1 along sizes that the input has', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 1, 's']);
    const shape = b.op('Concat', [sizeOf(b, x, 0), vector(b, [3]), sizeOf(b, x, 2)], axis0);
    b.output(b.op('Expand', [x, shape]), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, simplifyShapeOperands);
    expect(operandOf(result, 'Expand', 1)).toEqual([1n, 3n, 1n]);
    const kept = operatorsOf(model).filter((opType) => opType !== 'Concat');
    const feeds = [
      [2, 1, 4],
      [0, 1, 1],
      [1, 1, 0],
    ].map((dims) => ({ x: randomTensor(dims) }));
    await expectExact(model, simplifyShapeOperands, kept, feeds);
  });

  it('cuts to the end where a Slice ends at the size, and counts from the end only where the axis is long enough', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 's']);
    const one = vector(b, [1]);
    const end = sizeOf(b, x, 1);
    b.output(b.op('Slice', [x, one, end, one]), 'whole');
    b.output(b.op('Slice', [x, vector(b, [0]), b.op('Sub', [end, one]), one]), 'short');
    const model = b.build();
    const { model: result } = await applyPass(model, simplifyShapeOperands);
    const ends = [...result.graph.nodes].flatMap(({ opType, inputs }) => (opType === 'Slice' ? [inputs[2]] : []));
    expect(ends.map((value) => value?.initializer != null)).toEqual([true, false]);
    const feeds = [
      [2, 3],
      [2, 0],
      [2, 1],
      [0, 2],
    ].map((dims) => ({ x: randomTensor(dims) }));
    await expectExact(model, simplifyShapeOperands, operatorsOf(model), feeds);
  });

  it('works inside branches, and not below the opset in which the shape is an operand', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 6]);
    const chosen = withIf(b, 17, (branch) => {
      const shape = branch.op('Concat', [sizeOf(branch, x, 0), vector(branch, [2, 3])], axis0);
      branch.output(branch.op('Reshape', [x, shape]));
    });
    b.output(chosen, 'y');
    const { model } = await applyPass(b.build(), simplifyShapeOperands);
    expect(operatorsOf(model).filter((opType) => opType === 'Concat')).toEqual([]);
    const condition = tensorFromData('bool', [], Uint8Array.from([1]));
    await expectExact(b.build(), simplifyShapeOperands, operatorsOf(model), [
      { x: randomTensor([2, 6]), c: condition },
      { x: randomTensor([0, 6]), c: condition },
    ]);
    const old = new ModelBuilder(9);
    const z = old.input('x', ['n', 4]);
    old.output(
      old.op('Slice', [z], {
        attributes: ['starts', 'ends'].map((name, i) => ({ name, kind: 'ints', value: [BigInt(i)] })),
      }),
      'y',
    );
    await expectExact(old.build(), simplifyShapeOperands, ['Slice'], [{ x: randomTensor([2, 4]) }]);
  });
});

describe('reuse-shape-values', () => {
  it('reads a size where it was first computed, whatever the way', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 's', 4]);
    const first = sizeOf(b, x, 1);
    const y = b.op('Relu', [x]);
    const again = b.op('Squeeze', [
      b.op('Unsqueeze', [sizeOf(b, y, 1), vector(b, [0])]),
      b.constant('zero', int64Tensor([0])),
    ]);
    b.output(b.op('Expand', [b.input('z', [1]), first]), 'a');
    b.output(b.op('Expand', [b.input('w', [1]), again]), 'b');
    const feeds = [0, 1, 3].map((s) => ({
      x: randomTensor([2, s, 4]),
      z: randomTensor([1]),
      w: randomTensor([1], 2),
    }));
    await expectExact(
      b.build(),
      reuseShapeValues,
      ['Shape', 'Gather', 'Unsqueeze', 'Relu', 'Unsqueeze', 'Expand', 'Expand'],
      feeds,
    );
  });

  it('leaves graph outputs and sizes that are not known to be equal', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 's']);
    b.output(b.op('Shape', [x]), 'a', 'int64', 1);
    b.output(b.op('Shape', [b.op('Relu', [x])]), 'b', 'int64', 1);
    b.output(b.op('Shape', [b.op('NonZero', [x])]), 'c', 'int64', 1);
    b.output(b.op('Shape', [b.op('NonZero', [b.op('Neg', [x])])]), 'd', 'int64', 1);
    const model = b.build();
    const { report } = await expectExact(model, reuseShapeValues, operatorsOf(model), [{ x: randomTensor([2, 3]) }]);
    expect(reasonsOf(report)).toEqual(['a graph output keeps its producer']);
  });
});

describe('read-sizes-from-inputs', () => {
  for (const opset of [13, 17]) {
    it(`reads sizes of intermediate values from the graph inputs, opset ${opset}`, async () => {
      const b = new ModelBuilder(opset);
      const x = b.input('x', [2, 'n', 's']);
      const shape = b.op('Shape', [b.op('Concat', [x, x], axis0)]);
      const scalar = b.op('Gather', [shape, b.constant('i', int64Tensor([2], []))]);
      const pair = b.op('Gather', [shape, b.constant('j', int64Tensor([1, 2]))]);
      b.output(b.op('Mul', [scalar, pair]), 'y', 'int64', 1);
      const feeds = [
        [2, 3, 4],
        [2, 0, 1],
      ].map((dims) => ({ x: randomTensor(dims) }));
      const operators =
        opset < 15 ? ['Shape', 'Concat', 'Gather', 'Gather', 'Mul'] : ['Shape', 'Concat', 'Gather', 'Shape', 'Mul'];
      const { model } = await expectExact(b.build(), readSizesFromInputs, operators, feeds);
      expect(
        [...model.graph.nodes].filter(({ opType }) => opType === 'Shape').map(({ inputs }) => inputs[0]!.name),
      ).toEqual(opset < 15 ? ['x'] : ['x', 'x']);
    });
  }

  it('reads a whole shape from an input, and leaves a size that no input has', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 4]);
    b.output(b.op('Shape', [b.op('Relu', [x])]), 'whole', 'int64', 1);
    const twice = b.op('Concat', [x, x], axis0);
    b.output(b.op('Gather', [b.op('Shape', [twice]), vector(b, [0])]), 'twice', 'int64', 1);
    const { model, report } = await expectExact(
      b.build(),
      readSizesFromInputs,
      ['Relu', 'Shape', 'Concat', 'Shape', 'Gather'],
      [{ x: randomTensor([3, 4]) }],
    );
    expect([...model.graph.nodes].find(({ opType }) => opType === 'Shape')!.inputs[0]!.name).toBe('x');
    expect(reasonsOf(report)).toEqual(['a size that no graph input has is read as well']);
  });
});
