import { describe, expect, it } from 'vitest';
import { intsAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { normalizationChains } from '../../../src/passes/precision/normalization_chains.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { planOf } from './plan_of.js';

const scalar = (b: ModelBuilder, name: string, value: number): Value => b.constant(name, floatTensor([value], []));

const mean = (b: ModelBuilder, x: Value, axes: readonly number[]): Value =>
  b.op('ReduceMean', [x], { attributes: [intsAttribute('axes', axes)] });

/** What a chain is called, and how many of the nodes of the graph are in it. */
function chainsOf(make: (b: ModelBuilder) => Value): { kinds: string[]; nodes: number; others: string[] } {
  const b = new ModelBuilder();
  b.output(b.op('Relu', [make(b)]), 'y');
  const chains = normalizationChains(b.graph, new Inference(b.editor.model));
  const kinds = [...new Set([...chains.values()].map((reason) => reason.replace(/ \(.*/, '')))];
  const others = [...b.graph.nodes].filter((node) => !chains.has(node)).map(({ opType }) => opType);
  return { kinds, nodes: chains.size, others };
}

function centred(b: ModelBuilder, axes: readonly number[]): Value {
  const x = b.input('x', [2, 4, 6, 6]);
  const deviation = b.op('Sub', [x, mean(b, x, axes)]);
  const variance = mean(b, b.op('Pow', [deviation, scalar(b, 'two', 2)]), axes);
  return b.op('Div', [deviation, b.op('Sqrt', [b.op('Add', [variance, scalar(b, 'eps', 1e-5)])])]);
}

describe('normalizationChains', () => {
  it('finds a layer normalization with its scale and bias', () => {
    const found = chainsOf((b) => {
      const scaled = b.op('Mul', [centred(b, [-1]), b.constant('s', randomTensor([6]))]);
      return b.op('Add', [scaled, b.constant('bias', randomTensor([6]))]);
    });
    expect(found).toEqual({
      kinds: ['part of a layer normalization that is spelled out'],
      nodes: 9,
      others: ['Relu'],
    });
  });

  it('finds instance normalizations and others by their axes', () => {
    expect(chainsOf((b) => centred(b, [2, 3])).kinds).toEqual([
      'part of an instance normalization that is spelled out',
    ]);
    expect(chainsOf((b) => centred(b, [1])).kinds).toEqual(['part of a normalization that is spelled out']);
  });

  it('finds an RMS normalization', () => {
    const found = chainsOf((b) => {
      const x = b.input('x', [2, 6]);
      const square = mean(b, b.op('Mul', [x, x]), [-1]);
      const inverse = b.op('Reciprocal', [b.op('Sqrt', [b.op('Add', [square, scalar(b, 'eps', 1e-6)])])]);
      return b.op('Mul', [b.constant('s', randomTensor([6])), b.op('Mul', [x, inverse])]);
    });
    expect(found.kinds).toEqual(['part of an RMS normalization that is spelled out']);
    expect(found.others).toEqual(['Relu']);
  });

  it('finds divisions by a norm, however it is kept above 0', () => {
    const found = chainsOf((b) => {
      const x = b.input('x', [2, 6]);
      const norm = b.op('ReduceL2', [x], { attributes: [intsAttribute('axes', [1])] });
      return b.op('Div', [x, b.op('Clip', [norm, scalar(b, 'eps', 1e-12)])]);
    });
    expect(found).toEqual({ kinds: ['part of a division by a norm that is spelled out'], nodes: 3, others: ['Relu'] });
  });

  it('leaves a division by the norm of something else alone', () => {
    const found = chainsOf((b) => {
      const norm = b.op('ReduceL2', [b.input('z', [2, 6])], { attributes: [intsAttribute('axes', [1])] });
      return b.op('Div', [b.input('x', [2, 6]), norm]);
    });
    expect(found.nodes).toBe(0);
  });

  it('stays float as one island, with two casts between layers', () => {
    const b = new ModelBuilder();
    const before = b.op('MatMul', [b.input('x', [2, 16]), b.constant('w', randomTensor([16, 16]))]);
    const deviation = b.op('Sub', [before, mean(b, before, [-1])]);
    const variance = mean(b, b.op('Mul', [deviation, deviation]), [-1]);
    const root = b.op('Sqrt', [b.op('Add', [variance, scalar(b, 'eps', 1e-5)])]);
    const scaled = b.op('Mul', [b.op('Div', [deviation, root]), b.constant('s', randomTensor([16]))]);
    const behind = b.op('MatMul', [scaled, b.constant('v', randomTensor([16, 16], 2))]);
    b.output(behind, 'y');
    const { plan, casts } = planOf(b.editor.model, { keepIoTypes: [] });
    expect(Array.from(plan.nodes.values(), ({ type }) => type).filter((type) => type === 'half')).toHaveLength(2);
    expect(casts).toBe(2);
    const all = planOf(b.editor.model, { keepIoTypes: [], norms: 'half' });
    expect(Array.from(all.plan.nodes, ([{ opType }, { type }]) => `${opType} ${type}`)).toContain('ReduceMean half');
  });
});
