import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Model } from '../../../../src/ir/graph.js';
import { floatTensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../../../build_model.js';
import { convertsTo, refusal } from '../convert.js';

/** If(c) { Relu(x) } else { other(x) } */
function branches(opset: number, other: (inner: ModelBuilder) => ReturnType<ModelBuilder['op']>): Model {
  const b = new ModelBuilder(opset);
  const condition = b.input('c', [], 'bool');
  const x = b.input('x', [2, 3]);
  const node = b.editor.draft({ graph: b.graph, opType: 'If', inputs: [condition], outputs: [{ name: 'picked' }] });
  for (const name of ['then_branch', 'else_branch']) {
    const inner = new ModelBuilder(opset, b.editor.createSubgraph(node, name), b.editor);
    inner.output(name === 'then_branch' ? inner.op('Relu', [x]) : other(inner), name);
    b.editor.setAttribute(node, { name, kind: 'graph', value: inner.graph });
  }
  b.editor.attach(node);
  b.output(node.outputs[0]!, 'y');
  return b.build();
}

/** y = the running sums of x along an axis. */
function runningSums(opset: number, axis: number): Model {
  const b = new ModelBuilder(opset);
  const inputs = [b.constant('start', floatTensor([0, 0])), b.input('x', [2, 3])];
  const node = b.editor.draft({ graph: b.graph, opType: 'Scan', inputs, outputs: [{ name: 'sum' }, { name: 'sums' }] });
  const inner = new ModelBuilder(opset, b.editor.createSubgraph(node, 'body'), b.editor);
  const sum = inner.op('Add', [inner.input('before', [2]), inner.input('slice', [2])]);
  inner.output(sum, 'after');
  inner.output(inner.op('Identity', [sum]), 'given');
  b.editor.setAttribute(node, { name: 'body', kind: 'graph', value: inner.graph });
  b.editor.setAttribute(node, intAttribute('num_scan_inputs', 1));
  b.editor.setAttribute(node, intsAttribute('scan_input_axes', [axis]));
  b.editor.attach(node);
  b.output(node.outputs[1]!, 'y');
  return b.build();
}

describe('If', () => {
  const feeds = { x: randomTensor([2, 3]), c: tensorFromData('bool', [], Uint8Array.of(0)) };

  it('gives one shape from both branches before opset 11', async () => {
    const sameShape = branches(16, (inner) => inner.op('Neg', [inner.graph.owner!.graph.inputs[1]!]));
    await convertsTo(9, sameShape, feeds);
    await convertsTo(21, sameShape, feeds);
    const others = branches(11, (inner) =>
      inner.op('Constant', [], {
        attributes: [{ name: 'value', kind: 'tensor', value: floatTensor([1]) }],
      }),
    );
    expect(await refusal(10, others)).toBe('its branches are not known to give the same shapes');
  });
});

describe('Scan', () => {
  const feeds = { x: randomTensor([2, 3]) };

  it('counts its axes from the front before opset 11, and has batches before opset 9', async () => {
    for (const to of [9, 21]) await convertsTo(to, runningSums(11, 1), feeds);
    expect(await refusal(9, runningSums(11, -1))).toBe('an axis counts from the back');
    expect(await refusal(8, runningSums(9, 1))).toMatch(/opset 9 has no batches/);
  });
});

describe('recurrent operators', () => {
  it('have their batches second before opset 14', async () => {
    const lstm = (layout: number) => {
      const b = new ModelBuilder(14);
      const weights = [randomTensor([1, 8, 3], 2), randomTensor([1, 8, 2], 3)].map((w, i) => b.constant(`w${i}`, w));
      const attributes = [intAttribute('hidden_size', 2), intAttribute('layout', layout)];
      b.output(b.op('LSTM', [b.input('x', [4, 1, 3]), ...weights], { attributes }), 'y');
      return b.build();
    };
    const converted = await convertsTo(7, lstm(0), { x: randomTensor([4, 1, 3]) });
    expect([...converted.graph.nodes][0]?.attributes.has('layout')).toBe(false);
    expect(await refusal(13, lstm(1))).toBe('attribute "layout" does not exist there');
  });
});
