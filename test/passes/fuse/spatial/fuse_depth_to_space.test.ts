import { describe, expect, it } from 'vitest';
import { intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import {
  fuseDepthToSpaceCrd,
  fuseDepthToSpaceDcr,
  fuseSpaceToDepth,
} from '../../../../src/passes/fuse/spatial/fuse_depth_to_space.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseDepthToSpaceDcr, fuseDepthToSpaceCrd, fuseSpaceToDepth]);

type Case = {
  from: readonly number[];
  six: readonly number[];
  perm: readonly number[];
  to: readonly number[];
  opset?: number;
};

const dcr: Case = { from: [2, 12, 3, 5], six: [2, 2, 2, 3, 3, 5], perm: [0, 3, 4, 1, 5, 2], to: [2, 3, 6, 10] };
const crd: Case = { from: [2, 12, 3, 5], six: [2, 3, 2, 2, 3, 5], perm: [0, 1, 4, 2, 5, 3], to: [2, 3, 6, 10] };
const space: Case = { from: [2, 3, 6, 10], six: [2, 3, 3, 2, 5, 2], perm: [0, 3, 5, 1, 2, 4], to: [2, 12, 3, 5] };

function build({ from, six, perm, to, opset = 13 }: Case, input: readonly (number | string)[] = from) {
  const b = new ModelBuilder(opset);
  const split = b.op('Reshape', [b.input('x', input), b.constant('six', int64Tensor(six))]);
  const transposed = b.op('Transpose', [split], { attributes: [intsAttribute('perm', perm)], outputs: ['moved'] });
  b.output(b.op('Reshape', [transposed, b.constant('to', int64Tensor(to))]), 'y');
  return { b, model: b.build(), feeds: { x: randomTensor(from, 3) } };
}

async function expectFused(options: Case, expected: string) {
  const { model, feeds } = build(options);
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual([expected]);
  // Nothing is computed.
  expect(await largestDifference(model, result.model, feeds)).toBe(0);
}

async function expectDeclined(options: Case, reason: string) {
  const { model, report } = await applyPass(build(options).model, pass);
  expect(operatorsOf(model)).toHaveLength(3);
  expect(reasonsOf(report)).toEqual([reason]);
}

describe('fuse-depth-to-space', () => {
  it('fuses both orders of channels, and the way back', async () => {
    await expectFused(dcr, 'DepthToSpace');
    await expectFused(crd, 'DepthToSpace');
    await expectFused(space, 'SpaceToDepth');
  });

  it('fuses blocks of 3', () =>
    expectFused({ from: [1, 18, 2, 4], six: [1, 2, 3, 3, 2, 4], perm: crd.perm, to: [1, 2, 6, 12] }, 'DepthToSpace'));

  it('follows a symbolic batch', async () => {
    const { model, feeds } = build({ ...crd, six: [-1, 3, 2, 2, 3, 5], to: [-1, 3, 6, 10] }, ['N', 12, 3, 5]);
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['DepthToSpace']);
    expect(await largestDifference(model, result.model, feeds)).toBe(0);
  });

  it('declines other sizes', async () => {
    const reason = 'the sizes are not those of DepthToSpace';
    await expectDeclined({ ...dcr, six: [2, 3, 2, 2, 3, 5], to: [2, 2, 9, 10] }, reason);
    await expectDeclined({ ...dcr, to: [2, 6, 3, 10] }, reason);
    await expectDeclined({ ...crd, from: [2, 12, 5, 3] }, reason);
    await expectDeclined({ ...space, to: [2, 12, 5, 3] }, 'the sizes are not those of SpaceToDepth');
    await expectDeclined({ ...space, to: [2, 4, 9, 5] }, 'the sizes are not those of SpaceToDepth');
  });

  it('leaves another order of axes', async () => {
    const { model } = await applyPass(build({ ...space, perm: [0, 1, 3, 5, 2, 4] }).model, pass);
    expect(operatorsOf(model)).toHaveLength(3);
  });

  it('declines what opset or target has no operator for', async () => {
    await expectDeclined({ ...crd, opset: 10 }, 'its mode needs opset 11');
    await expectFused({ ...dcr, opset: 10 }, 'DepthToSpace');
  });

  it('declines where what is in between is a graph output', async () => {
    const { b } = build(dcr);
    b.output(b.graph.values.get('moved')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['"z" is read elsewhere']);
  });
});
