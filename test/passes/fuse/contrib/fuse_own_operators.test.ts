import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import { fuseQuickGelu } from '../../../../src/passes/fuse/activation/fuse_swish.js';
import { fuseBiasGelu } from '../../../../src/passes/fuse/contrib/fuse_bias_gelu.js';
import { fuseMatmulAlpha, fuseMatmulTranspose } from '../../../../src/passes/fuse/contrib/fuse_matmul_transpose.js';
import { fuseSkipNormalization } from '../../../../src/passes/fuse/contrib/fuse_skip_normalization.js';
import { keepResidualApart } from '../../../../src/passes/fuse/contrib/keep_residual_apart.js';
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
  fuseQuickGelu,
  fuseBiasGelu,
  fuseSkipNormalization,
  fuseMatmulTranspose,
  fuseMatmulAlpha,
]);

/** It takes all of these; their kernels on the CPU compute what is compared here. */
const cuda = { target: findTarget('ort-cuda') };

/** Numbers near 1, eight of them summed in another order. */
const tolerance = 5e-6;

const vector = (b: ModelBuilder, name: string, dims: readonly number[] = [8]): Value =>
  b.constant(name, randomTensor(dims, name.length));

const feeds = { x: randomTensor([2, 3, 8], 5), z: randomTensor([2, 3, 8], 6) };

describe('fuse-quick-gelu', () => {
  for (const alpha of [1, 1.702]) {
    it(`fuses x · sigmoid(${alpha} · x) and imports the domain`, async () => {
      const b = new ModelBuilder(17);
      const x = b.input('x', ['N', 3, 8]);
      const scaled = alpha === 1 ? x : b.op('Mul', [x, b.constant('alpha', floatTensor([alpha], []))]);
      b.output(b.op('Mul', [x, b.op('Sigmoid', [scaled])]), 'y');
      const model = b.build();
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['QuickGelu']);
      expect(result.model.opsetImports.get('com.microsoft')).toBe(1);
      expect(await largestDifference(model, result.model, { x: feeds.x })).toBeLessThan(tolerance);
    });
  }

  it('declines for a target that does not know the domain, or gains nothing', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', ['N', 3, 8]);
    b.output(b.op('Mul', [x, b.op('Sigmoid', [x])]), 'y');
    const model = b.build();
    const { report } = await applyPass(model, pass, { target: findTarget('tensorrt@10') });
    expect(reasonsOf(report)).toEqual(['tensorrt@10 does not know com.microsoft.QuickGelu']);
    const idle = { ...findTarget('ort-cpu'), prefers: [] };
    const { report: other } = await applyPass(model, pass, { target: idle });
    expect(reasonsOf(other)).toEqual(['ort-cpu gains nothing by com.microsoft.QuickGelu']);
  });

  it('declines where the model has a function of that name', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', ['N', 3, 8]);
    b.editor.setOpsetImport('com.microsoft', 1);
    const fn = b.editor.addFunction({
      ...{ name: 'QuickGelu', domain: 'com.microsoft', overload: '' },
      ...{ attributeNames: [], attributeDefaults: new Map() },
    });
    b.editor.setOpsetImport('', 17, fn);
    const inner = new ModelBuilder(17, fn.graph, b.editor);
    const parameter = b.editor.addInput(fn.graph, 'a', undefined);
    inner.output(inner.op('Identity', [parameter]), 'c');
    const called = b.op('QuickGelu', [x], { domain: 'com.microsoft' });
    b.output(b.op('Mul', [called, b.op('Sigmoid', [called])]), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['the model has a function of its own named com.microsoft.QuickGelu']);
  });

  it('imports the domain in the function that uses it', async () => {
    const editor = new Editor();
    const b = new ModelBuilder(17, editor.model.graph, editor);
    editor.setModelProperties({ irVersion: 8 });
    editor.setOpsetImport('', 17);
    editor.setOpsetImport('own', 1);
    editor.setGraphName(b.graph, 'test');
    const fn = editor.addFunction({
      ...{ name: 'Gate', domain: 'own', overload: '' },
      ...{ attributeNames: [], attributeDefaults: new Map() },
    });
    editor.setOpsetImport('', 17, fn);
    const inner = new ModelBuilder(17, fn.graph, editor);
    const parameter = editor.addInput(fn.graph, 'a', undefined);
    inner.output(inner.op('Mul', [parameter, inner.op('Sigmoid', [parameter])]), 'c');
    const x = b.input('x', ['N', 3, 8]);
    b.output(b.op('Gate', [x], { domain: 'own' }), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, pass, cuda);
    const [made] = [...result.functions.values()];
    expect([...made!.graph.nodes].map(({ opType }) => opType)).toEqual(['QuickGelu']);
    expect(made!.opsetImports.get('com.microsoft')).toBe(1);
    expect(await largestDifference(model, result, { x: feeds.x })).toBeLessThan(tolerance);
  });
});

describe('fuse-bias-gelu', () => {
  for (const approximate of ['none', 'tanh']) {
    it(`fuses a bias into ${approximate === 'none' ? 'BiasGelu' : 'FastGelu'}`, async () => {
      const b = new ModelBuilder(20);
      const sum = b.op('Add', [vector(b, 'bias'), b.input('x', ['N', 3, 8])]);
      const attributes = [stringAttribute('approximate', approximate)];
      b.output(b.op('Gelu', [sum], { attributes }), 'y');
      const model = b.build();
      const result = await applyPass(model, pass, cuda);
      expect(operatorsOf(result.model)).toEqual([approximate === 'none' ? 'BiasGelu' : 'FastGelu']);
      expect(await largestDifference(model, result.model, { x: feeds.x })).toBeLessThan(tolerance);
    });
  }

  it('leaves a bias of another axis', async () => {
    const b = new ModelBuilder(20);
    const sum = b.op('Add', [b.input('x', ['N', 3, 8]), vector(b, 'bias', [3, 1])]);
    b.output(b.op('Gelu', [sum]), 'y');
    expect(operatorsOf((await applyPass(b.build(), pass, cuda)).model)).toEqual(['Add', 'Gelu']);
  });
});

describe('fuse-skip-normalization', () => {
  function skipped(options: { bias?: boolean; isSumRead?: boolean; dims?: readonly (number | string)[] } = {}) {
    const b = new ModelBuilder(17);
    const x = b.input('x', options.dims ?? ['N', 3, 8]);
    const z = b.input('z', ['N', 3, 8]);
    const left = options.bias ? b.op('Add', [vector(b, 'bias'), x]) : x;
    const sum = b.op('Add', [z, left], { outputs: ['sum'] });
    const attributes = [intAttribute('axis', -1), floatAttribute('epsilon', 1e-4)];
    b.output(b.op('LayerNormalization', [sum, vector(b, 'scale'), vector(b, 'shift')], { attributes }), 'y');
    if (options.isSumRead) b.output(b.op('Neg', [sum]), 'negated');
    return b.build();
  }

  for (const [name, options] of Object.entries({
    'a sum': {},
    'a sum with a bias': { bias: true },
    'a sum that is read elsewhere': { isSumRead: true },
  })) {
    it(`fuses ${name}`, async () => {
      const model = skipped(options);
      const result = await applyPass(model, pass, cuda);
      const rest = 'isSumRead' in options ? ['Neg'] : [];
      expect(operatorsOf(result.model)).toEqual(['SkipLayerNormalization', ...rest]);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    });
  }

  it('fuses a root mean square', async () => {
    const b = new ModelBuilder(23);
    const sum = b.op('Add', [b.input('x', ['N', 3, 8]), b.input('z', ['N', 3, 8])]);
    b.output(b.op('RMSNormalization', [sum, vector(b, 'scale')]), 'y');
    const model = b.build();
    const result = await applyPass(model, pass, cuda);
    expect(operatorsOf(result.model)).toEqual(['SkipSimplifiedLayerNormalization']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('leaves it for a target that does not know it, and operands that broadcast', async () => {
    const { report } = await applyPass(skipped(), pass, { target: findTarget('portable') });
    expect(reasonsOf(report)).toEqual(['portable does not know com.microsoft.SkipLayerNormalization']);
    const broadcast = await applyPass(skipped({ dims: [1, 1, 8] }), pass, cuda);
    expect(reasonsOf(broadcast.report)).toEqual(['its operands are not known to be [batch, length, hidden] both']);
  });
});

describe('keep-residual-apart', () => {
  const apart = rewritePass('apart', 'test', [keepResidualApart]);

  function residual(dims: readonly (number | string)[], softmax = false) {
    const b = new ModelBuilder(17);
    const [x, z] = [b.input('x', dims), b.input('z', dims)];
    const sum = b.op('Add', [x, z]);
    b.output(b.op('LayerNormalization', [sum, vector(b, 'scale')]), 'y');
    b.output(b.op('Neg', [sum]), 'negated');
    if (softmax) b.output(b.op('MatMul', [b.op('Softmax', [x]), vector(b, 'values', [8, 4])]), 'attended');
    return b.build();
  }

  it('spells the sum so that ONNX Runtime does not take it for its slower operator', async () => {
    const model = residual([2, 3, 8]);
    const result = await applyPass(model, apart);
    expect(operatorsOf(result.model)).toEqual(['Sum', 'LayerNormalization', 'Neg']);
    expect(await largestDifference(model, result.model, feeds)).toBe(0);
  });

  it('leaves open shapes, sums that are not normalized, attention, and targets that do not mind', async () => {
    for (const [model, target, reason] of [
      [residual(['N', 3, 8]), 'ort-cpu', 'the target does not look at operands of open or different shapes'],
      [residual([2, 3, 8], true), 'ort-cpu', 'the target may find attention by it'],
      [residual([2, 3, 8]), 'ort-cuda', 'the target gains by finding it'],
    ] as const) {
      const { report } = await applyPass(model, apart, { target: findTarget(target) });
      expect(reasonsOf(report)).toEqual([reason]);
    }
    const b = new ModelBuilder(17);
    b.output(b.op('Add', [b.input('x', [2, 3, 8]), b.input('z', [2, 3, 8])]), 'y');
    expect(operatorsOf((await applyPass(b.build(), apart)).model)).toEqual(['Add']);
  });
});

describe('fuse-matmul-transpose', () => {
  type Product = { perm?: readonly number[]; isLeft?: boolean; scale?: number; isAttention?: boolean };

  function product({ perm, isLeft = false, scale, isAttention = false }: Product) {
    const b = new ModelBuilder(17);
    const [x, z] = [b.input('x', ['N', 4, 8]), b.input('z', ['N', 4, 8])];
    const attributes = perm === undefined ? [] : [intsAttribute('perm', perm)];
    const turned = b.op('Transpose', [isLeft ? x : z], { attributes });
    let result = b.op('MatMul', isLeft ? [turned, z] : [x, turned]);
    if (scale !== undefined) result = b.op('Div', [result, b.constant('scale', floatTensor([scale]))]);
    b.output(isAttention ? b.op('Softmax', [result]) : result, 'y');
    return b.build();
  }

  const matrices = { x: randomTensor([2, 4, 8], 5), z: randomTensor([2, 4, 8], 6) };

  for (const [name, options] of Object.entries<Product>({
    'the right operand': { perm: [0, 2, 1] },
    'the left operand': { perm: [0, 2, 1], isLeft: true },
    'the right operand, and a scale': { perm: [0, 2, 1], scale: 4 },
  })) {
    it(`fuses ${name}`, async () => {
      const model = product(options);
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['FusedMatMul']);
      expect(await largestDifference(model, result.model, matrices)).toBeLessThan(tolerance);
    });
  }

  it('leaves a Transpose that moves the batch', async () => {
    const b = new ModelBuilder(17);
    const turned = b.op('Transpose', [b.input('z', [2, 8, 2])]);
    b.output(b.op('MatMul', [b.input('x', [2, 4, 8]), turned]), 'y');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toEqual(['Transpose', 'MatMul']);
  });

  it('leaves what may be part of an attention that the target fuses itself', async () => {
    const { model, report } = await applyPass(product({ perm: [0, 2, 1], scale: 4, isAttention: true }), pass);
    expect(operatorsOf(model)).toEqual(['Transpose', 'MatMul', 'Div', 'Softmax']);
    expect(reasonsOf(report)).toContain('it may be part of an attention, which the target fuses itself');
  });
});
