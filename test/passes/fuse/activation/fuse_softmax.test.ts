import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import {
  fuseLogOfSoftmax,
  fuseLogSoftmax,
  fusePlainLogSoftmax,
  fusePlainSoftmax,
  fuseSoftmax,
} from '../../../../src/passes/fuse/activation/fuse_softmax.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [
  fuseSoftmax,
  fusePlainSoftmax,
  fuseLogSoftmax,
  fusePlainLogSoftmax,
  fuseLogOfSoftmax,
]);

/** Numbers up to 3 and the runtime's own approximation of exp. */
const tolerance = 2e-6;

const feeds = { x: randomTensor([2, 4, 6], 5) };

class Writer {
  readonly b: ModelBuilder;
  readonly x: Value;
  private readonly opset: number;
  private readonly axis: number;

  constructor(opset: number, axis: number, dims: readonly (number | string)[] = ['N', 4, 6]) {
    this.opset = opset;
    this.axis = axis;
    this.b = new ModelBuilder(opset);
    this.x = this.b.input('x', dims);
  }

  op(opType: string, ...inputs: readonly Value[]): Value {
    return this.b.op(opType, inputs);
  }

  reduce(opType: string, x: Value, axis = this.axis, keepdims = 1): Value {
    const kept = intAttribute('keepdims', keepdims);
    const isInput = this.opset >= 18 || (opType === 'ReduceSum' && this.opset >= 13);
    if (!isInput) return this.b.op(opType, [x], { attributes: [intsAttribute('axes', [axis]), kept] });
    return this.b.op(opType, [x, this.b.constant(`${opType}_axes`, int64Tensor([axis]))], { attributes: [kept] });
  }

  shifted(axis = this.axis): Value {
    return this.op('Sub', this.x, this.reduce('ReduceMax', this.x, axis));
  }

  build(result: Value) {
    this.b.output(result, 'y');
    return this.b.build();
  }
}

type Spelling = (w: Writer) => Value;

const quotient = (w: Writer, x: Value): Value => {
  const exp = w.op('Exp', x);
  return w.op('Div', exp, w.reduce('ReduceSum', exp));
};

const spellings: Record<string, Record<string, Spelling>> = {
  Softmax: {
    'with the maximum taken away': (w) => quotient(w, w.shifted()),
    'times the reciprocal of the sum'(w) {
      const exp = w.op('Exp', w.shifted());
      return w.op('Mul', exp, w.op('Reciprocal', w.reduce('ReduceSum', exp)));
    },
    'without a maximum': (w) => quotient(w, w.x),
  },
  LogSoftmax: {
    'with the maximum taken away'(w) {
      const d = w.shifted();
      return w.op('Sub', d, w.op('Log', w.reduce('ReduceSum', w.op('Exp', d))));
    },
    'without a maximum': (w) => w.op('Sub', w.x, w.op('Log', w.reduce('ReduceSum', w.op('Exp', w.x)))),
    'by ReduceLogSumExp': (w) => w.op('Sub', w.x, w.reduce('ReduceLogSumExp', w.x)),
  },
};

describe('fuse-softmax', () => {
  for (const [opType, ways] of Object.entries(spellings)) {
    for (const [name, spelling] of Object.entries(ways)) {
      for (const [opset, axis] of [
        [13, -1],
        [18, 2],
        [18, 1],
        [17, 0],
      ] as const) {
        it(`${opType} ${name}, opset ${opset}, axis ${axis}`, async () => {
          const w = new Writer(opset, axis);
          const model = w.build(spelling(w));
          const result = await applyPass(model, pass, { target: findTarget('portable') });
          expect(operatorsOf(result.model)).toEqual([opType]);
          expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
        });
      }
    }
  }

  it('makes one of the logarithm of another, under a licence', async () => {
    const w = new Writer(13, -1);
    const model = w.build(w.op('Log', w.b.op('Softmax', [w.x], { attributes: [intAttribute('axis', 1)] })));
    const small = await applyPass(model, pass, { target: findTarget('portable') });
    expect(operatorsOf(small.model)).toEqual(['LogSoftmax']);
    expect(await largestDifference(model, small.model, feeds)).toBeLessThan(tolerance);
    const { report } = await applyPass(model, pass, { fpContract: 'strict' });
    expect(reasonsOf(report)).toEqual(['it needs the licence "assumes-finite"']);
  });

  it('leaves a maximum along another axis, and one whose axis is gone', async () => {
    const w = new Writer(18, 2);
    const { model, report } = await applyPass(w.build(quotient(w, w.shifted(1))), pass);
    expect(operatorsOf(model)).toHaveLength(5);
    expect(reasonsOf(report)).toEqual([]);
    const gone = new Writer(18, 1, [6, 6]);
    const exp = gone.op('Exp', gone.x);
    const sum = gone.reduce('ReduceSum', exp, 1, 0);
    expect(operatorsOf((await applyPass(gone.build(gone.op('Div', exp, sum)), pass)).model)).toHaveLength(3);
  });

  it('leaves a sum along two axes, and a sum of something else', async () => {
    const w = new Writer(18, 2);
    const exp = w.op('Exp', w.x);
    const axes = w.b.constant('both', int64Tensor([1, 2]));
    const two = w.build(w.op('Div', exp, w.b.op('ReduceSum', [exp, axes])));
    expect(operatorsOf((await applyPass(two, pass)).model)).toHaveLength(3);
    const v = new Writer(18, 2);
    const other = v.reduce('ReduceSum', v.op('Mul', v.op('Exp', v.x), v.b.constant('two', floatTensor([2], []))));
    expect(operatorsOf((await applyPass(v.build(v.op('Div', v.op('Exp', v.x), other)), pass)).model)).toHaveLength(5);
  });

  it('leaves large tensors along an inner axis to what ONNX Runtime computes faster', async () => {
    const w = new Writer(18, 1);
    const { model, report } = await applyPass(w.build(spellings['Softmax']!['with the maximum taken away']!(w)), pass);
    expect(operatorsOf(model)).toHaveLength(5);
    expect(reasonsOf(report)).toContain('ort-cpu computes reductions and Exp faster than Softmax');
  });

  it('needs opset 13, in which it works along one axis', async () => {
    const w = new Writer(11, -1);
    const { report } = await applyPass(w.build(spellings['Softmax']!['with the maximum taken away']!(w)), pass);
    expect(reasonsOf(report)).toContain('it needs opset 13');
  });
});
