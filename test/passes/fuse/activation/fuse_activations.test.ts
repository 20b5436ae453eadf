import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { floatAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { fuseClipClip, fuseMinMaxClip, fuseWhereClip } from '../../../../src/passes/fuse/activation/fuse_clip.js';
import { fuseElu, fuseScaledElu, fuseSelu } from '../../../../src/passes/fuse/activation/fuse_elu.js';
import {
  fuseHardGate,
  fuseHardSigmoid,
  fuseHardSwish,
} from '../../../../src/passes/fuse/activation/fuse_hard_sigmoid.js';
import {
  fuseLeakyRelu,
  fuseMaxLeakyRelu,
  fusePrelu,
  fuseReluPrelu,
} from '../../../../src/passes/fuse/activation/fuse_leaky_relu.js';
import {
  fuseMish,
  fuseSoftplus,
  fuseSoftsign,
  fuseStableSoftplus,
  fuseThresholdSoftplus,
} from '../../../../src/passes/fuse/activation/fuse_softplus.js';
import { fuseSigmoid, fuseSwish } from '../../../../src/passes/fuse/activation/fuse_swish.js';
import { fuseRelu, fuseShrink, fuseThresholdedRelu } from '../../../../src/passes/fuse/activation/fuse_thresholds.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  pseudoRandom,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [
  fuseSigmoid,
  fuseHardSwish,
  fuseHardGate,
  fuseHardSigmoid,
  fuseSwish,
  fuseMish,
  fuseStableSoftplus,
  fuseThresholdSoftplus,
  fuseSoftplus,
  fuseSoftsign,
  fuseElu,
  fuseSelu,
  fuseScaledElu,
  fuseLeakyRelu,
  fuseMaxLeakyRelu,
  fusePrelu,
  fuseReluPrelu,
  fuseShrink,
  fuseThresholdedRelu,
  fuseMinMaxClip,
  fuseWhereClip,
  fuseClipClip,
  fuseRelu,
]);

/** A few roundings of numbers up to 5, and the runtime's own approximations of exp and tanh. */
const tolerance = 2e-6;

/** Both sides of every threshold here, and 0 itself. */
const values = pseudoRandom(24, 5).map((value, index) => (index === 0 ? 0 : value * 5));
const feeds = { x: floatTensor(values, [3, 8]) };

class Writer {
  readonly b: ModelBuilder;
  readonly x: Value;
  private count = 0;

  constructor(opset: number, dims: readonly (number | string)[] = ['N', 8]) {
    this.b = new ModelBuilder(opset);
    this.x = this.b.input('x', dims);
  }

  number(value: number, dims: readonly number[] = []): Value {
    this.count += 1;
    return this.b.constant(`c${this.count}`, floatTensor([value], dims));
  }

  /** Numbers stand for constants. */
  op(opType: string, ...inputs: readonly (Value | number | null)[]): Value {
    return this.b.op(
      opType,
      inputs.map((input) => (typeof input === 'number' ? this.number(input) : input)),
    );
  }

  build(result: Value) {
    this.b.output(result, 'y');
    return this.b.build();
  }
}

type Spelling = (w: Writer) => Value;

const gate = (w: Writer): Value => w.op('Clip', w.op('Add', w.x, 3), 0, 6);
const expLessOne = (w: Writer, x: Value = w.x): Value => w.op('Sub', w.op('Exp', x), 1);
const safe = (w: Writer): Value => w.op('Where', w.op('Greater', w.x, 0), 0, w.x);

/** By the operators that are left on a target that has every operator. */
const spellings: Record<string, Record<string, Spelling>> = {
  HardSigmoid: {
    'PyTorch: relu6(x + 3) / 6': (w) => w.op('Div', gate(w), 6),
    'by Min and Max, scaled inside': (w) => w.op('Max', w.op('Min', w.op('Add', w.op('Mul', w.x, 0.3), 0.4), 1), 0),
    'TensorFlow: Relu, then Min, times a sixth': (w) =>
      w.op('Mul', 1 / 6, w.op('Min', w.op('Relu', w.op('Add', 3, w.x)), 6)),
  },
  HardSwish: {
    'PyTorch: x · relu6(x + 3) / 6': (w) => w.op('Div', w.op('Mul', w.x, gate(w)), 6),
    'x · (relu6(x + 3) · sixth)': (w) => w.op('Mul', w.op('Mul', gate(w), 0.16666667), w.x),
    'x · HardSigmoid(x)': (w) =>
      w.op(
        'Mul',
        w.x,
        w.b.op('HardSigmoid', [w.x], { attributes: [floatAttribute('alpha', 1 / 6), floatAttribute('beta', 0.5)] }),
      ),
    'by Min and Max': (w) => w.op('Div', w.op('Mul', w.op('Min', w.op('Max', w.op('Add', w.x, 3), 0), 6), w.x), 6),
  },
  Sigmoid: { 'written out': (w) => w.op('Div', 1, w.op('Add', w.op('Exp', w.op('Neg', w.x)), 1)) },
  Swish: {
    SiLU: (w) => w.op('Mul', w.x, w.op('Sigmoid', w.x)),
    'with a factor': (w) => w.op('Mul', w.op('Sigmoid', w.op('Mul', 1.702, w.x)), w.x),
  },
  Mish: {
    'PyTorch before opset 18': (w) => w.op('Mul', w.x, w.op('Tanh', w.op('Softplus', w.x))),
    'with the softplus written out': (w) =>
      w.op('Mul', w.op('Tanh', w.op('Log', w.op('Add', w.op('Exp', w.x), 1))), w.x),
  },
  Softplus: {
    'log(1 + exp(x))': (w) => w.op('Log', w.op('Add', 1, w.op('Exp', w.x))),
    'JAX: logaddexp': (w) =>
      w.op('Add', w.op('Max', w.x, 0), w.op('Log', w.op('Add', w.op('Exp', w.op('Neg', w.op('Abs', w.x))), 1))),
    'PyTorch: x above 20': (w) => w.op('Where', w.op('Greater', w.x, 20), w.x, w.op('Softplus', w.x)),
  },
  Softsign: {
    'a quotient': (w) => w.op('Div', w.x, w.op('Add', w.op('Abs', w.x), 1)),
    'by Reciprocal': (w) => w.op('Mul', w.op('Reciprocal', w.op('Add', 1, w.op('Abs', w.x))), w.x),
  },
  Elu: {
    'as the standard says': (w) => w.op('Where', w.op('Less', w.x, 0), w.op('Mul', 0.7, expLessOne(w)), w.x),
    'x first': (w) => w.op('Where', w.op('Greater', w.x, 0), w.x, w.op('Mul', expLessOne(w), 0.7)),
    'JAX: an argument that cannot overflow': (w) => w.op('Where', w.op('Greater', w.x, 0), w.x, expLessOne(w, safe(w))),
    'the comparison negated, the argument held below 0': (w) =>
      w.op('Where', w.op('Not', w.op('Less', w.x, 0)), w.x, expLessOne(w, w.op('Min', w.x, 0))),
  },
  Selu: {
    'as the standard says': (w) => {
      const below = w.op('Mul', 1.5, w.op('Sub', w.op('Mul', 1.2, w.op('Exp', w.x)), 1.2));
      return w.op('Where', w.op('LessOrEqual', w.x, 0), below, w.op('Mul', 1.5, w.x));
    },
    'a scaled Elu': (w) => w.op('Mul', w.op('Elu', w.x), 1.5),
  },
  Celu: { 'a scaled Elu of x over the scale': (w) => w.op('Mul', 2, w.op('Elu', w.op('Div', w.x, 2))) },
  LeakyRelu: {
    'as the standard says': (w) => w.op('Where', w.op('Less', w.x, 0), w.op('Mul', 0.1, w.x), w.x),
    'turned around': (w) => w.op('Where', w.op('Less', 0, w.x), w.x, w.op('Mul', w.x, -0.1)),
    'TensorFlow: a maximum': (w) => w.op('Max', w.op('Mul', w.x, 0.2), w.x),
  },
  PRelu: {
    'as the standard says': (w) =>
      w.op('Where', w.op('Less', w.x, 0), w.op('Mul', w.b.constant('slope', randomTensor([8])), w.x), w.x),
    'Keras: relu(x) − slope · relu(−x)': (w) =>
      w.op(
        'Sub',
        w.op('Relu', w.x),
        w.op('Mul', w.b.constant('slope', randomTensor([8])), w.op('Relu', w.op('Neg', w.x))),
      ),
  },
  ThresholdedRelu: {
    'as the standard says': (w) => w.op('Where', w.op('Less', 1.5, w.x), w.x, 0),
    'turned around': (w) => w.op('Where', w.op('Greater', w.x, 1.5), w.x, 0),
  },
  Shrink: {
    'as the standard says': (w) => {
      const above = w.op('Where', w.op('Less', 1.5, w.x), w.op('Sub', w.x, 0.5), 0);
      return w.op('Where', w.op('Less', w.x, -1.5), w.op('Add', w.x, 0.5), above);
    },
    'without a bias': (w) => {
      const above = w.op('Where', w.op('Greater', w.x, 1.5), w.x, 0);
      return w.op('Where', w.op('Greater', -1.5, w.x), w.x, above);
    },
  },
  Clip: {
    'as the standard says': (w) => {
      const [low, high] = [w.number(-1), w.number(2)];
      const raised = w.op('Where', w.op('Less', w.x, low), low, w.x);
      return w.op('Where', w.op('Less', high, raised), high, raised);
    },
    'PyTorch: Min of Max': (w) => w.op('Min', w.op('Max', w.x, -1), 2),
    'Max of Min': (w) => w.op('Max', w.number(-1, [1]), w.op('Min', w.x, w.number(2, [1]))),
    'a Clip after a Clip': (w) => w.op('Clip', w.op('Clip', w.x, -1), null, 2),
  },
  Relu: { 'a maximum': (w) => w.op('Max', w.x, 0) },
};

const portable = { target: findTarget('portable') };

/** What ONNX Runtime has no function of either runs only in the opset that brought it. */
const opset = 24;

describe('activations from their spellings', () => {
  for (const [opType, ways] of Object.entries(spellings)) {
    for (const [name, spelling] of Object.entries(ways)) {
      it(`${opType}: ${name}`, async () => {
        const w = new Writer(opset);
        const model = w.build(spelling(w));
        const result = await applyPass(model, pass, portable);
        expect(operatorsOf(result.model)).toEqual([opType]);
        expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
      });
    }
  }
});

const extremes = {
  x: floatTensor([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 1.5, 2, -1], [1, 8]),
};

describe('activations keep NaN and infinity', () => {
  for (const opType of ['LeakyRelu', 'ThresholdedRelu', 'Elu', 'HardSigmoid', 'Clip']) {
    it(`${opType}, as the standard says`, async () => {
      const name = Object.keys(spellings[opType]!)[0]!;
      const w = new Writer(opset);
      const model = w.build(spellings[opType]![name]!(w));
      const result = await applyPass(model, pass, portable);
      expect(await largestDifference(model, result.model, extremes)).toBeLessThan(tolerance);
    });
  }
});

const lookAlikes: Record<string, Spelling> = {
  'a gate up to 5': (w) => w.op('Div', w.op('Clip', w.op('Add', w.x, 3), 0, 5), 6),
  'bounds alone': (w) => w.op('Clip', w.x, 0, 1),
  'a swish of another value': (w) => w.op('Mul', w.op('Tanh', w.x), w.op('Sigmoid', w.x)),
  'a swish with a shift': (w) => w.op('Mul', w.x, w.op('Sigmoid', w.op('Add', w.x, 1))),
  'log(2 + exp(x))': (w) => w.op('Log', w.op('Add', 2, w.op('Exp', w.x))),
  'a softplus that is x too early': (w) => w.op('Where', w.op('Greater', w.x, 2), w.x, w.op('Softplus', w.x)),
  'an Elu with its branches exchanged': (w) => w.op('Where', w.op('Less', w.x, 0), w.x, expLessOne(w)),
  'an Elu around 1': (w) => w.op('Where', w.op('Less', w.x, 1), expLessOne(w), w.x),
  'exp(x) − 2 below 0': (w) => w.op('Where', w.op('Less', w.x, 0), w.op('Sub', w.op('Exp', w.x), 2), w.x),
  'a maximum with x doubled': (w) => w.op('Max', w.op('Mul', w.x, 2), w.x),
  'NaN above a threshold': (w) => w.op('Where', w.op('LessOrEqual', w.x, 1.5), 0, w.x),
  'bounds that cross': (w) => w.op('Max', w.op('Min', w.x, -1), 2),
  'NaN as a bound': (w) => {
    const low = w.number(-1);
    return w.op('Where', w.op('Greater', w.x, low), w.x, low);
  },
  'a bound that adds an axis': (w) => w.op('Min', w.op('Max', w.x, w.number(0.5, [1, 1, 1])), 2),
};

describe('look-alikes of activations stay', () => {
  for (const [name, spelling] of Object.entries(lookAlikes)) {
    it(name, async () => {
      const w = new Writer(opset);
      const model = w.build(spelling(w));
      const result = await applyPass(model, pass, portable);
      expect(operatorsOf(result.model)).toEqual(operatorsOf(model));
    });
  }
});

describe('activations for a target', () => {
  it('gives ONNX Runtime x · HardSigmoid(x), since it has no HardSwish', async () => {
    const w = new Writer(17);
    const model = w.build(spellings['HardSwish']!['PyTorch: x · relu6(x + 3) / 6']!(w));
    const { model: result, report } = await applyPass(model, pass);
    expect(operatorsOf(result)).toEqual(['HardSigmoid', 'Mul']);
    expect(reasonsOf(report)).toContain('ort-cpu has no HardSwish of its own');
    expect(await largestDifference(model, result, feeds)).toBeLessThan(tolerance);
  });

  it('leaves large tensors to the operators that are faster than Softplus', async () => {
    const softplus = spellings['Softplus']!['log(1 + exp(x))']!;
    const small = new Writer(17, [2, 8]);
    expect(operatorsOf((await applyPass(small.build(softplus(small)), pass)).model)).toEqual(['Softplus']);
    const open = new Writer(17);
    const { model, report } = await applyPass(open.build(softplus(open)), pass);
    expect(operatorsOf(model)).toEqual(['Exp', 'Add', 'Log']);
    expect(reasonsOf(report)).toContain('ort-cpu computes Exp, Add and Log faster than Softplus');
  });

  it('needs a licence where exp may overflow', async () => {
    const w = new Writer(17, [8]);
    const model = w.build(spellings['Softplus']!['log(1 + exp(x))']!(w));
    const { report } = await applyPass(model, pass, { fpContract: 'strict' });
    expect(reasonsOf(report)).toEqual(['it needs the licence "assumes-finite"']);
  });

  it('looks inside subgraphs', async () => {
    const w = new Writer(17);
    const condition = w.b.input('condition', [], 'bool');
    const { editor } = w.b;
    const owner = editor.draft({ graph: w.b.graph, opType: 'If', inputs: [condition], outputs: [{ name: 'z' }] });
    for (const branch of ['then_branch', 'else_branch']) {
      const graph = editor.createSubgraph(owner, branch);
      const inner = new ModelBuilder(17, graph, editor);
      const half = inner.constant(`${branch}_six`, floatTensor([branch === 'then_branch' ? 6 : 5], []));
      const sum = inner.op('Add', [w.x, inner.constant(`${branch}_three`, floatTensor([3], []))]);
      const zero = inner.constant(`${branch}_zero`, floatTensor([0], []));
      inner.output(inner.op('Div', [inner.op('Clip', [sum, zero, half]), half]), `${branch}_y`);
      editor.setAttribute(owner, { name: branch, kind: 'graph', value: graph });
    }
    editor.attach(owner);
    const model = w.build(owner.outputs[0]!);
    const { model: result } = await applyPass(model, pass);
    expect(operatorsOf(result)).toEqual(['If', 'HardSigmoid', 'HardSigmoid']);
  });

  it('keeps the integers of a Clip', async () => {
    const b = new ModelBuilder(12);
    const x = b.input('x', ['N'], 'int64');
    const [low, high] = [b.constant('low', int64Tensor([-1], [])), b.constant('high', int64Tensor([2n ** 60n], []))];
    const raised = b.op('Where', [b.op('Less', [x, low]), low, x]);
    b.output(b.op('Where', [b.op('Less', [high, raised]), high, raised]), 'y', 'int64');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['Clip']);
    const large = { x: int64Tensor([2n ** 60n + 1n, 2n ** 60n - 1n, -7n]) };
    expect(await largestDifference(model, result.model, large)).toBe(0);
  });
});
