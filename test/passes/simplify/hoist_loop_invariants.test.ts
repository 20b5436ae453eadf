import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { hoistLoopInvariants } from '../../../src/passes/simplify/hoist_loop_invariants.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor } from '../../build_model.js';
import { addLoop, addScan, scanInputs } from './build_subgraphs.js';

const bool = (value: boolean) => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));

/** state ← state + invariant(captured values), `n` times. */
function withLoop(invariant: (body: ModelBuilder, a: Value, c: Value) => Value) {
  const b = new ModelBuilder();
  const a = b.input('a', [2, 3]);
  const c = b.input('c', ['N', 3]);
  const [out] = addLoop(
    b,
    [b.input('n', [], 'int64'), b.constant('go', bool(true)), b.constant('start', floatTensor([0]))],
    (body) => {
      body.input('i', [], 'int64');
      body.output(body.op('Identity', [body.input('again', [], 'bool')]), 'go_on', 'bool');
      body.output(body.op('Add', [body.input('state', ['p', 'q']), invariant(body, a, c)]), 'next');
    },
    ['out'],
  );
  b.output(out!, 'y');
  return b.build();
}

const feeds = (n: number) => ({
  a: randomTensor([2, 3], 1),
  c: randomTensor([2, 3], 2),
  n: int64Tensor([n], []),
});

describe('hoist-loop-invariants', () => {
  it('moves chains of operators that cannot fail before the loop, with the constants they read', async () => {
    const model = withLoop((body, a) => {
      const scaled = body.op('Mul', [a, body.constant('k', floatTensor([2]))]);
      return body.op('Tanh', [body.op('Transpose', [body.op('Transpose', [scaled])])]);
    });
    const result = await applyPass(model, hoistLoopInvariants);
    const main = [...result.model.graph.nodes].map(({ opType }) => opType);
    expect(main).toEqual(['Mul', 'Transpose', 'Transpose', 'Tanh', 'Loop']);
    for (const n of [0, 1, 3]) expect(await largestDifference(model, result.model, feeds(n))).toBe(0);
  });

  it('gives what it moves a name that no node around the loop has', async () => {
    const model = withLoop((body, a) => body.op('Neg', [body.op('Exp', [a], { name: 'loop' })], { name: 'loop' }));
    const result = await applyPass(model, hoistLoopInvariants);
    expect([...result.model.graph.nodes].map(({ name }) => name)).toEqual(['loop_1', 'loop_2', 'loop']);
    // The runtime does not load the original, whose body has the name twice.
    expect(operatorsOf(result.model)).toContain('Loop');
  });

  it('moves Cast between numbers and Unsqueeze within a known rank', async () => {
    const model = withLoop((body, a) => {
      const raised = body.op('Unsqueeze', [a, body.constant('axes', int64Tensor([0, -1]))]);
      const cast = body.op('Cast', [raised], { attributes: [intAttribute('to', 11)] });
      return body.op('Cast', [cast], { attributes: [intAttribute('to', 1)] });
    });
    const result = await applyPass(model, hoistLoopInvariants);
    expect([...result.model.graph.nodes].map(({ opType }) => opType)).toEqual(['Unsqueeze', 'Cast', 'Cast', 'Loop']);
    for (const n of [0, 2]) expect(await largestDifference(model, result.model, feeds(n))).toBe(0);
  });

  it('keeps what could fail in a loop that does not run', async () => {
    const failing: ((body: ModelBuilder, a: Value, c: Value) => Value)[] = [
      // Sizes that may not broadcast.
      (body, a, c) => body.op('Add', [a, c]),
      // A shape that may not fit, an index past the end, axes that are not 1.
      (body, _a, c) => body.op('Reshape', [c, body.constant('s', int64Tensor([2, 3]))]),
      (body, _a, c) => body.op('Gather', [c, body.constant('i', int64Tensor([5]))]),
      (body, _a, c) => body.op('Squeeze', [c, body.constant('x', int64Tensor([0]))]),
      (body, _a, c) => body.op('MatMul', [c, c]),
    ];
    for (const invariant of failing) {
      const { model } = await applyPass(withLoop(invariant), hoistLoopInvariants);
      expect([...model.graph.nodes].map(({ opType }) => opType)).toEqual(['Loop']);
    }
  });

  it('keeps random numbers, and what reads the iteration or what is carried', async () => {
    const model = withLoop((body, a) => body.op('RandomNormalLike', [a]));
    const { model: after } = await applyPass(model, hoistLoopInvariants);
    expect([...after.graph.nodes].map(({ opType }) => opType)).toEqual(['Loop']);
    expect(operatorsOf(after)).toContain('Add');
  });

  it('works for Scan', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [3]);
    const [rows] = addScan(
      b,
      [b.input('c', ['N', 3])],
      (body) => body.output(body.op('Add', [body.input('row', [3]), body.op('Neg', [a])]), 'piece'),
      ['pieces'],
      [scanInputs(1)],
    );
    b.output(rows!, 'y');
    const model = b.build();
    const result = await applyPass(model, hoistLoopInvariants);
    expect(operatorsOf(result.model)).toEqual(['Neg', 'Scan', 'Add']);
    const given = { a: floatTensor([1, 2, 3]), c: randomTensor([4, 3], 2) };
    expect(await largestDifference(model, result.model, given)).toBe(0);
  });
});
