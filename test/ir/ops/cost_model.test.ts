import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { summarizeCost } from '../../../src/evaluate/cost_summary.js';
import { intAttribute, intsAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { formatDim } from '../../../src/ir/dim.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Graph, Model, Value } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { costMetrics } from '../../../src/ir/ops/cost/cost.js';
import { bindModelCost, type ModelCost, modelCost } from '../../../src/ir/ops/cost/model_cost.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { tensorType } from '../../../src/ir/value_type.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { costText } from './cost_of.js';

const costOfModel = (model: Model): ModelCost => modelCost(model, new Inference(model));
const totalOf = (model: Model): string[] => costText(costOfModel(model).total);

const digits = decodeModel(fs.readFileSync(path.resolve(import.meta.dirname, '../../../fixtures/digits/digits.onnx')));

describe('the cost of the digit classifier', () => {
  it('is what its convolutions multiply, counted by hand', () => {
    const { nodes, total } = costOfModel(digits);
    const residual = nodes.find(({ node }) => node.name === '/residual/first/conv/Conv')!;
    // 64 features of 28·28 places, each of 64 channels · 3·3; no bias. Float images [64, 28, 28] in and out.
    const image = 64 * 28 * 28 * 4;
    expect(costText(residual.cost)).toEqual([
      `${64 * 28 * 28 * 64 * 9}*N`,
      '0',
      `${image}*N + ${64 * 64 * 9 * 4}`,
      `${image}*N`,
    ]);
    const macs =
      32 * 784 * 9 +
      64 * 784 * 32 * 9 +
      2 * 64 * 784 * 64 * 9 +
      64 * 196 * 64 * 9 +
      64 * 196 * 64 +
      128 * 196 * 9 +
      128 * 196 * 128 +
      128 * 196 * 128 * 9 +
      128 * 10;
    expect(formatDim(total.macs!)).toBe(`${macs}*N`);
    expect(macs).toBe(112_847_104);
  });

  it('is a number once the batch is one', () => {
    const bound = bindModelCost(costOfModel(digits), new Map([['N', 2]]));
    expect(bound.total.macs).toBe(2 * 112_847_104);
    expect(summarizeCost(digits, { dims: { N: 2 } }).macs).toBe(2 * 112_847_104);
    expect(digits.graph.inputs[0]!.type).toMatchObject({ shape: [{ key: 'N' }, 1, 28, 28] });
  });

  it('names the largest nodes, most multiplications first', () => {
    const { largest, unknown } = summarizeCost(digits, { top: 3 });
    expect(largest.map(({ node }) => node)).toEqual([
      '/residual/first/conv/Conv',
      '/residual/second/conv/Conv',
      '/mix/conv/Conv',
    ]);
    expect(unknown).toEqual({ macs: [], elementOps: [], bytesRead: [], bytesWritten: [] });
  });

  it('refuses a size of a dimension that the inputs do not have', () => {
    expect(() => summarizeCost(digits, { dims: { M: 2 } })).toThrow(DiagnosticError);
    expect(() => summarizeCost(digits, { dims: { M: 2 } })).toThrow(/usage\/unknown-dimension.*"M".*N/);
  });
});

/** A branch or body of a node whose own values `fill` builds. */
function subgraph(builder: ModelBuilder, owner: Value, name: string, fill: (body: ModelBuilder) => void): Graph {
  const graph = builder.editor.createSubgraph(owner.producer!, name);
  builder.editor.setAttribute(owner.producer!, { name, kind: 'graph', value: graph });
  fill(new ModelBuilder(17, graph, builder.editor));
  return graph;
}

describe('the cost of subgraphs and functions', () => {
  function branching(condition: 'open' | boolean): Model {
    const builder = new ModelBuilder();
    const x = builder.input('x', [4, 'n']);
    const w = builder.constant('w', randomTensor([3, 4]));
    const taken =
      condition === 'open'
        ? builder.input('c', [], 'bool')
        : builder.constant('c', tensorFromData('bool', [], Uint8Array.of(condition ? 1 : 0)));
    const y = builder.op('If', [taken]);
    // 12·n MACs against 4·n operations
    subgraph(builder, y, 'then_branch', (body) => body.output(body.op('MatMul', [w, x])));
    subgraph(builder, y, 'else_branch', (body) => body.output(body.op('Relu', [x])));
    builder.output(y);
    return builder.editor.model;
  }

  it('is that of the dearer branch, metric by metric', () => {
    expect(totalOf(branching('open'))).toEqual(['12*n', '4*n', '16*n + 48', '16*n']);
  });

  it('is that of the branch that is known to be taken', () => {
    expect(totalOf(branching(true))).toEqual(['12*n', '0', '16*n + 48', '12*n']);
    expect(totalOf(branching(false))).toEqual(['0', '4*n', '16*n', '16*n']);
  });

  function looping(trips: 'open' | number, goesOn: 'as before' | 'computed' = 'as before'): Model {
    const builder = new ModelBuilder();
    const x = builder.input('x', [2, 'n']);
    const count = trips === 'open' ? builder.input('m', [], 'int64') : builder.constant('m', int64Tensor([trips], []));
    const y = builder.op('Loop', [count, null, x]);
    subgraph(builder, y, 'body', (body) => {
      body.input('i', [], 'int64');
      const condition = body.input('on', [], 'bool');
      const state = body.input('state', [2, 'n']);
      const next =
        goesOn === 'as before'
          ? body.op('Identity', [condition])
          : body.op('Less', [
              body.op('ReduceSum', [state], { attributes: [intAttribute('keepdims', 0)] }),
              body.constant('z', floatTensor([0], [])),
            ]);
      body.output(next, 'go', 'bool');
      body.output(body.op('Tanh', [state]), 'after');
    });
    builder.output(y);
    return builder.editor.model;
  }

  it('is the body of a Loop as often as it is known to run', () => {
    expect(totalOf(looping(5))).toEqual(['0', '10*n', '40*n', '40*n']);
    expect(totalOf(looping('open'))).toEqual(['0', '0', '0', '0']);
    expect(costText(costOfModel(looping('open')).nodes[0]!.cost)).toEqual(['0', '?', '?', '?']);
    expect(costOfModel(looping(5, 'computed')).unknown.elementOps.map(({ opType }) => opType)).toEqual(['Loop']);
  });

  it('is the body of a Scan for each element of the sequence', () => {
    const builder = new ModelBuilder();
    const state = builder.input('state', [3]);
    const sequence = builder.input('sequence', ['t', 3]);
    const [end] = builder.ops('Scan', [state, sequence], {
      outputs: 2,
      attributes: [intAttribute('num_scan_inputs', 1)],
    });
    subgraph(builder, end!, 'body', (body) => {
      const before = body.input('before', [3]);
      const element = body.input('element', [3]);
      const after = body.op('Add', [before, element]);
      body.output(after, 'after');
      body.output(body.op('Exp', [after]), 'seen');
    });
    builder.output(end!);
    expect(totalOf(builder.editor.model)).toEqual(['0', '6*t', '36*t', '24*t']);
  });

  it('is the body of a function, as each call sees it', () => {
    const builder = new ModelBuilder();
    const { editor } = builder;
    editor.setOpsetImport('my.ops', 1);
    const fn = editor.addFunction({
      name: 'Twice',
      domain: 'my.ops',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    editor.setOpsetImport('', 17, fn);
    const body = new ModelBuilder(17, fn.graph, editor);
    const inside = editor.addInput(fn.graph, 'a', undefined);
    body.output(body.op('MatMul', [inside, body.op('Tanh', [inside])]));
    builder.output(builder.op('Twice', [builder.input('x', [3, 3])], { domain: 'my.ops' }));
    builder.output(builder.op('Twice', [builder.input('y', ['n', 5, 5])], { domain: 'my.ops' }));
    const [first, second] = costOfModel(editor.model).nodes;
    expect(costText(first!.cost)).toEqual(['27', '9', '108', '72']);
    expect(costText(second!.cost)).toEqual(['125*n', '25*n', '300*n', '200*n']);
  });
});

/** A small network in which every kind of size occurs: convolved, pooled, flattened, sliced, multiplied. */
function network(batch: number | string, height: number | string, width: number | string): Model {
  const builder = new ModelBuilder();
  const x = builder.input('x', [batch, 3, height, width]);
  const ints = (name: string, ...values: number[]) => intsAttribute(name, values);
  let y = builder.op('Conv', [x, builder.constant('w', randomTensor([8, 3, 3, 3]))], {
    attributes: [ints('strides', 2, 2), ints('pads', 1, 1, 1, 1)],
  });
  y = builder.op('Sigmoid', [y]);
  y = builder.op('MaxPool', [y], { attributes: [ints('kernel_shape', 3, 3), ints('strides', 2, 2)] });
  y = builder.op('ConvTranspose', [y, builder.constant('v', randomTensor([8, 4, 2, 2]))], {
    attributes: [ints('strides', 2, 2)],
  });
  y = builder.op('Slice', [
    y,
    builder.constant('s', int64Tensor([1])),
    builder.constant('e', int64Tensor([9])),
    builder.constant('a', int64Tensor([3])),
  ]);
  const rows = builder.op('Flatten', [y], { attributes: [intAttribute('axis', 2)] });
  const turned = builder.op('Transpose', [rows], { attributes: [ints('perm', 1, 0)] });
  y = builder.op('Softmax', [builder.op('MatMul', [rows, turned])]);
  y = builder.op('ReduceMean', [y], { attributes: [ints('axes', 1)] });
  y = builder.op('Einsum', [y, y], { attributes: [stringAttribute('equation', 'ij,kj->ik')] });
  builder.output(y);
  return builder.editor.model;
}

describe('costs in symbols', () => {
  it('are those of the model with numbers, once the symbols are bound', () => {
    const symbolic = costOfModel(network('b', 'h', 'w'));
    for (const metric of costMetrics) expect(symbolic.unknown[metric]).toEqual([]);
    const size = fc.integer({ min: 9, max: 70 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), size, size, (batch, height, width) => {
        const sizes = new Map([
          ['b', batch],
          ['h', height],
          ['w', width],
        ]);
        const expected = costOfModel(network(batch, height, width));
        const bound = bindModelCost(symbolic, sizes);
        expect(bound.nodes.map(({ cost }) => costText(cost))).toEqual(expected.nodes.map(({ cost }) => costText(cost)));
        expect(costText(bound.total)).toEqual(costText(expected.total));
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});

/** Operators of several families on one input, with every result as an output. */
function everyResult(): Model {
  const builder = new ModelBuilder();
  const x = builder.input('x', [2, 3, 21, 17]);
  const axis = (value: number) => ({ attributes: [intAttribute('axis', value)] });
  const scale = builder.constant('scale', floatTensor([0.1], []));
  const zero = builder.constant('zero', tensorFromData('uint8', [], Uint8Array.of(3)));
  const quantized = builder.op('QuantizeLinear', [x, scale, zero]);
  builder.op('DequantizeLinear', [quantized, scale, zero]);
  builder.op('MatMulInteger', [
    quantized,
    builder.op('Transpose', [quantized], { attributes: [intsAttribute('perm', [0, 1, 3, 2])] }),
  ]);
  builder.op('Cast', [x], { attributes: [intAttribute('to', 10)] });
  builder.op('Greater', [x, scale]);
  builder.ops('TopK', [x, builder.constant('k', int64Tensor([4]))], { outputs: 2 });
  builder.ops('Split', [x, builder.constant('parts', int64Tensor([1, 2]))], { outputs: 2, ...axis(1) });
  builder.op('Gather', [x, builder.constant('rows', int64Tensor([3, 1, 1]))], axis(2));
  builder.op('ArgMax', [x], axis(1));
  builder.op('Concat', [x, x, x], axis(3));
  builder.op('Shape', [x]);
  builder.op('GlobalAveragePool', [x]);
  builder.op('Resize', [x, null, builder.constant('factors', floatTensor([1, 1, 2, 0.5]))]);
  builder.ops(
    'LSTM',
    [
      builder.op('Reshape', [x, builder.constant('shape', int64Tensor([2, 3, -1]))]),
      builder.constant('lw', randomTensor([1, 16, 357])),
      builder.constant('lr', randomTensor([1, 16, 4])),
    ],
    {
      outputs: 3,
      attributes: [intAttribute('hidden_size', 4)],
    },
  );
  for (const node of builder.graph.nodes) {
    for (const output of node.outputs) {
      builder.editor.addOutput(builder.graph, output!, output!.name, tensorType(undefined));
    }
  }
  return builder.editor.model;
}

describe('bytes written', () => {
  it('are those of the tensors that ONNX Runtime gives', async () => {
    const model = everyResult();
    const inference = new Inference(model);
    for (const slot of model.graph.outputs) new Editor(model).setOutputType(slot, inference.typeOf(slot.value));
    const session = await ortRunner()(model, { optimize: false });
    let compared = 0;
    try {
      const results = await session.run(new Map([['x', randomTensor([2, 3, 21, 17])]]));
      for (const { node, cost } of modelCost(model, inference).nodes) {
        const bytes = node.outputs.map((output) => results.get(output!.name)!.byteLength).reduce((a, b) => a + b);
        expect(cost.bytesWritten, node.opType).toBe(node.opType === 'Reshape' ? 0 : bytes);
        compared += 1;
      }
    } finally {
      await session.close();
    }
    expect(compared).toBe(16);
  });
});
