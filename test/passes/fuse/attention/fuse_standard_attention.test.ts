import { describe, expect, it } from 'vitest';
import { ortEvaluator } from '../../../../src/backends/ort/run.js';
import { findTarget } from '../../../../src/backends/target.js';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { cloneModel } from '../../../../src/ir/clone.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromBytes } from '../../../../src/ir/tensor.js';
import { standardAttentionRules } from '../../../../src/passes/fuse/rules.js';
import { runPipeline } from '../../../../src/passes/pipeline.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { eliminateDeadNodes } from '../../../../src/passes/simplify/eliminate_dead_nodes.js';
import { eliminateIdentities } from '../../../../src/passes/simplify/eliminate_identities.js';
import { largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', standardAttentionRules);

/** Softmax of sums of 4 products, averaged over up to 9 numbers up to 1: a few roundings. */
const tolerance = 2e-6;

const [batch, heads, queries, keys, size] = [2, 4, 5, 6, 4];
const lowest = -3.4028234663852886e38;

type Dims = readonly (number | string)[];

type Options = {
  readonly opset?: number;
  /** What is added to the scaled scores. */
  readonly mask?: (b: ModelBuilder) => Value;
  readonly softcap?: boolean;
  /** Scores that are an output too. */
  readonly shows?: 'scaled' | 'capped' | 'masked' | 'weights';
  /** What queries, keys and values of four axes are made of. */
  readonly q?: (b: ModelBuilder) => Value;
  readonly k?: (b: ModelBuilder) => Value;
  readonly v?: (b: ModelBuilder) => Value;
  readonly join?: boolean;
};

const input = (name: string, dims: Dims) => (b: ModelBuilder) => b.input(name, dims);

const transpose = (b: ModelBuilder, value: Value, perm: readonly number[]) =>
  b.op('Transpose', [value], { attributes: [intsAttribute('perm', perm)] });

/** √scale on both sides, as the definition spells it. */
function spelled(options: Options = {}): Model {
  const b = new ModelBuilder(options.opset ?? 23);
  const q = (options.q ?? input('q', [batch, heads, queries, size]))(b);
  const k = (options.k ?? input('k', [batch, heads, keys, size]))(b);
  const v = (options.v ?? input('v', [batch, heads, keys, size]))(b);
  const root = b.constant('root', floatTensor([Math.SQRT1_2], []));
  const named = (name: string) => (options.shows === name ? { outputs: ['shown'] } : {});
  const scaledQ = b.op('Mul', [q, root]);
  const scaledK = b.op('Mul', [transpose(b, k, [0, 1, 3, 2]), root]);
  const stages: Record<string, Value> = {};
  let scores = b.op('MatMul', [scaledQ, scaledK], named('scaled'));
  stages['scaled'] = scores;
  if (options.softcap) {
    const cap = b.constant('cap', floatTensor([2], [1]));
    scores = b.op('Mul', [b.op('Tanh', [b.op('Div', [scores, cap])]), cap], named('capped'));
    stages['capped'] = scores;
  }
  if (options.mask) scores = b.op('Add', [scores, options.mask(b)], named('masked'));
  stages['masked'] = scores;
  const weights = b.op('Softmax', [scores], { ...named('weights'), attributes: [intAttribute('axis', -1)] });
  stages['weights'] = weights;
  const result = b.op('MatMul', [weights, v]);
  if (options.join) {
    const shape = b.constant('joined', int64Tensor([0, 0, heads * size]));
    b.output(b.op('Reshape', [transpose(b, result, [0, 2, 1, 3]), shape]), 'y');
  } else b.output(result, 'y');
  if (options.shows) b.output(stages[options.shows]!, 'shown');
  return b.build();
}

async function fuse(model: Model, target = 'ort-cpu') {
  const copy = cloneModel(model);
  const report = await runPipeline(
    copy,
    [
      { repeat: [{ pass, reason: 'test' }], atMost: 4, reason: 'test' },
      { pass: eliminateIdentities, reason: 'test' },
      { pass: eliminateDeadNodes, reason: 'test' },
    ],
    { target: findTarget(target), evaluate: ortEvaluator(), verifyTypes: true },
  );
  return { model: copy, report };
}

/** For every input of a model whose sizes are known. */
const feedsOf = (model: Model): Record<string, Tensor> =>
  Object.fromEntries(
    model.graph.inputs.map(({ name, type }, index) => {
      if (type?.kind !== 'tensor') throw new Error(`input "${name}" has no shape`);
      const dims = (type.shape ?? []).map(Number);
      return [name, type.dtype === 'bool' ? everyThird(dims) : randomTensor(dims, index + 1)];
    }),
  );

/** All but every third element. */
const everyThird = (dims: readonly number[]): Tensor => {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return tensorFromBytes(
    'bool',
    dims,
    Uint8Array.from({ length: count }, (_, at) => (at % 3 === 1 ? 0 : 1)),
  );
};

const filled = (dims: readonly number[], at: (row: number, column: number) => number): Tensor => {
  const columns = dims.at(-1)!;
  const count = dims.reduce((product, dim) => product * dim, 1);
  return floatTensor(
    Float32Array.from({ length: count }, (_, index) => at(Math.floor(index / columns), index % columns)),
    dims,
  );
};

const causal = (offset: number, columns: number) =>
  filled([queries, columns], (row, column) => (column > row + offset ? Number.NEGATIVE_INFINITY : 0));

async function fusesTo(operators: readonly string[], options: Options, feeds: Record<string, Tensor> = {}) {
  const model = spelled(options);
  const result = await fuse(model);
  expect(operatorsOf(result.model)).toEqual(operators);
  expect(await largestDifference(model, result.model, { ...feedsOf(model), ...feeds })).toBeLessThan(tolerance);
  return [...result.model.graph.nodes].at(-1)!;
}

async function declines(options: Options, target?: string): Promise<string[]> {
  const { model, report } = await fuse(spelled(options), target);
  expect(operatorsOf(model)).toContain('Softmax');
  return [...new Set(reasonsOf(report))];
}

describe('fuse-standard-attention', () => {
  it('fuses scaled scores, and scores that are bounded', async () => {
    const plain = await fusesTo(['Attention'], {});
    expect(plain.attributes.get('scale')).toMatchObject({ value: expect.closeTo(0.5, 6) });
    const capped = await fusesTo(['Attention'], { softcap: true });
    expect(capped.attributes.get('softcap')).toMatchObject({ value: 2 });
  });

  it('drops a mask of zeros, and knows one that hides what comes later', async () => {
    await fusesTo(['Attention'], {
      mask: (b) =>
        b.constant(
          'm',
          filled([queries, keys], () => 0),
        ),
    });
    const node = await fusesTo(['Attention'], { mask: (b) => b.constant('m', causal(0, keys)) });
    expect(node.inputs).toHaveLength(3);
    expect(node.attributes.get('is_causal')).toMatchObject({ value: 1n });
  });

  it('keeps a constant mask that leaves every query a key', async () => {
    const mask = filled([1, heads, queries, keys], (row, column) => (column > row % queries ? lowest : 0.5));
    expect((await fusesTo(['Attention'], { mask: (b) => b.constant('m', mask) })).inputs).toHaveLength(4);
  });

  it('leaves a constant mask with a query that sees nothing, and one that is broadcast to all queries', async () => {
    const blind = filled([queries, keys], (row) => (row === 2 ? lowest : 0));
    expect(await declines({ mask: (b) => b.constant('m', blind) })).toEqual(['a query sees no key']);
    const row = filled([1, keys], () => 1);
    expect(await declines({ mask: (b) => b.constant('m', row) })).toEqual([
      'the mask is not known to cover all queries and keys',
    ]);
  });

  it('takes a mask of booleans', async () => {
    const mask = (b: ModelBuilder) => {
      const [zero, infinity] = [0, Number.NEGATIVE_INFINITY].map((each) =>
        b.constant(`n${each}`, floatTensor([each], [])),
      );
      return b.op('Where', [b.input('seen', [queries, keys], 'bool'), zero!, infinity!]);
    };
    expect((await fusesTo(['Attention'], { mask })).inputs[3]?.name).toBe('seen');
  });

  it('keeps a mask of numbers above the lowest, so that a query that sees nothing averages all', async () => {
    for (const dims of [
      [queries, keys],
      [heads, queries, keys],
      [batch, 1, queries, keys],
    ]) {
      const options = { mask: (b: ModelBuilder) => b.input('m', dims) };
      const hidden = filled(dims, (row, column) => (row % queries === 1 || column > row % queries ? lowest : 0));
      for (const m of [randomTensor(dims, 9), hidden]) await fusesTo(['Max', 'Attention'], options, { m });
    }
  });

  it('takes a mask of numbers beside one that hides what comes later', async () => {
    const mask = (b: ModelBuilder) => b.op('Add', [b.input('m', [queries, keys]), b.constant('c', causal(0, keys))]);
    expect((await fusesTo(['Max', 'Attention'], { mask })).attributes.get('is_causal')).toMatchObject({ value: 1n });
  });

  it('leaves a mask that is computed from infinity', async () => {
    const mask = (b: ModelBuilder) => {
      const infinity = b.constant('i', floatTensor([Number.NEGATIVE_INFINITY], []));
      return b.op('Where', [b.input('seen', [queries, keys], 'bool'), b.input('m', [queries, keys]), infinity]);
    };
    expect(await declines({ mask })).toEqual(['a query may see no key']);
  });

  it('knows a mask that chooses between numbers above the lowest', async () => {
    const mask = (b: ModelBuilder) => {
      const [shown, hidden] = [0, -1e9].map((each) => b.constant(`n${each}`, floatTensor([each], [])));
      return b.op('Where', [b.input('seen', [queries, keys], 'bool'), shown!, hidden!]);
    };
    const none = tensorFromBytes('bool', [queries, keys], new Uint8Array(queries * keys));
    await fusesTo(['Where', 'Attention'], { mask }, { seen: none });
  });

  for (const shows of ['scaled', 'capped', 'masked', 'weights'] as const) {
    it(`gives the scores that are read elsewhere: ${shows}`, async () => {
      const mask = (b: ModelBuilder) =>
        b.constant(
          'm',
          filled([queries, keys], (_, column) => column / 4),
        );
      await fusesTo(['Attention'], { shows, softcap: true, mask });
    });
  }

  it('takes heads of keys that several heads of queries share', async () => {
    const shared = (name: string) => (b: ModelBuilder) => {
      const column = b.op('Unsqueeze', [
        b.input(name, [batch, 2, keys, size]),
        b.constant(`${name}_a`, int64Tensor([2])),
      ]);
      const wide = b.constant(`${name}_w`, int64Tensor([batch, 2, 2, keys, size]));
      const shape = b.constant(`${name}_s`, int64Tensor([batch, heads, keys, size]));
      return b.op('Reshape', [b.op('Expand', [column, wide]), shape]);
    };
    await fusesTo(['Attention'], { k: shared('k'), v: shared('v') });
  });

  it('takes keys of before, with and without a mask that counts them', async () => {
    const joined = (name: string) => (b: ModelBuilder) => {
      const now = b.input(name, [batch, heads, queries, size]);
      const present = b.op('Concat', [b.input(`past_${name}`, [batch, heads, 3, size]), now], {
        attributes: [intAttribute('axis', 2)],
        outputs: [`present_${name}`],
      });
      b.output(present);
      return present;
    };
    const past = { k: joined('k'), v: joined('v') };
    expect((await fusesTo(['Attention'], past)).outputs).toHaveLength(3);
    const mask = (offset: number) => (b: ModelBuilder) => b.constant('m', causal(offset, queries + 3));
    const counted = await fusesTo(['Attention'], { ...past, mask: mask(3) });
    expect(counted.inputs[3]).toBeNull();
    expect(counted.attributes.get('is_causal')).toMatchObject({ value: 1n });
    await fusesTo(['Concat', 'Concat', 'Attention'], { ...past, mask: mask(0) });
  });

  it('splits off and joins heads itself', async () => {
    const split = (name: string, length: number) => (b: ModelBuilder) => {
      const shape = b.constant(`${name}_s`, int64Tensor([0, 0, heads, size]));
      return transpose(b, b.op('Reshape', [b.input(name, [batch, length, heads * size]), shape]), [0, 2, 1, 3]);
    };
    const options = { q: split('q', queries), k: split('k', keys), v: split('v', keys), join: true };
    const node = await fusesTo(['Attention'], options);
    expect(node.attributes.get('q_num_heads')).toMatchObject({ value: BigInt(heads) });
    await fusesTo(['Attention'], { ...options, shows: 'weights' });
  });

  it('leaves sizes that may be 0, older opsets, and targets without the operator', async () => {
    const open = { q: input('q', ['B', heads, queries, size]), k: input('k', ['B', heads, keys, size]) };
    const v = input('v', ['B', heads, keys, size]);
    const mask = (b: ModelBuilder) => b.constant('m', causal(0, keys));
    expect(await declines({ ...open, v, mask })).toEqual(['a size is not known to be at least 1']);
    expect(await declines({ ...open, v })).toEqual(['ort-cpu computes MultiHeadAttention faster than Attention']);
    expect(await declines({ opset: 22 })).toEqual(['it needs opset 23']);
    expect(await declines({}, 'tensorrt@10')).toEqual(['Attention needs opset 23, and tensorrt@10 takes 22']);
  });

  it('leaves two scores that are read elsewhere', async () => {
    const b = new ModelBuilder(23);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => b.input(name, [batch, heads, queries, size]));
    const scores = b.op('MatMul', [q!, transpose(b, k!, [0, 1, 3, 2])]);
    const weights = b.op('Softmax', [scores]);
    b.output(b.op('MatMul', [weights, v!]), 'y');
    b.output(scores, 'scores');
    b.output(weights, 'weights');
    const { report } = await fuse(b.build());
    expect(reasonsOf(report).some((reason) => reason.endsWith('is read elsewhere'))).toBe(true);
  });
});
