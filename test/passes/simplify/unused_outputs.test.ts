import { describe, expect, it } from 'vitest';
import { floatAttribute, getGraph, getInts, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { eliminateUnusedOutputs } from '../../../src/passes/simplify/eliminate_unused_outputs.js';
import { eliminateUnusedSubgraphOutputs } from '../../../src/passes/simplify/eliminate_unused_subgraph_outputs.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { addIf, addLoop, addScan, scanInputs } from './build_subgraphs.js';

const x = randomTensor([2, 3], 5);
const bool = (value: boolean) => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));

describe('eliminate-unused-outputs', () => {
  it('leaves out masks, indices, means and states that nobody reads', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [1, 2, 4, 4]);
    const [kept] = b.ops('Dropout', [a], { outputs: 2 });
    const [pooled] = b.ops('MaxPool', [kept!], { outputs: 2, attributes: [intsAttribute('kernel_shape', [2, 2])] });
    const scale = b.constant('scale', floatTensor([1, 2, 3]));
    const [normal] = b.ops('LayerNormalization', [pooled!, scale], {
      outputs: 3,
      attributes: [intAttribute('axis', -1)],
    });
    b.output(normal!, 'y');
    const model = b.build();
    const result = await applyPass(model, eliminateUnusedOutputs);
    expect([...result.model.graph.nodes].map(({ outputs }) => outputs.length)).toEqual([1, 1, 1]);
    expect(await largestDifference(model, result.model, { a: randomTensor([1, 2, 4, 4], 2) })).toBe(0);
  });

  it('keeps the positions of the outputs that stay', async () => {
    const b = new ModelBuilder();
    const sequence = b.input('a', [3, 1, 2]);
    const weights = [b.constant('w', randomTensor([1, 8, 2], 1)), b.constant('r', randomTensor([1, 8, 2], 2))];
    const [, , cell] = b.ops('LSTM', [sequence, ...weights], {
      outputs: 3,
      attributes: [intAttribute('hidden_size', 2)],
    });
    b.output(cell!, 'y');
    const model = b.build();
    const result = await applyPass(model, eliminateUnusedOutputs);
    expect([...result.model.graph.nodes][0]!.outputs.map((output) => output !== null)).toEqual([false, false, true]);
    expect(await largestDifference(model, result.model, { a: randomTensor([3, 1, 2], 3) })).toBe(0);
  });

  it('keeps required outputs, and graph outputs', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 4]);
    const [, indices] = b.ops('TopK', [a, b.constant('k', int64Tensor([2]))], { outputs: 2 });
    b.output(indices!, 'y', 'int64');
    const [part] = b.ops('Split', [a], { outputs: 2, attributes: [intAttribute('axis', 1)] });
    b.output(part!, 'z');
    const [kept, mask] = b.ops('Dropout', [a], { outputs: 2 });
    b.output(kept!, 'u');
    b.output(mask!, 'v', 'bool');
    const { model } = await applyPass(b.build(), eliminateUnusedOutputs);
    expect([...model.graph.nodes].map(({ outputs }) => outputs.length)).toEqual([2, 2, 2]);
  });

  it('keeps those of an old BatchNormalization, which trains where it has them, and says so', async () => {
    const b = new ModelBuilder(9);
    const a = b.input('a', [1, 2, 4]);
    const parameters = [1, 2, 3, 4].map((seed) => b.constant(`p${seed}`, randomTensor([2], seed)));
    const [y] = b.ops('BatchNormalization', [a, ...parameters], {
      outputs: 5,
      attributes: [floatAttribute('momentum', 0.5)],
    });
    b.output(y!, 'y');
    const { model, report } = await applyPass(b.build(), eliminateUnusedOutputs);
    expect([...model.graph.nodes][0]!.outputs).toHaveLength(5);
    expect(reasonsOf(report)).toEqual(['which outputs are given decides what it computes']);
  });
});

describe('eliminate-unused-subgraph-outputs', () => {
  it('takes unread results out of both branches of an If', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const branch = (opType: string) => (inner: ModelBuilder) => {
      for (const name of ['one', 'two', 'three'])
        inner.output(inner.op(opType, [inner.op(opType, [a])]), `${opType}_${name}`);
    };
    const results = addIf(b, b.input('c', [], 'bool'), branch('Neg'), branch('Cos'), ['p', 'q', 'r']);
    b.output(results[1]!, 'y');
    const model = b.build();
    const result = await applyPass(model, eliminateUnusedSubgraphOutputs);
    const [node] = [...result.model.graph.nodes];
    expect(node!.outputs).toHaveLength(1);
    expect(getGraph(node!, 'then_branch')!.outputs).toHaveLength(1);
    for (const value of [true, false]) {
      expect(await largestDifference(model, result.model, { a: x, c: bool(value) })).toBe(0);
    }
  });

  /** Four carried values and two that are collected; `read` says which results are. */
  function build(read: readonly number[]) {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const start = ['s0', 's1', 's2', 's3'].map((name, seed) => b.constant(name, randomTensor([2, 3], seed)));
    const results = addLoop(
      b,
      [b.input('n', [], 'int64'), b.constant('go', bool(true)), ...start],
      (body) => {
        body.input('i', [], 'int64');
        const again = body.input('again', [], 'bool');
        const [own, feeds, fed, idle] = ['own', 'feeds', 'fed', 'idle'].map((name) => body.input(name, [2, 3]));
        body.output(body.op('Identity', [again]), 'go_on', 'bool');
        body.output(body.op('Neg', [body.op('Mul', [own!, own!])]), 'own_next');
        body.output(body.op('Add', [feeds!, a]), 'feeds_next');
        body.output(body.op('Add', [fed!, feeds!]), 'fed_next');
        body.output(body.op('Cos', [idle!]), 'idle_next');
        body.output(body.op('Sin', [idle!]), 'first');
        body.output(body.op('Tanh', [a]), 'second');
      },
      ['r0', 'r1', 'r2', 'r3', 'c0', 'c1'],
    );
    for (const index of read) b.output(results[index]!, `y${index}`);
    return b.build();
  }

  for (const [read, inputs, outputs] of [
    [[2], 4, 2],
    [[0, 5], 3, 2],
    [[4], 3, 2],
    [[3, 4], 3, 2],
    [[0, 1, 2, 3, 4, 5], 6, 6],
  ] as const) {
    it(`takes what the results ${read} of a Loop do not depend on out of it`, async () => {
      const model = build(read);
      const result = await applyPass(model, eliminateUnusedSubgraphOutputs);
      const [node] = [...result.model.graph.nodes];
      expect([node!.inputs.length, node!.outputs.length]).toEqual([inputs, outputs]);
      for (const n of [0, 3]) {
        expect(await largestDifference(model, result.model, { a: x, n: int64Tensor([n], []) })).toBe(0);
      }
    });
  }

  it('takes carried values out that only feed one another', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const results = addLoop(
      b,
      [b.input('n', [], 'int64'), b.constant('go', bool(true)), a, a, a],
      (body) => {
        body.input('i', [], 'int64');
        body.output(body.op('Identity', [body.input('again', [], 'bool')]), 'go_on', 'bool');
        const [one, two, three] = ['one', 'two', 'three'].map((name) => body.input(name, [2, 3]));
        body.output(body.op('Neg', [two!]), 'one_next');
        body.output(body.op('Cos', [one!]), 'two_next');
        body.output(body.op('Tanh', [three!]), 'three_next');
      },
      ['p', 'q', 'r'],
    );
    b.output(results[2]!, 'y');
    const model = b.build();
    const result = await applyPass(model, eliminateUnusedSubgraphOutputs);
    expect(operatorsOf(result.model)).toEqual(['Loop', 'Identity', 'Tanh']);
    expect(await largestDifference(model, result.model, { a: x, n: int64Tensor([2], []) })).toBe(0);
  });

  it('takes unread results out of a Scan, with what it says of where they go', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', ['N', 3]);
    const results = addScan(
      b,
      [b.constant('start', floatTensor([0, 0, 0])), b.constant('idle', floatTensor([0])), a],
      (body) => {
        const sum = body.op('Add', [body.input('state', [3]), body.input('other', [1])]);
        const row = body.input('row', [3]);
        body.output(body.op('Add', [sum, row]), 'next');
        body.output(body.op('Neg', [body.graph.values.get('other')!]), 'other_next');
        body.output(body.op('Cos', [row]), 'first');
        body.output(body.op('Sin', [row]), 'second');
      },
      ['last', 'idle_last', 'cosines', 'sines'],
      [scanInputs(1), intsAttribute('scan_output_axes', [0, 1]), intsAttribute('scan_output_directions', [1, 0])],
    );
    b.output(results[3]!, 'y');
    const model = b.build();
    const result = await applyPass(model, eliminateUnusedSubgraphOutputs);
    const [node] = [...result.model.graph.nodes];
    expect([node!.inputs.length, node!.outputs.length]).toEqual([1, 1]);
    expect(getInts(node!, 'scan_output_axes', undefined)).toEqual([1]);
    expect(await largestDifference(model, result.model, { a: randomTensor([4, 3], 3) })).toBe(0);
  });

  it('keeps what an unknown operator of the body reads', async () => {
    const b = new ModelBuilder();
    b.editor.setOpsetImport('custom', 1);
    const a = b.input('a', [2, 3]);
    const results = addLoop(
      b,
      [b.input('n', [], 'int64'), b.constant('go', bool(true)), a, a],
      (body) => {
        body.input('i', [], 'int64');
        body.output(body.op('Identity', [body.input('again', [], 'bool')]), 'go_on', 'bool');
        const [one, two] = [body.input('one', [2, 3]), body.input('two', [2, 3])];
        body.op('Log', [one], { domain: 'custom' });
        body.output(body.op('Neg', [one]), 'one_next');
        body.output(body.op('Neg', [two]), 'two_next');
      },
      ['p', 'q'],
    );
    b.output(results[1]!, 'y');
    const { model } = await applyPass(b.build(), eliminateUnusedSubgraphOutputs);
    expect(operatorsOf(model).filter((opType) => opType === 'Neg')).toHaveLength(2);
    expect([...model.graph.nodes][0]!.inputs).toHaveLength(4);
  });
});
