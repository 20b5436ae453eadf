import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { unrollConstantLoop } from '../../../src/passes/simplify/unroll_constant_loop.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { addFunction, addLoop, addScan, scanInputs } from './build_subgraphs.js';

const x = randomTensor([2, 3], 5);
const bool = (value: boolean) => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));

type LoopOptions = {
  readonly opset?: number;
  readonly trips: number;
  readonly condition?: boolean | null;
  readonly goesOn?: (body: ModelBuilder, going: Parameters<ModelBuilder['op']>[1][number]) => void;
};

/** state ← state · a + iteration, collected: state · weight; `a` is captured. */
function buildLoop({ opset = 17, trips, condition = true, goesOn }: LoopOptions) {
  const b = new ModelBuilder(opset);
  const a = b.input('a', [2, 3]);
  const start = b.op('Relu', [a]);
  const limit = b.constant('n', int64Tensor([trips], []));
  const going = condition === null ? null : b.constant('go', bool(condition));
  const results = addLoop(
    b,
    [limit, going, start],
    (body) => {
      const i = body.input('i', [], 'int64');
      const again = body.input('again', [], 'bool');
      const state = body.input('state', [2, 3]);
      const number = body.op('Cast', [i], { attributes: [intAttribute('to', 1)] });
      const next = body.op('Add', [body.op('Mul', [state, a]), number]);
      if (goesOn === undefined) body.output(body.op('Identity', [again]), 'go_on', 'bool');
      else goesOn(body, again);
      body.output(next, 'next');
      body.output(body.op('Mul', [state, body.constant('weight', floatTensor([2]))]), 'row');
    },
    ['last', 'rows'],
  );
  for (const [index, value] of results.entries()) b.output(value, `y${index}`);
  return b.build();
}

describe('unroll-constant-loop', () => {
  for (const opset of [11, 17]) {
    for (const trips of [1, 3]) {
      it(`writes out ${trips} iterations in opset ${opset}, what is collected concatenated`, async () => {
        const model = buildLoop({ opset, trips });
        const result = await applyPass(model, unrollConstantLoop);
        expect(operatorsOf(result.model)).not.toContain('Loop');
        expect(operatorsOf(result.model).filter((opType) => opType === 'Concat')).toHaveLength(trips === 1 ? 0 : 1);
        expect(await largestDifference(model, result.model, { a: x })).toBe(0);
      });
    }
  }

  it('shares the constants of the body among the iterations', async () => {
    const { model } = await applyPass(buildLoop({ trips: 4 }), unrollConstantLoop);
    const weights = [...model.graph.initializers].filter(({ name }) => name.startsWith('weight'));
    expect(weights).toHaveLength(1);
    expect(weights[0]!.uses.size).toBe(4);
  });

  it('gives what a Loop without an iteration starts with, and collects nothing', async () => {
    for (const options of [{ trips: 0 }, { trips: -3 }, { trips: 5, condition: false }]) {
      const model = buildLoop(options);
      const result = await applyPass(model, unrollConstantLoop);
      expect(operatorsOf(result.model)).not.toContain('Loop');
      expect(await largestDifference(model, result.model, { a: x })).toBe(0);
    }
  });

  it('keeps a Loop without an iteration that would collect a shape not known', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', ['N', 3]);
    const [rows] = addLoop(
      b,
      [b.constant('n', int64Tensor([0], [])), b.constant('go', bool(true))],
      (body) => {
        body.input('i', [], 'int64');
        body.output(body.op('Identity', [body.input('again', [], 'bool')]), 'go_on', 'bool');
        body.output(body.op('Neg', [a]), 'row');
      },
      ['rows'],
    );
    b.output(rows!, 'y');
    const { model, report } = await applyPass(b.build(), unrollConstantLoop);
    expect(operatorsOf(model)).toContain('Loop');
    expect(reasonsOf(report)).toEqual(['the shape of what no iteration collects is not known']);
  });

  it('follows a body that always goes on, or that has no condition to begin with', async () => {
    const always: LoopOptions['goesOn'] = (body) => {
      const attributes = [{ name: 'value', kind: 'tensor', value: bool(true) } as const];
      body.output(body.op('Constant', [], { attributes }), 'go_on', 'bool');
    };
    for (const options of [{ goesOn: always }, { condition: null }, { condition: null, goesOn: always }]) {
      const model = buildLoop({ trips: 2, ...options });
      const result = await applyPass(model, unrollConstantLoop);
      expect(operatorsOf(result.model)).not.toContain('Loop');
      expect(await largestDifference(model, result.model, { a: x })).toBe(0);
    }
  });

  it('keeps a Loop whose condition is computed, and one that stops after the first iteration', async () => {
    const computed: LoopOptions['goesOn'] = (body, again) => body.output(body.op('Not', [again]), 'go_on', 'bool');
    const { model } = await applyPass(buildLoop({ trips: 3, goesOn: computed }), unrollConstantLoop);
    expect(operatorsOf(model)).toContain('Loop');
  });

  it('keeps more iterations than the budget has nodes for, and says so', async () => {
    const { model, report } = await applyPass(buildLoop({ trips: 100 }), unrollConstantLoop);
    expect(operatorsOf(model)).toContain('Loop');
    expect(reasonsOf(report)).toEqual(['100 iterations of 8 nodes are too many']);
  });

  it('keeps a body that draws random numbers, unless it runs once', async () => {
    const build = (trips: number) => {
      const b = new ModelBuilder();
      const [rows] = addLoop(
        b,
        [b.constant('n', int64Tensor([trips], [])), b.constant('go', bool(true))],
        (body) => {
          body.input('i', [], 'int64');
          body.output(body.op('Identity', [body.input('again', [], 'bool')]), 'go_on', 'bool');
          body.output(body.op('RandomNormal', [], { attributes: [intsAttribute('shape', [2])] }), 'row');
        },
        ['rows'],
      );
      b.output(rows!, 'y');
      return b.build();
    };
    const twice = await applyPass(build(2), unrollConstantLoop);
    expect(reasonsOf(twice.report)).toEqual(['random numbers are drawn in each iteration']);
    expect(operatorsOf((await applyPass(build(1), unrollConstantLoop)).model)).toEqual([
      'Identity',
      'RandomNormal',
      'Unsqueeze',
    ]);
  });

  it('works in a function, and inside another Loop', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const doubling = (body: ModelBuilder) => {
      body.input('i', [], 'int64');
      const again = body.input('again', [], 'bool');
      body.output(body.op('Identity', [again]), undefined, 'bool');
      const state = body.input('state', [2, 3]);
      body.output(body.op('Add', [state, state]));
    };
    addFunction(b, { name: 'F', inputs: ['v'] }, (body, [v]) => {
      const n = body.op('Constant', [], { attributes: [intAttribute('value_int', 2)] });
      const go = body.op('Constant', [], { attributes: [{ name: 'value', kind: 'tensor', value: bool(true) }] });
      body.output(addLoop(body, [n, go, v!], doubling, ['w'])[0]!, 'w');
    });
    const go = b.constant('go', bool(true));
    const two = b.constant('two', int64Tensor([2], []));
    const [out] = addLoop(
      b,
      [b.input('n', [], 'int64'), go, b.op('F', [a], { domain: 'local' })],
      (body) => {
        body.input('i', [], 'int64');
        body.output(body.op('Identity', [body.input('again', [], 'bool')]), 'go_on', 'bool');
        const state = body.input('state', [2, 3]);
        body.output(addLoop(body, [two, go, state], doubling, ['inner'])[0]!, 'next');
      },
      ['out'],
    );
    b.output(out!, 'y');
    const model = b.build();
    const result = await applyPass(model, unrollConstantLoop);
    expect(operatorsOf(result.model).filter((opType) => opType === 'Loop')).toHaveLength(1);
    expect(await largestDifference(model, result.model, { a: x, n: int64Tensor([3], []) })).toBe(0);
  });

  for (const [inputBackwards, outputBackwards] of [
    [0, 0],
    [1, 0],
    [0, 1],
  ]) {
    it(`writes out a Scan along given axes, read ${inputBackwards ? 'back' : 'for'}wards, written ${outputBackwards ? 'back' : 'for'}wards`, async () => {
      const b = new ModelBuilder();
      const a = b.input('a', [2, 3]);
      const results = addScan(
        b,
        [b.constant('start', floatTensor([0, 0])), a],
        (body) => {
          const state = body.input('state', [2]);
          const next = body.op('Add', [state, body.input('column', [2])]);
          body.output(body.op('Identity', [next]), 'next');
          body.output(body.op('Mul', [next, next]), 'piece');
        },
        ['sum', 'pieces'],
        [
          scanInputs(1),
          intsAttribute('scan_input_axes', [1]),
          intsAttribute('scan_output_axes', [-1]),
          intsAttribute('scan_input_directions', [inputBackwards!]),
          intsAttribute('scan_output_directions', [outputBackwards!]),
        ],
      );
      for (const [index, value] of results.entries()) b.output(value, `y${index}`);
      const model = b.build();
      const result = await applyPass(model, unrollConstantLoop);
      expect(operatorsOf(result.model)).not.toContain('Scan');
      expect(await largestDifference(model, result.model, { a: x })).toBe(0);
    });
  }

  it('keeps a Scan whose length is only a symbol', async () => {
    const b = new ModelBuilder();
    const [pieces] = addScan(
      b,
      [b.input('a', ['N', 3])],
      (body) => body.output(body.op('Neg', [body.input('row', [3])]), 'piece'),
      ['pieces'],
      [scanInputs(1)],
    );
    b.output(pieces!, 'y');
    expect(operatorsOf((await applyPass(b.build(), unrollConstantLoop)).model)).toContain('Scan');
  });
});
