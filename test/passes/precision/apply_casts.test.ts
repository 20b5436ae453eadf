import { describe, expect, it } from 'vitest';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import { ModelBuilder } from '../../build_model.js';
import { answers, applied, castTo, linesOf } from './applied_plan.js';

describe('casts that a model brought along', () => {
  it('of a constant read it as it was: another type may hold what the half type does not', async () => {
    const b = new ModelBuilder();
    const wide = b.op('Cast', [b.constant('c', floatTensor([0.1]))], castTo('double', 'wide'));
    b.output(wide, 'wide', 'double');
    b.output(b.op('Neg', [b.input('x', [1])], { outputs: ['y'] }), 'y');
    const result = await applied(b, { nodes: ['wide', 'y'], outputs: ['y'] });
    expect(tensorData((await answers(result, { x: floatTensor([1]) })).get('wide')!)[0]).toBe(Math.fround(0.1));
  });

  it('to the half type vanish where their input is half by now', async () => {
    const b = new ModelBuilder();
    const relu = b.op('Relu', [b.input('x', [2])], { outputs: ['relu'] });
    const narrow = b.op('Cast', [relu], castTo('float16', 'narrow'));
    b.output(b.op('Neg', [narrow], { outputs: ['y'] }), 'y', 'float16');
    b.output(b.op('Exp', [relu], { outputs: ['z'] }), 'z');
    for (const nodes of [['relu'], ['relu', 'narrow']]) {
      expect(linesOf(await applied(b, { nodes }))).toEqual([
        'x_float16 = Cast(x) {to=10}',
        'relu = Relu(x_float16)',
        'relu_float = Cast(relu) {to=1}',
        'y = Neg(relu)',
        'z = Exp(relu_float)',
      ]);
    }
  });

  it('to the half type serve readers in the half type where their input stays float', async () => {
    const b = new ModelBuilder();
    const exp = b.op('Exp', [b.input('x', [2])], { outputs: ['exp'] });
    b.output(b.op('Cast', [exp], castTo('float16', 'narrow')), 'narrow', 'float16');
    b.output(b.op('Relu', [exp], { outputs: ['relu'] }), 'relu');
    const result = await applied(b, { nodes: ['relu'], outputs: ['relu'] });
    expect(linesOf(result).map((line) => line.replaceAll('narrow', 'exp_float16'))).toEqual([
      'exp = Exp(x)',
      'exp_float16 = Cast(exp) {to=10}',
      'relu = Relu(exp_float16)',
    ]);
  });

  it('from the half type are passed by where readers are half, and go with their last reader', async () => {
    const build = (keep: boolean) => {
      const b = new ModelBuilder();
      const half = b.op('Neg', [b.input('h', [2], 'float16')], { outputs: ['half'] });
      const wide = b.op('Cast', [half], castTo('float', 'wide'));
      b.output(b.op('Relu', [wide], { outputs: ['y'] }), 'y');
      if (keep) b.output(b.op('Exp', [wide], { outputs: ['z'] }), 'z');
      return b;
    };
    for (const nodes of [['y'], ['y', 'wide']]) {
      expect(linesOf(await applied(build(true), { nodes, outputs: ['y'] }))).toEqual([
        'half = Neg(h)',
        'wide = Cast(half) {to=1}',
        'y = Relu(half)',
        'z = Exp(wide)',
      ]);
      expect(linesOf(await applied(build(false), { nodes, outputs: ['y'] }))).toEqual([
        'half = Neg(h)',
        'y = Relu(half)',
      ]);
    }
  });

  it('that round on purpose go on rounding', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2]);
    const narrow = b.op('Cast', [x], castTo('float16', 'narrow'));
    const wide = b.op('Cast', [narrow], castTo('float', 'wide'));
    b.output(b.op('Sub', [x, wide], { outputs: ['y'] }), 'y');
    for (const nodes of [[], ['narrow'], ['wide'], ['narrow', 'wide']]) {
      const result = await applied(b, { nodes });
      expect(linesOf(result)).toEqual(['narrow = Cast(x) {to=10}', 'wide = Cast(narrow) {to=1}', 'y = Sub(x, wide)']);
      const { y } = Object.fromEntries(await answers(result, { x: floatTensor([1 + 2 ** -12, 1]) }));
      expect([...(tensorData(y!) as Float32Array)]).toEqual([2 ** -12, 0]);
    }
  });

  it('that round and widen again are one Cast where their source is half', async () => {
    const b = new ModelBuilder();
    const relu = b.op('Relu', [b.input('x', [2])], { outputs: ['relu'] });
    const narrow = b.op('Cast', [relu], castTo('float16', 'narrow'));
    const wide = b.op('Cast', [narrow], castTo('float', 'wide'));
    b.output(b.op('Exp', [wide], { outputs: ['y'] }), 'y');
    b.output(b.op('Exp', [relu], { outputs: ['z'] }), 'z');
    expect(linesOf(await applied(b, { nodes: ['relu'] }))).toEqual([
      'x_float16 = Cast(x) {to=10}',
      'relu = Relu(x_float16)',
      'relu_float = Cast(relu) {to=1}',
      'y = Exp(relu_float)',
      'z = Exp(relu_float)',
    ]);
  });

  it('to other types read what is there, since the number is the same', async () => {
    const b = new ModelBuilder();
    const relu = b.op('Relu', [b.input('x', [2])], { outputs: ['relu'] });
    b.output(b.op('Cast', [relu], castTo('int64', 'integer')), 'integer', 'int64');
    b.output(b.op('Cast', [relu], castTo('string', 'text')), 'text', 'string');
    for (const nodes of [['relu'], ['relu', 'integer']]) {
      expect(linesOf(await applied(b, { nodes }))).toEqual([
        'x_float16 = Cast(x) {to=10}',
        'relu = Relu(x_float16)',
        'relu_float = Cast(relu) {to=1}',
        'integer = Cast(relu) {to=7}',
        'text = Cast(relu_float) {to=8}',
      ]);
    }
    expect(linesOf(await applied(b, { nodes: ['integer'] }))[1]).toBe('integer = Cast(relu) {to=7}');
  });

  it('to the other half type stay', async () => {
    const b = new ModelBuilder();
    const relu = b.op('Relu', [b.input('x', [2])], { outputs: ['relu'] });
    const narrow = b.op('Cast', [relu], castTo('float16', 'narrow'));
    b.output(b.op('Cast', [narrow], castTo('float', 'y')), 'y');
    expect(linesOf(await applied(b, { half: 'bfloat16', nodes: ['relu'] }))).toEqual([
      'x_bfloat16 = Cast(x) {to=16}',
      'relu = Relu(x_bfloat16)',
      'narrow = Cast(relu) {to=10}',
      'y = Cast(narrow) {to=1}',
    ]);
  });
});
