import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import { floatAttribute, intAttribute, intsAttribute, tensorAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { addLoop } from '../simplify/build_subgraphs.js';
import { planOf, precisionOf } from './plan_of.js';

/** y alone between a float input and a float output, or two products that are half before and behind it. */
function between(b: ModelBuilder, make: (x: Value) => Value, shape: readonly number[] = [4, 8]): Value {
  const size = shape.at(-1)!;
  const before = b.op('MatMul', [b.input('x', shape), b.constant('w', randomTensor([size, size]))]);
  const middle = make(before);
  const behind = b.op('MatMul', [middle, b.constant('v', randomTensor([size, size], 2))], { outputs: ['y'] });
  b.output(behind);
  return middle;
}

const reasonAt = (make: (b: ModelBuilder, x: Value) => Value, shape?: readonly number[], opset = 17) => {
  const b = new ModelBuilder(opset);
  const middle = between(b, (x) => make(b, x), shape);
  const { type, reason } = precisionOf(b, middle);
  return `${type}: ${reason}`;
};

describe('what operators are computed in', () => {
  it('computes layers and what stands between them in half', () => {
    const b = new ModelBuilder();
    const middle = between(b, (x) => b.op('Relu', [x]));
    expect(precisionOf(b, middle)).toEqual({ type: 'half', reason: 'rounding does not add up in it' });
    const { plan, casts } = planOf(b.editor.model);
    expect([...plan.nodes.values()].every(({ type }) => type === 'half')).toBe(true);
    expect(casts).toBe(2);
  });

  it.each<[string, (b: ModelBuilder, x: Value) => Value, string]>([
    ['Exp', (b, x) => b.op('Exp', [x]), 'float: its results grow out of range quickly'],
    ['Pow', (b, x) => b.op('Pow', [x, b.constant('e', floatTensor([3], []))]), 'float: its results grow out of range'],
    ['a square', (b, x) => b.op('Mul', [x, x]), 'float: a square grows out of range quickly'],
    ['Log', (b, x) => b.op('Log', [x]), 'float: it tells small numbers apart'],
    ['Sin', (b, x) => b.op('Sin', [x]), 'float: it needs the digits behind the point'],
    ['CumSum', (b, x) => b.op('CumSum', [x, b.constant('a', int64Tensor([1], []))]), 'float: rounding adds up'],
    ['Softmax', (b, x) => b.op('Softmax', [x]), 'half: it weighs 8 elements'],
    ['Tanh', (b, x) => b.op('Tanh', [x]), 'half: rounding does not add up'],
    ['Transpose', (b, x) => b.op('Transpose', [b.op('Transpose', [x])]), 'half: it moves or compares numbers'],
    [
      'LayerNormalization',
      (b, x) => b.op('LayerNormalization', [x, b.constant('s', randomTensor([8]))]),
      'float: it is a normalization',
    ],
    [
      'a mean of few',
      (b, x) => b.op('Add', [x, b.op('ReduceMean', [x], { attributes: [intsAttribute('axes', [1])] })]),
      'half: rounding does not add up',
    ],
  ])('%s', (_, make, expected) => {
    expect(reasonAt(make)).toContain(expected);
  });

  it('keeps deep and unknown sums and long softmaxes in float', () => {
    const mean = (shape: readonly (number | string)[]) => {
      const b = new ModelBuilder();
      const y = b.op('ReduceMean', [b.input('x', shape)], { attributes: [intsAttribute('axes', [1])] });
      b.output(y, 'y');
      return precisionOf(b, y, { keepIoTypes: [] }).reason;
    };
    expect(mean([2, 64])).toBe('it sums up 64 elements, no more than 64');
    expect(mean([2, 65])).toBe('it sums up 65 elements, more than 64');
    expect(mean([2, 'n'])).toBe('it sums up nobody knows how many elements');
    expect(reasonAt((b, x) => b.op('Softmax', [x]), [2, 1025])).toBe('float: it weighs 1025 elements, more than 1024');
  });

  it('gives normalizations half where that is asked for', () => {
    const b = new ModelBuilder();
    const y = between(b, (x) => b.op('LayerNormalization', [x, b.constant('s', randomTensor([8]))]));
    expect(precisionOf(b, y, { norms: 'half' })).toEqual({
      type: 'half',
      reason: 'normalizations were asked for in half',
    });
  });

  it('leaves operators without a half form or without a rule alone', () => {
    const b = new ModelBuilder();
    const unknown = b.op('Mystery', [b.input('x', [2])], { domain: 'somewhere' });
    b.editor.setOpsetImport('somewhere', 1);
    b.output(unknown, 'y');
    expect(precisionOf(b, unknown).reason).toBe('it has no float16 form');
    const c = new ModelBuilder();
    const scattered = c.op(
      'ScatterElements',
      [c.input('x', [4]), c.constant('i', int64Tensor([1])), c.input('u', [1])],
      { attributes: [{ name: 'reduction', kind: 'string', value: new TextEncoder().encode('add') }] },
    );
    c.output(scattered, 'y');
    expect(precisionOf(c, scattered, { include: [() => true] }).reason).toBe(
      'nothing is known of what it loses in half',
    );
  });

  it('needs a kernel of the target, or casts that it puts around nodes itself', () => {
    const target = findTarget('ort-cpu');
    const b = new ModelBuilder();
    const relu = between(b, (x) => b.op('Relu', [x]));
    expect(precisionOf(b, relu, { target }).type).toBe('half');
    expect(precisionOf(b, relu, { target, kernels: 'required' }).reason).toBe('ort-cpu has no float16 kernel for it');
    expect(precisionOf(b, relu, { target, half: 'bfloat16' }).reason).toBe('ort-cpu has no bfloat16 kernel for it');
    const c = new ModelBuilder();
    const eye = c.op('EyeLike', [c.input('n', [3, 3], 'int64')], { attributes: [intAttribute('dtype', 1)] });
    c.output(eye, 'y');
    expect(precisionOf(c, eye, { target, keepIoTypes: [] }).type).toBe('float');
  });
});

describe('what constants allow', () => {
  const added = (constant: number | readonly number[], opType = 'Add') =>
    reasonAt((b, x) => {
      const tensor = typeof constant === 'number' ? floatTensor([constant], []) : floatTensor(constant);
      return b.op(opType, [x, b.constant('c', tensor)]);
    });

  it('keeps what reads a number past the largest in float', () => {
    expect(added(1000, 'Mul')).toContain('half');
    expect(added(65504, 'Mul')).toContain('float: constants near the end of float16 get into');
    expect(added(70000, 'Mul')).toBe('float: a constant holds 7.000e+4, and float16 ends at 65504 ("c")');
    expect(added(Number.NEGATIVE_INFINITY, 'Min')).toContain('half');
  });

  it('keeps an epsilon that would vanish, and not a bias whose steps are those of the sum', () => {
    expect(added(1e-12)).toBe('float: a constant is so small that float16 loses 1.0e+2 % of it ("c")');
    expect(added([1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9])).toContain('half');
    expect(added([1e-9, 1e-9, 1, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9], 'Mul')).toContain('half');
  });

  it('warns of weights that vanish while the layer stays as it was', () => {
    const b = new ModelBuilder();
    const weights = Float32Array.from({ length: 64 }, (_, index) => (index % 2 === 0 ? 1e-9 : 1));
    b.output(b.op('MatMul', [b.input('x', [2, 8]), b.constant('w', floatTensor(weights, [8, 8]))]), 'y');
    const { plan } = planOf(b.editor.model);
    expect(plan.diagnostics.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      'cast/weights-underflow: 50.0 % of the numbers other than 0 become 0 in float16',
    ]);
  });

  it('follows a large constant through loops', () => {
    const b = new ModelBuilder();
    const mask = b.op('Mul', [b.input('x', [2, 8]), b.constant('low', floatTensor([-1e9], []))]);
    const turns = b.constant('n', int64Tensor([2], []));
    const fill = (body: ModelBuilder) => {
      body.input('turn', [], 'int64');
      const more = body.input('more', [], 'bool');
      const carried = body.input('carried', [2, 8]);
      body.output(body.op('Identity', [more]), 'still', 'bool');
      body.output(body.op('Add', [body.op('Softmax', [carried]), carried]), 'next');
    };
    const [loop] = addLoop(b, [turns, null, mask], fill, ['last']);
    b.output(b.op('Softmax', [loop!]), 'y');
    const { plan } = planOf(b.editor.model, { include: [() => true] });
    const reasons = Array.from(plan.nodes, ([{ opType }, { reason }]) => `${opType}: ${reason}`);
    expect(reasons.filter((reason) => reason.startsWith('Softmax'))).toEqual([
      expect.stringContaining('constants beyond float16 get into'),
      expect.stringContaining('constants beyond float16 get into'),
    ]);
  });
});

describe('numbers that must be exact', () => {
  it('computes positions in float, and angles', () => {
    const b = new ModelBuilder();
    const ids = b.input('ids', [1, 'n'], 'int64');
    const cast = b.op('Cast', [ids], { attributes: [intAttribute('to', 1)] });
    const angle = b.op('Mul', [cast, b.constant('f', floatTensor([0.01], []))]);
    const cos = b.op('Cos', [angle]);
    b.output(cos, 'y');
    const options = { keepIoTypes: [] } as const;
    expect(precisionOf(b, cast, options).reason).toBe('integers beyond 2048 are not exact in float16');
    expect(precisionOf(b, angle, options).reason).toContain('it computes on integers alone');
    expect(precisionOf(b, cos, options).type).toBe('float');
  });

  it('computes what becomes an integer in float, and what is read as a position', () => {
    const b = new ModelBuilder(16);
    const scaled = b.op('Mul', [b.input('x', [2]), b.constant('k', floatTensor([100], []))]);
    b.output(b.op('Cast', [scaled], { attributes: [intAttribute('to', 7)] }), 'i', 'int64');
    const grid = b.op('Tanh', [b.input('g', [1, 2, 2, 2])]);
    b.output(b.op('GridSample', [b.input('image', [1, 1, 4, 4]), grid]), 'y');
    const options = { keepIoTypes: [] } as const;
    expect(precisionOf(b, scaled, options).reason).toBe('it computes what becomes an integer');
    expect(precisionOf(b, grid, options).reason).toMatch(/^it computes what GridSample ".*" reads$/);
  });

  it('takes pixels and flags in half at once', () => {
    const b = new ModelBuilder();
    const cast = b.op('Cast', [b.input('x', [1, 3, 8, 8], 'uint8')], { attributes: [intAttribute('to', 1)] });
    b.output(b.op('Conv', [cast, b.constant('w', randomTensor([4, 3, 3, 3]))]), 'y');
    expect(precisionOf(b, cast).type).toBe('half');
    expect(planOf(b.editor.model).casts).toBe(1);
  });
});

describe('what ranges allow', () => {
  const model = () => {
    const b = new ModelBuilder();
    const exp = between(b, (x) => b.op('Exp', [x], { outputs: ['exp'] }));
    return { b, exp };
  };

  it('decides in the place of a rule where the results were seen', () => {
    const { b, exp } = model();
    const seen = (max: number) => new Map([['exp', { min: 0, max }]]);
    expect(precisionOf(b, exp, { ranges: seen(100) })).toEqual({ type: 'half', reason: 'its results stay in range' });
    expect(precisionOf(b, exp, { ranges: seen(20000) }).reason).toContain('reached 2.000e+4, beyond float16');
    expect(precisionOf(b, exp, { ranges: seen(20000), headroom: 2 }).type).toBe('half');
    expect(precisionOf(b, exp, { ranges: seen(Number.NaN) }).type).toBe('float');
  });

  it('keeps whoever reads or writes a value out of range in float', () => {
    const b = new ModelBuilder();
    const relu = between(b, (x) => b.op('Relu', [x], { outputs: ['relu'] }));
    const { plan } = planOf(b.editor.model, {
      ranges: new Map([['relu', { min: 0, max: 1e5 }]]),
      include: [() => true],
    });
    expect(Array.from(plan.nodes.values(), ({ type }) => type)).toEqual(['half', 'float', 'float']);
    expect(precisionOf(b, relu, { half: 'bfloat16', ranges: new Map([['relu', { min: 0, max: 1e5 }]]) }).type).toBe(
      'half',
    );
  });
});

describe('constants in attributes', () => {
  it('measures the value of ConstantOfShape', () => {
    const b = new ModelBuilder();
    const fill = tensorAttribute('value', floatTensor([-3e38]));
    const made = b.op('ConstantOfShape', [b.input('n', [1], 'int64')], { attributes: [fill] });
    b.output(made, 'y');
    expect(precisionOf(b, made, { include: [() => true] }).type).toBe('float');
  });

  it('leaves attributes that are no tensors to the operator', () => {
    expect(reasonAt((b, x) => b.op('LeakyRelu', [x], { attributes: [floatAttribute('alpha', 1e-9)] }))).toContain(
      'half',
    );
  });
});
