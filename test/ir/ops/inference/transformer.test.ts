import { describe, expect, it } from 'vitest';
import { transformerModel } from '../../../../bench/transformer_model.js';
import { ortRunner } from '../../../../src/backends/ort/run.js';
import { findTarget } from '../../../../src/backends/target.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Model, Node, Value } from '../../../../src/ir/graph.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { floatTensor, tensorData } from '../../../../src/ir/tensor.js';
import { formatType } from '../../../../src/ir/value_type.js';
import { verifyModel } from '../../../../src/ir/verifier.js';
import type { PassContext } from '../../../../src/passes/pass.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { any, constant, op } from '../../../../src/passes/rewrite/pattern.js';
import { defineRewrite } from '../../../../src/passes/rewrite/rewrite.js';
import { randomTensor } from '../../../build_model.js';

const nodesOf = (model: Model, opType: string): Node[] =>
  [...model.graph.nodes].filter((node) => node.opType === opType);

const producerOf = (value: Value | null | undefined): Node => {
  if (value?.producer == null) throw new Error('nothing produces this value');
  return value.producer;
};

const onlyReader = (node: Node): Node => {
  const [use] = node.outputs[0]!.uses;
  if (use?.kind !== 'node' || node.outputs[0]!.uses.size !== 1) throw new Error('not exactly one reader');
  return use.user;
};

/** The nodes that read what a node computes, directly or through others, and the node itself. */
function dependents(root: Node): Set<Node> {
  const found = new Set([root]);
  for (const node of found) {
    for (const output of node.outputs) {
      for (const use of output?.uses ?? []) if (use.kind === 'node') found.add(use.user);
    }
  }
  return found;
}

describe('a transformer in the spelling of its exporter', () => {
  it('runs in ONNX Runtime, with the types that were inferred', async () => {
    const model = transformerModel({ blocks: 2, sharedWeights: false });
    expect(verifyModel(model)).toEqual([]);
    const inference = new Inference(model);
    inference.inferAll();
    expect(inference.diagnostics).toEqual([]);
    const [softmax] = nodesOf(model, 'Softmax');
    expect(formatType(inference.typeOf(softmax!.outputs[0]!))).toBe('float[batch, 2, sequence, sequence]');
    const unknown = [...model.graph.nodes].filter(({ outputs }) =>
      (inference.shapeOf(outputs[0]!) ?? [undefined]).includes(undefined),
    );
    expect(unknown).toEqual([]);

    const session = await ortRunner()(model);
    try {
      const feeds = { x: randomTensor([3, 5, 8]), mask: floatTensor(new Float32Array(15), [3, 1, 1, 5]) };
      const y = (await session.run(new Map(Object.entries(feeds)))).get('y')!;
      expect(y.dims).toEqual([3, 5, 8]);
      expect(Array.from(tensorData(y), Number).every(Number.isFinite)).toBe(true);
    } finally {
      await session.close();
    }
  });
});

describe('inferring again', () => {
  const blocks = 20;

  it('after a rewrite in the middle visits only the nodes that the rewrite made', async () => {
    const model = transformerModel({ blocks });
    const target = nodesOf(model, 'Erf')[blocks / 2]!;
    const rewrite = defineRewrite<{ erf: Node; x: Value }>({
      name: 'rescale-erf',
      summary: 'Erf(x / c) => Erf(x · c⁻¹)',
      licence: 'reassociates',
      pattern: op('erf', 'Erf', [op('div', 'Div', [any('x'), constant('root')])]),
      check: ({ erf }) => (erf === target ? undefined : 'another block'),
      rewrite: ({ x }, build) => {
        const factor = build.constant(floatTensor([Math.SQRT1_2], []));
        return [build.op('Erf', [build.op('Mul', [x, factor])])];
      },
    });
    const inference = new Inference(model);
    inference.inferAll();
    const before = inference.inferredNodes;
    expect(before).toBe(model.graph.nodes.size);

    const fired: string[] = [];
    const context: PassContext = {
      model,
      editor: new Editor(model),
      inference,
      target: findTarget('ort-cpu'),
      maxGrowthBytes: 0,
      licences: new Set(['reassociates']),
      report: () => undefined,
      decline: () => undefined,
      fired: (rule) => fired.push(rule),
    };
    await rewritePass('rescale-erf', rewrite.summary, [rewrite]).run(model.graph, context);
    expect(fired).toEqual(['rescale-erf']);
    expect(inference.inferredNodes - before).toBe(2);
    inference.inferAll();
    expect(inference.inferredNodes - before).toBe(2);
    expect(formatType(inference.typeOf(model.graph.outputs[0]!.value))).toBe('float[batch, sequence, 8]');
  });

  it('after a type changed in the middle visits only what depends on it', () => {
    const model = transformerModel({ blocks });
    const inference = new Inference(model);
    inference.inferAll();
    const before = inference.inferredNodes;

    const erf = nodesOf(model, 'Erf')[blocks / 2]!;
    const biased = producerOf(producerOf(erf.inputs[0]).inputs[0]);
    const up = producerOf(biased.inputs[1]);
    const down = onlyReader(onlyReader(onlyReader(onlyReader(erf))));
    const editor = new Editor(model);
    editor.setInput(up, 1, editor.addInitializer(model.graph, randomTensor([8, 24]), 'wide_up'));
    editor.setInput(biased, 0, editor.addInitializer(model.graph, randomTensor([24]), 'wide_bias'));
    editor.setInput(down, 1, editor.addInitializer(model.graph, randomTensor([24, 8]), 'wide_down'));

    const expected = dependents(up).size;
    expect(expected).toBeLessThan(model.graph.nodes.size * 0.6);
    expect(inference.invalidate(up)).toBe(expected);
    inference.inferAll();
    expect(inference.inferredNodes - before).toBe(expected);
    expect(formatType(inference.typeOf(erf.outputs[0]!))).toBe('float[batch, sequence, 24]');
    expect(formatType(inference.typeOf(down.outputs[0]!))).toBe('float[batch, sequence, 8]');
    expect(inference.diagnostics).toEqual([]);
  });
});
