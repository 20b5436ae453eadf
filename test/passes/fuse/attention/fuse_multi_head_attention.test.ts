import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { fuseMultiHeadAttention } from '../../../../src/passes/fuse/attention/fuse_multi_head_attention.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { eliminateDeadNodes } from '../../../../src/passes/simplify/eliminate_dead_nodes.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseMultiHeadAttention]);

/** Softmax of sums of 4 products, averaged over up to 7 numbers up to 1: a few roundings. */
const tolerance = 2e-6;

const heads = 2;
const size = 4;
const width = heads * size;

type Ports = { readonly b: ModelBuilder; readonly q: Value; readonly k: Value; readonly v: Value };

/** softmax(…) · v of operands with four axes, keys not yet transposed. */
type Core = (ports: Ports) => Value;

const number = (b: ModelBuilder, name: string, value: number, dims: readonly number[] = []) =>
  b.constant(name, floatTensor([value], dims));

const transpose = (b: ModelBuilder, value: Value, perm: readonly number[]) =>
  b.op('Transpose', [value], { attributes: [intsAttribute('perm', perm)] });

const lastAxis = { attributes: [intAttribute('axis', -1)] };

const weighted = (b: ModelBuilder, scores: Value, v: Value) => b.op('MatMul', [b.op('Softmax', [scores], lastAxis), v]);

const dot = ({ b, q, k }: Ports) => b.op('MatMul', [q, transpose(b, k, [0, 1, 3, 2])]);

const cores: Record<string, Core> = {
  'scores divided by √d': (p) => weighted(p.b, p.b.op('Div', [dot(p), number(p.b, 'c', 2)]), p.v),
  'scores times 1/√d': (p) => weighted(p.b, p.b.op('Mul', [number(p.b, 'c', 0.5), dot(p)]), p.v),
  'queries scaled': (p) => weighted(p.b, dot({ ...p, q: p.b.op('Mul', [p.q, number(p.b, 'c', 0.5)]) }), p.v),
  'queries and transposed keys scaled': ({ b, q, k, v }) => {
    const c = number(b, 'c', Math.SQRT1_2, [1]);
    const keys = b.op('Mul', [transpose(b, k, [0, 1, 3, 2]), c]);
    return weighted(b, b.op('MatMul', [b.op('Mul', [q, c]), keys]), v);
  },
  'not scaled at all': (p) => weighted(p.b, dot(p), p.v),
};

const masked =
  (mask: (b: ModelBuilder) => Value, maskFirst = false): Core =>
  (p) => {
    const scores = p.b.op('Div', [dot(p), number(p.b, 'c', 2)]);
    const m = mask(p.b);
    return weighted(p.b, p.b.op('Add', maskFirst ? [m, scores] : [scores, m]), p.v);
  };

function split(b: ModelBuilder, value: Value, name: string): Value {
  const shape = b.constant(`${name}_heads`, int64Tensor([0, 0, heads, size]));
  return transpose(b, b.op('Reshape', [value, shape]), [0, 2, 1, 3]);
}

const joined = (b: ModelBuilder, attended: Value) =>
  b.op('Reshape', [transpose(b, attended, [0, 2, 1, 3]), b.constant('joined', int64Tensor([0, 0, width]))]);

/** Three inputs of rank 3. */
function separate(core: Core, opset = 17): Model {
  const b = new ModelBuilder(opset);
  b.editor.setOpsetImport('com.microsoft', 1);
  const q = split(b, b.input('q', ['B', 'S', width]), 'q');
  const k = split(b, b.input('k', ['B', 'T', width]), 'k');
  const v = split(b, b.input('v', ['B', 'T', width]), 'v');
  b.output(joined(b, core({ b, q, k, v })), 'y');
  return b.build();
}

const lengths = { batch: 2, queries: 5, keys: 7 };

const feeds = ({ batch, queries, keys } = lengths): Record<string, Tensor> => ({
  q: randomTensor([batch, queries, width], 1),
  k: randomTensor([batch, keys, width], 2),
  v: randomTensor([batch, keys, width], 3),
});

const fused = async (model: Model) => {
  const { model: result, report } = await applyPass((await applyPass(model, pass)).model, eliminateDeadNodes);
  return { model: result, report };
};

describe('fuse-multi-head-attention', () => {
  for (const [name, core] of Object.entries(cores)) {
    it(`fuses attention of separate projections: ${name}`, async () => {
      const model = separate(core);
      const result = await fused(model);
      expect(operatorsOf(result.model)).toEqual(['MultiHeadAttention', 'Reshape', 'Reshape']);
      expect(await largestDifference(model, result.model, feeds())).toBeLessThan(tolerance);
      const empty = feeds({ batch: 0, queries: 5, keys: 7 });
      expect(await largestDifference(model, result.model, empty)).toBe(0);
    });
  }

  const masks: Record<string, readonly (number | string)[]> = {
    'for each batch': ['B', 1, 'S', 'T'],
    'for each head': [1, heads, 'S', 'T'],
    'for each batch and head': ['B', heads, 'S', 'T'],
    'without batch and heads': ['S', 'T'],
    'of rank 3': [heads, 'S', 'T'],
  };
  for (const [name, dims] of Object.entries(masks)) {
    for (const opset of [12, 17]) {
      it(`takes up a mask ${name} in opset ${opset}`, async () => {
        const model = separate(
          masked((b) => b.input('mask', dims), dims.length === 4),
          opset,
        );
        const result = await fused(model);
        expect(operatorsOf(result.model)).toContain('MultiHeadAttention');
        expect(operatorsOf(result.model)).not.toContain('Softmax');
        const { batch, queries, keys } = lengths;
        const sizes = dims.map((dim) => ({ B: batch, S: queries, T: keys })[String(dim)] ?? Number(dim));
        const mask = randomTensor(sizes, 4);
        expect(await largestDifference(model, result.model, { ...feeds(), mask })).toBeLessThan(tolerance);
      });
    }
  }

  it('repeats a mask of one row for all queries, lowest numbers everywhere included', async () => {
    const model = separate(masked((b) => b.input('mask', ['B', 1, 1, 'T'])));
    const result = await fused(model);
    expect(operatorsOf(result.model)).toEqual(expect.arrayContaining(['Expand', 'MultiHeadAttention']));
    const lowest = floatTensor(new Float32Array(14).fill(-3.4028234663852886e38), [2, 1, 1, 7]);
    for (const mask of [randomTensor([2, 1, 1, 7], 4), lowest]) {
      expect(await largestDifference(model, result.model, { ...feeds(), mask })).toBeLessThan(tolerance);
    }
  });

  const packings: Record<string, (b: ModelBuilder, stack: Value) => readonly Value[]> = {
    'by Split and Squeeze': (b, stack) => {
      const zero = b.constant('first', int64Tensor([0]));
      return b
        .ops('Split', [stack, b.constant('ones', int64Tensor([1, 1, 1]))], {
          outputs: 3,
          attributes: [intAttribute('axis', 0)],
        })
        .map((part) => b.op('Squeeze', [part, zero]));
    },
    'by Gather': (b, stack) =>
      [0, 1, 2].map((index) => b.op('Gather', [stack, b.constant(`i${index}`, int64Tensor([index], []))])),
    'by Slice and Squeeze': (b, stack) => {
      const at = [0, 1, 2, 3].map((index) => b.constant(`s${index}`, int64Tensor([index])));
      return [0, 1, 2].map((index) =>
        b.op('Squeeze', [b.op('Slice', [stack, at[index]!, at[index + 1]!, at[0]!]), at[0]!]),
      );
    },
  };
  for (const [name, unpack] of Object.entries(packings)) {
    it(`fuses attention of one projection for all three, taken apart ${name}`, async () => {
      const b = new ModelBuilder(17);
      b.editor.setOpsetImport('com.microsoft', 1);
      const x = b.input('x', ['B', 'S', 3 * width]);
      const shape = b.constant('shape', int64Tensor([0, 0, 3, heads, size]));
      const [q, k, v] = unpack(b, transpose(b, b.op('Reshape', [x, shape]), [2, 0, 3, 1, 4]));
      b.output(joined(b, cores['queries scaled']!({ b, q: q!, k: k!, v: v! })), 'y');
      const model = b.build();
      const result = await fused(model);
      expect(operatorsOf(result.model)).toEqual(['Split', 'MultiHeadAttention', 'Reshape', 'Reshape']);
      const x0 = randomTensor([2, 5, 3 * width], 1);
      expect(await largestDifference(model, result.model, { x: x0 })).toBeLessThan(tolerance);
    });
  }

  it('takes keys and values from a cache with four axes', async () => {
    const b = new ModelBuilder(17);
    b.editor.setOpsetImport('com.microsoft', 1);
    const cached = (name: string) => {
      const past = b.input(`past_${name}`, ['B', heads, 'P', size]);
      const present = b.op('Concat', [past, split(b, b.input(name, ['B', 'S', width]), name)], {
        attributes: [intAttribute('axis', -2)],
        outputs: [`present_${name}`],
      });
      b.output(present);
      return present;
    };
    const q = split(b, b.input('q', ['B', 'S', width]), 'q');
    const [k, v] = [cached('k'), cached('v')];
    b.output(joined(b, cores['scores divided by √d']!({ b, q, k, v })), 'y');
    const model = b.build();
    const result = await fused(model);
    expect(operatorsOf(result.model).filter((each) => each === 'MatMul' || each === 'Softmax')).toEqual([]);
    const past = { past_k: randomTensor([2, heads, 3, size], 5), past_v: randomTensor([2, heads, 3, size], 6) };
    const all = { ...feeds({ batch: 2, queries: 5, keys: 5 }), ...past };
    expect(await largestDifference(model, result.model, all)).toBeLessThan(tolerance);
  });

  it('leaves scores that are an output, keys of another batch, and targets without the operator', async () => {
    const shown = separate(({ b, q, k, v }) => {
      const weights = b.op('Softmax', [dot({ b, q, k, v })], { ...lastAxis, outputs: ['weights'] });
      b.output(weights);
      return b.op('MatMul', [weights, v]);
    });
    expect(reasonsOf((await applyPass(shown, pass)).report)).toEqual(['"weights" is read elsewhere']);
    const b = new ModelBuilder(17);
    const q = split(b, b.input('q', ['B', 'S', width]), 'q');
    const k = split(b, b.input('k', [1, 'T', width]), 'k');
    b.output(joined(b, cores['not scaled at all']!({ b, q, k, v: k })), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['the batch of queries and keys is not known to be one']);
    const portable = await applyPass(separate(cores['not scaled at all']!), pass, {
      target: findTarget('portable'),
    });
    expect(reasonsOf(portable.report)).toEqual(['portable does not know com.microsoft.MultiHeadAttention']);
  });

  const guarded =
    (lowest: number): Core =>
    (p) => {
      const { b } = p;
      const hidden = b.op('Where', [
        b.input('seen', ['B', 1, 'S', 'T'], 'bool'),
        number(b, 'shown', 0),
        number(b, 'low', lowest),
      ]);
      const weights = b.op('Softmax', [b.op('Add', [b.op('Mul', [dot(p), number(b, 'c', 0.5)]), hidden])], lastAxis);
      return b.op('MatMul', [b.op('Where', [b.op('IsNaN', [weights]), number(b, 'zero', 0), weights]), p.v]);
    };

  it('takes up a guard against weights that are no numbers where the mask cannot make any', async () => {
    const model = separate(guarded(-3.4028234663852886e38));
    const result = await fused(model);
    expect(operatorsOf(result.model)).toEqual(['Where', 'MultiHeadAttention', 'Reshape', 'Reshape']);
    for (const seen of [0, 1]) {
      const mask = tensorFromData(
        'bool',
        [2, 1, 5, 7],
        Uint8Array.from({ length: 70 }, (_, at) => (at % 3 === 0 ? 1 : seen)),
      );
      expect(await largestDifference(model, result.model, { ...feeds(), seen: mask })).toBeLessThan(tolerance);
    }
    const strict = await applyPass(model, pass, { fpContract: 'strict' });
    expect(operatorsOf(strict.model)).toContain('Softmax');
  });

  it('leaves that guard where a mask of infinities may hide a whole row', async () => {
    const { model, report } = await applyPass(separate(guarded(Number.NEGATIVE_INFINITY)), pass);
    expect(operatorsOf(model)).toContain('IsNaN');
    expect(reasonsOf(report)).toEqual(['the mask may hide a whole row by infinity, which is guarded against']);
  });

  it('leaves a mask whose extent is not known, and one that is wider than the scores', async () => {
    for (const dims of [
      ['B', 1, 'S', 'U'],
      ['B', 1, 'U', 'T'],
      ['B', 3, 'S', 'T'],
      ['U', 'B', 1, 'S', 'T'],
    ]) {
      const result = await applyPass(separate(masked((b) => b.input('mask', dims))), pass);
      expect(operatorsOf(result.model)).not.toContain('MultiHeadAttention');
    }
  });
});
