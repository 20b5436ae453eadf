import { describe, expect, it } from 'vitest';
import { ortEvaluator } from '../../../src/backends/ort/run.js';
import { findTarget } from '../../../src/backends/target.js';
import { floatAttribute, intAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import { cloneModel } from '../../../src/ir/clone.js';
import type { Model } from '../../../src/ir/graph.js';
import { legalizeForTarget } from '../../../src/passes/legalize/legalize_for_target.js';
import { runPipeline } from '../../../src/passes/pipeline.js';
import { simplifyPipeline } from '../../../src/passes/pipelines.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';

const legalized = (model: Model, name: string) => applyPass(model, legalizeForTarget, { target: findTarget(name) });

/** A transformer block as ONNX Runtime fuses it. */
function block(opset: number): Model {
  const b = new ModelBuilder(opset);
  b.editor.setOpsetImport('com.microsoft', 1);
  const own = { domain: 'com.microsoft' };
  const weight = (name: string, dims: readonly number[], seed: number) => b.constant(name, randomTensor(dims, seed));
  const x = b.input('x', ['B', 'S', 8]);
  const [q, k, v] = ['q', 'k', 'v'].map((name, index) => b.op('MatMul', [x, weight(name, [8, 8], index + 1)]));
  const attended = b.op('MultiHeadAttention', [q!, k!, v!, weight('bias', [24], 4)], {
    ...own,
    attributes: [intAttribute('num_heads', 2)],
  });
  const [normalized, sum] = b.ops(
    'SkipLayerNormalization',
    [attended, x, weight('scale', [8], 5), weight('shift', [8], 6), weight('skip', [8], 7)],
    { ...own, outputs: ['normalized', null, null, 'sum'], attributes: [floatAttribute('epsilon', 1e-5)] },
  );
  const inner = b.op('MatMul', [normalized!, weight('up', [8, 16], 8)]);
  const active = b.op('BiasGelu', [inner, weight('up_bias', [16], 9)], own);
  const outer = b.op('FusedMatMul', [active, weight('down', [8, 16], 10)], {
    ...own,
    attributes: [intAttribute('transB', 1), floatAttribute('alpha', 0.5)],
  });
  const gated = b.op('QuickGelu', [outer], own);
  const result = b.op('SkipSimplifiedLayerNormalization', [gated, sum!, weight('rms', [8], 11)], own);
  b.output(result, 'y');
  return b.build();
}

/** Numbers up to 3 after two normalizations. */
const tolerance = 1e-5;

describe('legalize-for-target', () => {
  for (const target of ['tensorrt@8.6', 'tensorrt@10', 'tensorrt@11', 'portable']) {
    for (const opset of [13, 17, 20, 23]) {
      it(`leaves nothing of com.microsoft in a transformer block of opset ${opset} for ${target}`, async () => {
        const model = block(opset);
        const result = cloneModel(model);
        const { diagnostics } = await runPipeline(result, simplifyPipeline, {
          target: findTarget(target),
          evaluate: ortEvaluator(),
          verifyTypes: true,
        });
        expect(diagnostics).toEqual([]);
        expect([...result.graph.nodes].map(({ domain }) => domain)).not.toContain('com.microsoft');
        expect(result.opsetImports.has('com.microsoft')).toBe(false);
        expect(result.opsetImports.get('')).toBeLessThanOrEqual(findTarget(target).opset.max);
        const difference = await largestDifference(model, result, { x: randomTensor([2, 3, 8], 12) });
        expect(difference).toBeLessThan(tolerance);
      });
    }
  }

  it('leaves a model alone that the target runs', async () => {
    const model = block(17);
    const { model: result, report } = await legalized(model, 'ort-cpu');
    expect(operatorsOf(result)).toEqual(operatorsOf(model));
    expect(report.passes[0]?.changes).toBe(0);
    expect(report.diagnostics).toEqual([]);
  });

  it('converts a newer opset down, and takes apart what does not exist there', async () => {
    const b = new ModelBuilder(24);
    const x = b.input('x', [2, 4, 8]);
    const normalized = b.op('RMSNormalization', [b.op('Swish', [x]), b.constant('s', randomTensor([8], 2))]);
    const active = b.op('Gelu', [normalized], { attributes: [stringAttribute('approximate', 'tanh')] });
    b.output(b.op('LayerNormalization', [active, b.constant('t', randomTensor([8], 3))]), 'y');
    const model = b.build();
    for (const [target, opset] of [
      ['tensorrt@10', 22],
      ['tensorrt@8.6', 17],
    ] as const) {
      const { model: result, report } = await legalized(model, target);
      expect(report.diagnostics).toEqual([]);
      expect(result.opsetImports.get('')).toBe(opset);
      expect(operatorsOf(result).filter((each) => each === 'Swish' || each === 'RMSNormalization')).toEqual([]);
      expect(operatorsOf(result).includes('Gelu')).toBe(opset >= 20);
      expect(await largestDifference(model, result, { x: randomTensor([2, 4, 8], 1) })).toBeLessThan(tolerance);
    }
  });

  it('raises an opset that is older than the oldest the target loads', async () => {
    const b = new ModelBuilder(7);
    b.output(b.op('Relu', [b.input('x', [2])]), 'y');
    const { model } = await legalized(b.build(), 'tensorrt@10');
    expect(model.opsetImports.get('')).toBe(9);
  });

  it('reports a node that keeps the opset, and leaves the model as it is', async () => {
    const b = new ModelBuilder(22);
    const x = b.input('x', [2, 3], 'bfloat16');
    b.output(b.op('Sin', [x], { name: 'wave' }), 'y', 'bfloat16');
    const { model, report } = await legalized(b.build(), 'tensorrt@8.6');
    expect(model.opsetImports.get('')).toBe(22);
    expect(report.diagnostics.map(({ code }) => code)).toEqual(['legalize/opset']);
    expect(report.diagnostics[0]?.where).toContain('wave');
  });

  it('lowers the IR version where the model needs no newer one', async () => {
    const b = new ModelBuilder(17);
    b.editor.setModelProperties({ irVersion: 13 });
    b.output(b.op('Relu', [b.input('x', [2])]), 'y');
    expect((await legalized(b.build(), 'tensorrt@8.6')).model.irVersion).toBe(8);
    expect((await legalized(b.build(), 'ort-cpu')).model.irVersion).toBe(13);
  });

  it('reports an operator of a domain that the target does not know and nobody has spelled', async () => {
    const b = new ModelBuilder(17);
    b.editor.setOpsetImport('com.acme', 1);
    b.output(b.op('Frobnicate', [b.input('x', [2])], { domain: 'com.acme', name: 'odd' }), 'y');
    const { model, report } = await legalized(b.build(), 'tensorrt@10');
    expect(operatorsOf(model)).toEqual(['Frobnicate']);
    const [diagnostic] = report.diagnostics;
    expect(diagnostic).toMatchObject({ code: 'legalize/not-supported', severity: 'warning' });
    expect(diagnostic?.where).toContain('odd');
  });

  it('takes operators apart inside subgraphs', async () => {
    const b = new ModelBuilder(17);
    b.editor.setOpsetImport('com.microsoft', 1);
    const x = b.input('x', [2, 3]);
    const condition = b.input('c', [], 'bool');
    const node = b.editor.insertNode({ graph: b.graph, opType: 'If', inputs: [condition], outputs: [{ name: 'y' }] });
    for (const name of ['then_branch', 'else_branch']) {
      const graph = b.editor.createSubgraph(node, name);
      b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
      const inner = new ModelBuilder(17, graph, b.editor);
      const opType = name === 'then_branch' ? 'Gelu' : 'QuickGelu';
      inner.output(inner.op(opType, [x], { domain: 'com.microsoft' }), `${name}_y`);
    }
    b.output(node.outputs[0]!, 'y');
    const model = b.build();
    const { model: result, report } = await legalized(model, 'tensorrt@10');
    expect(reasonsOf(report)).toEqual([]);
    expect(operatorsOf(result)).toEqual(expect.arrayContaining(['If', 'Erf', 'Sigmoid']));
    expect(operatorsOf(result).filter((each) => each.endsWith('Gelu'))).toEqual([]);
  });
});
