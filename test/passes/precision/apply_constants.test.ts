import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import { InvariantError } from '../../../src/ir/diagnostic.js';
import { encodeHalf } from '../../../src/ir/half_float.js';
import { loadModel, saveModelInto } from '../../../src/ir/onnx/files.js';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import { runPipeline } from '../../../src/passes/pipeline.js';
import { applyPrecisionPlan } from '../../../src/passes/precision/apply_precision_plan.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../../build_model.js';
import { answers, applied, dtypeOf, linesOf, planOf } from './applied_plan.js';

const initializersOf = (model: { graph: ModelBuilder['graph'] }): string[] =>
  Array.from(model.graph.initializers, ({ name, initializer }) => `${name}: ${initializer?.dtype}`).sort();

describe('constants of a precision plan', () => {
  it('are stored once a type, each for all its readers, and never cast', async () => {
    const b = new ModelBuilder();
    const [x, w] = [b.input('x', [2, 2]), b.constant('w', randomTensor([2, 2]))];
    const only = b.constant('only', randomTensor([2, 2], 5));
    const first = b.op('MatMul', [x, w], { outputs: ['first'] });
    const second = b.op('MatMul', [first, w], { outputs: ['second'] });
    const third = b.op('Add', [second, w], { outputs: ['third'] });
    b.output(b.op('Sub', [b.op('Mul', [third, only], { outputs: ['fourth'] }), w], { outputs: ['y'] }), 'y');
    const result = await applied(b, { nodes: ['first', 'second', 'fourth'] });
    expect(initializersOf(result)).toEqual(['only: float16', 'w: float', 'w_float16: float16']);
    expect(linesOf(result)).toEqual([
      'x_float16 = Cast(x) {to=10}',
      'first = MatMul(x_float16, w_float16)',
      'second = MatMul(first, w_float16)',
      'second_float = Cast(second) {to=1}',
      'third = Add(second_float, w)',
      'third_float16 = Cast(third) {to=10}',
      'fourth = Mul(third_float16, only)',
      'fourth_float = Cast(fourth) {to=1}',
      'y = Sub(fourth_float, w)',
    ]);
    await answers(result, { x: randomTensor([2, 2], 3) });
  });

  it('are converted in Constant nodes too', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [1]);
    const float = (name: string, value: number) =>
      b.op('Constant', [], { outputs: [name], attributes: [{ name: 'value_float', kind: 'float', value }] });
    const [own, shared] = [float('own', 0.5), float('shared', 2)];
    const half = b.op('Mul', [b.op('Mul', [x, own], { outputs: ['one'] }), shared], { outputs: ['two'] });
    b.output(b.op('Add', [half, shared], { outputs: ['y'] }), 'y');
    const result = await applied(b, { nodes: ['one', 'two'] });
    expect(['own', 'shared', 'shared_float16'].map((name) => dtypeOf(result, name))).toEqual([
      'float16',
      'float',
      'float16',
    ]);
    expect([...(tensorData((await answers(result, { x: floatTensor([3]) })).get('y')!) as Float32Array)]).toEqual([5]);
  });

  it('keep their type where a caller can override them, with a Cast behind', async () => {
    const b = new ModelBuilder();
    const [x, s] = [b.input('x', [2]), b.input('s', [2])];
    b.editor.setInitializer(s, floatTensor([1, 2]));
    b.output(b.op('Mul', [x, s], { outputs: ['y'] }), 'y');
    const result = await applied(b, { nodes: ['y'], outputs: ['y'] });
    expect(initializersOf(result)).toEqual(['s: float']);
    expect(linesOf(result)).toEqual([
      's_float16 = Cast(s) {to=10}',
      'x_float16 = Cast(x) {to=10}',
      'y = Mul(x_float16, s_float16)',
    ]);
  });

  it('feed an output in the type that it has', async () => {
    const b = new ModelBuilder();
    const w = b.constant('w', floatTensor([1 / 3, 2]));
    b.output(b.op('Mul', [b.input('x', [2]), w], { outputs: ['y'] }), 'y');
    b.output(w, 'w');
    const result = await applied(b, { nodes: ['y'] });
    expect(initializersOf(result)).toEqual(['w: float', 'w_float16: float16']);
    const results = await answers(result, { x: floatTensor([1, 1]) });
    expect([...(tensorData(results.get('w')!) as Float32Array)]).toEqual([Math.fround(1 / 3), 2]);
  });

  it('keep infinities, and are refused where a finite number would become one', async () => {
    const build = (value: number) => {
      const b = new ModelBuilder();
      b.output(b.op('Add', [b.input('x', [2]), b.constant('mask', floatTensor([0, value]))], { outputs: ['y'] }), 'y');
      return b;
    };
    const result = await applied(build(Number.NEGATIVE_INFINITY), { nodes: ['y'] });
    const { initializer } = result.graph.values.get('mask')!;
    expect(initializer?.kind === 'dense' && [...tensorData(initializer)]).toEqual([0, 0xfc00]);
    await expect(applied(build(-3.4e38), { nodes: ['y'] })).rejects.toThrow(InvariantError);
    await expect(applied(build(-3.4e38), { half: 'bfloat16', nodes: ['y'] })).rejects.toThrow(
      'which no bfloat16 holds',
    );
    expect(linesOf(await applied(build(-3e38), { half: 'bfloat16', nodes: ['y'] }))).toHaveLength(3);
  });

  it('stream from data file to data file', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-test-'));
    try {
      const b = new ModelBuilder();
      const weights = pseudoRandom(3 * 2 ** 20);
      const w = b.constant('w', floatTensor(weights, [3, 2 ** 20]));
      b.output(b.op('MatMul', [b.input('x', [1, 3]), w], { outputs: ['y'] }), 'y');
      saveModelInto(b.graph.model, folder, 'float.onnx', { externalData: 'always' });
      const model = loadModel(path.join(folder, 'float.onnx'));
      const pass = applyPrecisionPlan(planOf(model, { nodes: ['y'] }));
      await runPipeline(model, [{ pass, reason: 'test' }], { target: findTarget('ort-cpu') });
      const saved = saveModelInto(model, folder, 'half.onnx');
      expect(fs.readFileSync(saved.data!).equals(new Uint8Array(encodeHalf('float16', weights).buffer))).toBe(true);
      await answers(loadModel(saved.model), { x: floatTensor([1, 2, 3], [1, 3]) });
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
