import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import { intAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import { decodeHalf } from '../../../src/ir/half_float.js';
import { floatTensor, int64Tensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { formatType } from '../../../src/ir/value_type.js';
import { definePass } from '../../../src/passes/pass.js';
import { runPipeline } from '../../../src/passes/pipeline.js';
import { applyPrecisionPlan } from '../../../src/passes/precision/apply_precision_plan.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { answers, applied, castTo, dtypeOf, linesOf, planOf } from './applied_plan.js';

describe('applyPrecisionPlan', () => {
  it('puts one Cast a value and direction where the types meet, shared by all readers', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2, 4]);
    const first = b.op('MatMul', [x, b.constant('w', randomTensor([4, 4]))], { outputs: ['first'] });
    const a = b.op('Exp', [first], { outputs: ['a'] });
    const c = b.op('Neg', [first], { outputs: ['c'] });
    const sum = b.op('Add', [a, c], { outputs: ['sum'] });
    b.output(b.op('MatMul', [sum, b.op('Add', [sum, a], { outputs: ['more'] })], { outputs: ['y'] }), 'y');
    b.output(b.op('Mul', [a, x], { outputs: ['z'] }), 'z');
    const result = await applied(b, { nodes: ['first', 'sum', 'more'] });
    expect(linesOf(result)).toEqual([
      'x_float16 = Cast(x) {to=10}',
      'first = MatMul(x_float16, w)',
      'first_float = Cast(first) {to=1}',
      'a = Exp(first_float)',
      'a_float16 = Cast(a) {to=10}',
      'c = Neg(first_float)',
      'c_float16 = Cast(c) {to=10}',
      'sum = Add(a_float16, c_float16)',
      'sum_float = Cast(sum) {to=1}',
      'more = Add(sum, a_float16)',
      'more_float = Cast(more) {to=1}',
      'y = MatMul(sum_float, more_float)',
      'z = Mul(a, x)',
    ]);
    expect(dtypeOf(result, 'first')).toBe('float16');
  });

  it('leaves a model alone whose nodes all stay float', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Relu', [b.input('x', [2])], { outputs: ['y'] }), 'y');
    expect(linesOf(await applied(b, { nodes: [] }))).toEqual(['y = Relu(x)']);
  });

  it('leaves what is inferred true for the passes behind it', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Relu', [b.input('x', [2])], { outputs: ['y'] }), 'y');
    const { model } = b.graph;
    const seen: unknown[] = [];
    const look = definePass({
      name: 'look',
      summary: 'writes down two types',
      scope: 'model',
      run(graph, { inference }) {
        seen.push(['x', 'y'].map((name) => inference.dtypeOf(graph.values.get(name)!)));
      },
    });
    const plan = planOf(model, { nodes: ['y'], inputs: ['x'], outputs: ['y'] });
    const steps = [look, applyPrecisionPlan(plan), look].map((pass) => ({ pass, reason: 'test' }));
    await runPipeline(model, steps, { target: findTarget('ort-cpu') });
    expect(seen).toEqual([
      ['float', 'float'],
      ['float16', 'float16'],
    ]);
  });

  it('keeps names and types of inputs and outputs, but for those of the plan', async () => {
    const b = new ModelBuilder();
    const [x, s] = [b.input('x', ['N', 4]), b.input('s', [4])];
    const y = b.op('Add', [x, s], { outputs: ['y'] });
    b.output(y, 'y', 'float', 2);
    b.output(b.op('Relu', [y], { outputs: ['z'] }), 'z', 'float', 2);
    const kept = await applied(b, { nodes: ['y', 'z'] });
    expect(kept.graph.inputs.map(({ name, type }) => `${name}: ${formatType(type)}`)).toEqual([
      'x: float[N, 4]',
      's: float[4]',
    ]);
    expect(kept.graph.outputs.map(({ name, type }) => `${name}: ${formatType(type)}`)).toEqual([
      'y: float[?, ?]',
      'z: float[?, ?]',
    ]);
    expect(linesOf(kept).filter((line) => line.includes('Cast'))).toHaveLength(4);
    const changed = await applied(b, { nodes: ['y', 'z'], inputs: ['x', 's'], outputs: ['y', 'z'] });
    expect(linesOf(changed)).toEqual(['y = Add(x, s)', 'z = Relu(y)']);
    const ports = [...changed.graph.inputs, ...changed.graph.outputs];
    expect(ports.map(({ type }) => formatType(type))).toEqual([
      'float16[N, 4]',
      'float16[4]',
      'float16[?, ?]',
      'float16[?, ?]',
    ]);
    const half = (numbers: number[], dims: number[]) =>
      tensorFromData(
        'float16',
        dims,
        Uint16Array.from(numbers, (number) => (number > 0 ? 0x3c00 : 0xbc00)),
      );
    const results = await answers(changed, { x: half([1, -1, 1, 1], [1, 4]), s: half([1, 1, 1, 1], [4]) });
    expect([...decodeHalf('float16', tensorData(results.get('z')!) as Uint16Array)]).toEqual([2, 0, 2, 2]);
  });

  it('casts an output of the plan whose value stays float, and an input of the plan that is read as float', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Exp', [b.input('x', [2])], { outputs: ['y'] }), 'y');
    expect(linesOf(await applied(b, { nodes: [], inputs: ['x'], outputs: ['y'] }))).toEqual([
      'x_float = Cast(x) {to=1}',
      'y_1 = Exp(x_float)',
      'y = Cast(y_1) {to=10}',
    ]);
  });

  it('leaves slots that have no half form as they are', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [1, 1, 2, 2]);
    const scales = b.constant('scales', floatTensor([1, 1, 2, 2]));
    const resized = b.op('Resize', [x, null, scales], { outputs: ['resized'] });
    const [normal, mean] = b.ops('LayerNormalization', [resized, b.constant('s', randomTensor([4]))], {
      outputs: ['normal', 'mean'],
    });
    b.output(normal!, 'normal');
    b.output(mean!, 'mean');
    const result = await applied(b, { nodes: ['resized', 'normal'] });
    expect(['resized', 'scales', 's', 'mean'].map((name) => dtypeOf(result, name))).toEqual([
      'float16',
      'float',
      'float16',
      'float',
    ]);
    await answers(result, { x: randomTensor([1, 1, 2, 2]) });
  });

  it('restates the types that attributes name', async () => {
    const b = new ModelBuilder();
    const shape = b.input('shape', [1], 'int64');
    const filled = b.op('ConstantOfShape', [shape], { outputs: ['filled'] });
    const number = b.op('Cast', [shape], castTo('float', 'number'));
    const seeded = b.op('RandomUniformLike', [shape], {
      outputs: ['seeded'],
      attributes: [intAttribute('dtype', 1)],
    });
    const followed = b.op('RandomUniformLike', [seeded], { outputs: ['followed'] });
    for (const [index, value] of [filled, number, followed].entries()) {
      b.output(b.op('Neg', [value], { outputs: [`y${index}`] }), `y${index}`);
    }
    const nodes = ['filled', 'number', 'seeded', 'followed', 'y0', 'y1', 'y2'];
    const result = await applied(b, { nodes, outputs: ['y0', 'y1', 'y2'] });
    expect(linesOf(result).slice(0, 4)).toEqual([
      'filled = ConstantOfShape(shape) {value=float16[1] 2 B}',
      'number = Cast(shape) {to=10}',
      'seeded = RandomUniformLike(shape) {dtype=10}',
      'followed = RandomUniformLike(seeded) {dtype=10}',
    ]);
    expect([...result.graph.nodes].filter(({ opType }) => opType === 'Cast')).toHaveLength(1);
    // The runtime has no kernel that draws random numbers in float16.
    const plain = new ModelBuilder();
    const zeros = plain.op('ConstantOfShape', [plain.input('shape', [1], 'int64')], { outputs: ['zeros'] });
    plain.output(plain.op('Neg', [zeros], { outputs: ['y'] }), 'y');
    const halfZeros = await applied(plain, { nodes: ['zeros', 'y'], outputs: ['y'] });
    const results = await answers(halfZeros, { shape: int64Tensor([3]) });
    expect([...(tensorData(results.get('y')!) as Uint16Array)]).toEqual([0x8000, 0x8000, 0x8000]);
  });

  it('keeps the graphs of If at float where they begin and end, and shares casts with them', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2]);
    const outer = b.op('Mul', [x, x], { outputs: ['outer'] });
    const branch = b.editor.insertNode({
      graph: b.graph,
      opType: 'If',
      inputs: [b.input('c', [], 'bool')],
      outputs: [{ name: 'y' }],
    });
    for (const side of ['then', 'else'] as const) {
      const body = b.editor.createSubgraph(branch, side);
      const inner = new ModelBuilder(17, body, b.editor);
      const [relu, exp] = [inner.op('Relu', [outer], { outputs: [`relu_${side}`] }), inner.op('Exp', [outer])];
      inner.output(inner.op('Add', [relu, exp], { outputs: [`sum_${side}`] }), `sum_${side}`);
      b.editor.setAttribute(branch, { name: `${side}_branch`, kind: 'graph', value: body });
    }
    b.output(branch.outputs[0]!, 'y');
    const result = await applied(b, { nodes: ['outer', 'relu_then', 'y'] });
    expect(linesOf(result)).toEqual([
      'x_float16 = Cast(x) {to=10}',
      'outer = Mul(x_float16, x_float16)',
      'outer_float = Cast(outer) {to=1}',
      'y = If(c)',
      'relu_then = Relu(outer)',
      'relu_then_float = Cast(relu_then) {to=1}',
      'Exp_0 = Exp(outer_float)',
      'sum_then = Add(relu_then_float, Exp_0)',
      'relu_else = Relu(outer_float)',
      'Exp_0_1 = Exp(outer_float)',
      'sum_else = Add(relu_else, Exp_0_1)',
    ]);
    await answers(result, { x: randomTensor([2]), c: tensorFromData('bool', [], Uint8Array.of(1)) });
  });

  it('leaves functions and their callers at float', async () => {
    const b = new ModelBuilder();
    const fn = b.editor.addFunction({
      name: 'Twice',
      domain: 'local',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    b.editor.setOpsetImport('', 17, fn);
    b.editor.setOpsetImport('local', 1);
    const body = new ModelBuilder(17, fn.graph, b.editor);
    const a = b.editor.addInput(fn.graph, 'a', undefined);
    b.editor.addOutput(fn.graph, body.op('Add', [a, a], { outputs: ['r'] }), 'r', undefined);
    const relu = b.op('Relu', [b.input('x', [2])], { outputs: ['relu'] });
    b.output(b.op('Twice', [relu], { domain: 'local', outputs: ['y'] }), 'y');
    expect(linesOf(await applied(b, { nodes: ['relu', 'y', 'r'] }))).toEqual([
      'x_float16 = Cast(x) {to=10}',
      'relu = Relu(x_float16)',
      'relu_float = Cast(relu) {to=1}',
      'y = local:Twice(relu_float)',
    ]);
  });

  it('takes the scales of Q/DQ pairs along only where the opset has them in one type', async () => {
    const build = (opset: number) => {
      const b = new ModelBuilder(opset);
      const [x, scale, zero] = [
        b.input('x', [2]),
        b.constant('s', floatTensor([0.5], [])),
        b.constant('z', tensorFromData('int8', [], Int8Array.of(3))),
      ];
      const q = b.op('QuantizeLinear', [x, scale, zero], { outputs: ['q'] });
      b.output(b.op('Neg', [b.op('DequantizeLinear', [q, scale, zero], { outputs: ['dq'] })], { outputs: ['y'] }), 'y');
      return b;
    };
    const old = await applied(build(13), { nodes: ['q', 'dq', 'y'] });
    expect(linesOf(old)).toEqual([
      'q = QuantizeLinear(x, s, z)',
      'dq = DequantizeLinear(q, s, z)',
      'dq_float16 = Cast(dq) {to=10}',
      'y_1 = Neg(dq_float16)',
      'y = Cast(y_1) {to=1}',
    ]);
    const mixed = await applied(build(21), { nodes: ['dq', 'y'], outputs: ['y'] });
    expect(linesOf(mixed)).toEqual([
      'q = QuantizeLinear(x, s, z)',
      'dq = DequantizeLinear(q, s_float16, z)',
      'y = Neg(dq)',
    ]);
    await answers(mixed, { x: floatTensor([1, 2]) });
  });

  it('spells the type out where the opset does', async () => {
    const b = new ModelBuilder(5);
    const x = b.input('x', [2]);
    const cast = b.op('Cast', [b.input('n', [2], 'int32')], {
      attributes: [stringAttribute('to', 'FLOAT')],
      outputs: ['cast'],
    });
    b.output(b.op('Mul', [x, cast], { outputs: ['y'] }), 'y');
    expect(linesOf(await applied(b, { nodes: ['cast', 'y'], outputs: ['y'] }))).toEqual([
      'x_float16 = Cast(x) {to="FLOAT16"}',
      'cast = Cast(n) {to="FLOAT16"}',
      'y = Mul(x_float16, cast)',
    ]);
  });

  it('gives answers within the rounding of float16: 2^-11 a step, of numbers around 1, through ten layers', async () => {
    const b = new ModelBuilder();
    let x = b.input('x', [4, 16]);
    const nodes: string[] = [];
    for (let layer = 0; layer < 10; layer += 1) {
      const weight = b.constant(`w${layer}`, randomTensor([16, 16], layer + 1));
      x = b.op('Tanh', [b.op('MatMul', [x, weight], { outputs: [`product${layer}`] })], { outputs: [`tanh${layer}`] });
      nodes.push(`product${layer}`, ...(layer % 3 === 0 ? [] : [`tanh${layer}`]));
    }
    b.output(x, 'y');
    const feeds = { x: randomTensor([4, 16], 99) };
    const expected = tensorData((await answers(b.graph.model, feeds)).get('y')!) as Float32Array;
    const half = await applied(b, { nodes });
    const actual = tensorData((await answers(half, feeds)).get('y')!) as Float32Array;
    const largest = Math.max(...expected.map((value, index) => Math.abs(value - actual[index]!)));
    expect(largest).toBeGreaterThan(0);
    // Each layer passes an error on about fourfold at worst, tanh flat where it would grow.
    expect(largest).toBeLessThan(0.05);
    // x, and in front of and behind each of the four tanh in float; what comes behind the last is the output.
    expect([...half.graph.nodes].filter(({ opType }) => opType === 'Cast')).toHaveLength(1 + 4 * 2 - 1);
  });
});
