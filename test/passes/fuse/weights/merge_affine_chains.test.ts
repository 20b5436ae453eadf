import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import {
  mergeConstantFactors,
  mergeConstantTerms,
  mergeLeftConstantFactors,
  mergeLeftConstantTerms,
  mergeLeftScaledShift,
  mergeScaledShift,
} from '../../../../src/passes/fuse/weights/merge_affine_chains.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('merge', 'test', [
  mergeConstantFactors,
  mergeLeftConstantFactors,
  mergeConstantTerms,
  mergeLeftConstantTerms,
  mergeScaledShift,
  mergeLeftScaledShift,
]);

/** Divided by numbers down to 0.05, twice: float32 roundings of 400. */
const tolerance = 2e-4;

const feeds = { x: randomTensor([2, 3, 4], 11) };

type Step = { opType: string; dims: readonly number[]; left?: boolean };

function build(steps: readonly Step[]) {
  const b = new ModelBuilder();
  let value: Value = b.input('x', ['N', 3, 4]);
  for (const [index, { opType, dims, left }] of steps.entries()) {
    const operand = b.constant(`c${index}`, randomTensor(dims, index + 3));
    value = b.op(opType, left ? [operand, value] : [value, operand], { outputs: [`v${index}`] });
  }
  b.output(value, 'y');
  return { b, model: b.build() };
}

async function expectMerged(steps: readonly Step[], expected: readonly string[]) {
  const { model } = build(steps);
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual(expected);
  expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
}

describe('merge-affine-chains', () => {
  for (const [first, second, merged] of [
    ['Mul', 'Mul', 'Mul'],
    ['Mul', 'Div', 'Mul'],
    ['Div', 'Mul', 'Mul'],
    ['Div', 'Div', 'Mul'],
    ['Add', 'Add', 'Add'],
    ['Add', 'Sub', 'Add'],
    ['Sub', 'Add', 'Add'],
    ['Sub', 'Sub', 'Add'],
  ] as const) {
    it(`merges ${first} and ${second}`, async () => {
      for (const [a, b] of [
        [[4], [4]],
        [[], [3, 1]],
        [[1, 1, 4], [4]],
        [[3, 4], [4]],
      ] as const) {
        await expectMerged(
          [
            { opType: first, dims: a },
            { opType: second, dims: b },
          ],
          [merged],
        );
      }
    });
  }

  it('merges constants on the left of Mul and Add', async () => {
    for (const opType of ['Mul', 'Add']) {
      const left = { opType, dims: [4], left: true };
      const right = { opType, dims: [4] };
      for (const steps of [
        [left, left],
        [left, right],
        [right, left],
      ])
        await expectMerged(steps, [opType]);
    }
  });

  it('keeps the axes that a constant adds', () =>
    expectMerged(
      [
        { opType: 'Mul', dims: [1, 1, 1, 4] },
        { opType: 'Mul', dims: [] },
      ],
      ['Mul'],
    ));

  it('moves a factor in front of a shift', async () => {
    const scale = { opType: 'Mul', dims: [4] };
    const shift = { opType: 'Sub', dims: [] };
    await expectMerged([scale, shift, { opType: 'Div', dims: [] }], ['Mul', 'Add']);
    await expectMerged([scale, shift, { opType: 'Mul', dims: [], left: true }], ['Mul', 'Add']);
  });

  it('merges a long chain', () => {
    const scale = { opType: 'Mul', dims: [4] };
    const shift = { opType: 'Add', dims: [4] };
    return expectMerged([scale, shift, scale, shift, scale, shift], ['Mul', 'Add']);
  });

  it('leaves a constant on the left of Sub and Div', async () => {
    for (const opType of ['Sub', 'Div']) {
      const left = { opType, dims: [4], left: true };
      expect(operatorsOf((await applyPass(build([left, left]).model, pass)).model)).toEqual([opType, opType]);
    }
  });

  it('declines where the merged constant would be larger than both', async () => {
    const { model, report } = await applyPass(
      build([
        { opType: 'Mul', dims: [3, 1] },
        { opType: 'Mul', dims: [4] },
      ]).model,
      pass,
    );
    expect(operatorsOf(model)).toEqual(['Mul', 'Mul']);
    expect(reasonsOf(report)).toEqual(['merged, the constants would take more room']);
  });

  it('declines where the product of the constants has no place in the type', async () => {
    for (const [value, reason] of [
      [1e30, 'merged, a constant leaves the range of float'],
      [1e-30, 'merged, a constant becomes too small for float'],
    ] as const) {
      const b = new ModelBuilder();
      const inner = b.op('Mul', [b.input('x', ['N', 4]), b.constant('a', floatTensor([value]))]);
      b.output(b.op('Mul', [inner, b.constant('b', floatTensor([value]))]), 'y');
      expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual([reason]);
    }
  });

  it('declines integers', async () => {
    const b = new ModelBuilder();
    const inner = b.op('Div', [b.input('x', ['N', 4], 'int64'), b.constant('a', int64Tensor([3]))]);
    b.output(b.op('Mul', [inner, b.constant('b', int64Tensor([3]))]), 'y', 'int64');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual([
      'the constants are not floating-point numbers',
    ]);
  });

  it('declines where the inner result is read elsewhere, and under a strict contract', async () => {
    const steps = [
      { opType: 'Mul', dims: [] },
      { opType: 'Mul', dims: [] },
    ];
    const { b, model } = build(steps);
    const strict = await applyPass(model, pass, { fpContract: 'strict' });
    expect(reasonsOf(strict.report)).toEqual(['it needs the licence "reassociates"']);
    b.output(b.graph.values.get('v0')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['"z" is read elsewhere']);
  });
});
