import { describe } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute, tensorAttribute } from '../../../src/ir/attribute.js';
import { symbol } from '../../../src/ir/dim.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { tensorType } from '../../../src/ir/value_type.js';
import type { ModelBuilder } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

const bool = (value: boolean): Tensor => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));
const constant = (b: ModelBuilder, tensor: Tensor): Value => b.constant(b.editor.freshName('k'), tensor);

const trap = (name: string, build: (b: ModelBuilder) => void, more: Partial<Trap> = {}): Trap => ({
  name,
  build,
  ...more,
});

const same: readonly Trap[] = [
  trap('nodes that differ in which optional input is left out', (b) => {
    const x = b.input('x', [9]);
    const k = constant(b, floatTensor([0.25], []));
    b.output(b.op('Clip', [x, k, null]), 'low');
    b.output(b.op('Clip', [x, null, k]), 'high');
    b.output(b.op('Clip', [x, k]), 'same');
  }),
  trap('nodes that differ in an attribute spelled out as its default', (b) => {
    const x = b.input('x', [2, 3]);
    b.output(b.op('Softmax', [x]), 'a');
    b.output(b.op('Softmax', [x], { attributes: [intAttribute('axis', -1)] }), 'b');
    b.output(b.op('Softmax', [x], { attributes: [intAttribute('axis', 0)] }), 'c');
    b.output(b.op('LeakyRelu', [x], { attributes: [floatAttribute('alpha', 0.01)] }), 'd');
    b.output(b.op('LeakyRelu', [x], { attributes: [floatAttribute('alpha', 0.010001)] }), 'e');
  }),
  trap('nodes that differ in the order of their inputs', (b) => {
    const [x, z] = [b.input('x', [2, 30]), b.input('z', [2, 30])];
    b.output(b.op('Sub', [b.op('Sub', [x, z]), b.op('Sub', [z, x])]), 'y');
    b.output(b.op('Add', [b.op('Add', [x, z]), b.op('Add', [z, x])]), 'w');
  }),
  trap(
    'nodes that differ in which outputs they give',
    (b) => {
      const x = b.input('x', [1, 2, 6]);
      const attributes = [intsAttribute('kernel_shape', [2])];
      const [values] = b.ops('MaxPool', [x], { attributes });
      const [, indices] = b.ops('MaxPool', [x], { attributes, outputs: 2 });
      b.output(values!, 'values');
      b.output(indices!, 'indices', 'int64');
    },
    { flavours: ['plain', 'finite'] },
  ),
  trap(
    'equal constants of other types and shapes',
    (b) => {
      const x = b.input('x', [1]);
      const zero = constant(b, tensorFromData('int32', [1], Int32Array.of(0)));
      const other = constant(b, floatTensor([0], [1]));
      b.output(b.op('Add', [x, other]), 'y');
      b.output(b.op('Cast', [zero], { attributes: [intAttribute('to', 1)] }), 'z');
      b.output(b.op('Reshape', [x, constant(b, int64Tensor([1]))]), 'a');
      b.output(b.op('Reshape', [x, constant(b, int64Tensor([1, 1]))]), 'c');
    },
    { allowance: { relative: 0, zeroSign: 'free' } },
  ),
  trap('constants 0 and −0 are not the same', (b) => {
    const x = b.input('x', [3]);
    b.output(b.op('Div', [x, constant(b, floatTensor([0], []))]), 'y');
    b.output(b.op('Div', [x, constant(b, floatTensor([-0], []))]), 'z');
  }),
  trap('equal nodes whose results are two outputs', (b) => {
    const x = b.input('x', [3]);
    b.output(b.op('Exp', [x]), 'y');
    b.output(b.op('Exp', [x]), 'z');
    b.output(b.op('Neg', [b.op('Exp', [x])]), 'w');
  }),
  trap('Dropout whose mask is used', (b) => {
    const [y, mask] = b.ops('Dropout', [b.input('x', [2, 3])], { outputs: 2 });
    b.output(y!, 'y');
    b.output(b.op('Not', [mask!]), 'dropped', 'bool');
  }),
  trap('Dropout in training with a ratio of 0', (b) => {
    const x = b.input('x', [2, 3]);
    const [zero, training] = [constant(b, floatTensor([0], [])), constant(b, bool(true))];
    b.output(b.op('Neg', [b.op('Dropout', [x, zero, training])]), 'y');
  }),
  trap(
    'Dropout whose training is an input',
    (b) => {
      const [y] = b.ops('Dropout', [b.input('x', [2, 3]), constant(b, floatTensor([0], [])), b.input('t', [], 'bool')]);
      b.output(b.op('Neg', [y!]), 'y');
    },
    { feeds: [{ t: bool(false) }, { t: bool(true) }] },
  ),
];

const names: readonly Trap[] = [
  trap('an output that is an input', (b) => {
    const x = b.input('x', [2]);
    b.output(b.op('Identity', [x]), 'y');
    b.output(b.op('Identity', [x]), 'z');
  }),
  trap('an output that is a constant', (b) => {
    b.output(b.op('Neg', [b.input('x', [2])]), 'y');
    b.output(b.op('Neg', [constant(b, floatTensor([1, 2]))]), 'k');
    b.output(b.op('Identity', [constant(b, floatTensor([1, 2]))]), 'l');
  }),
  trap('outputs that share a value by way of nothing', (b) => {
    const y = b.op('Exp', [b.input('x', [2])]);
    b.output(b.op('Identity', [y]), 'a');
    b.output(y, 'c');
    b.output(b.op('Identity', [b.op('Identity', [y])]), 'd');
  }),
  trap('an output that is read inside the graph and goes by nothing to another', (b) => {
    const y = b.op('Identity', [b.op('Exp', [b.input('x', [2])])]);
    b.output(y, 'y');
    b.output(b.op('Neg', [y]), 'z');
  }),
  trap('an initializer that is a graph input is no constant', (b) => {
    const w = b.input('w', [2]);
    b.editor.setInitializer(w, floatTensor([0, 0]));
    b.output(b.op('Add', [b.input('x', [2]), b.op('Exp', [w])]), 'y');
  }),
  trap(
    'a shape that a caller may override is no constant',
    (b) => {
      const shape = b.input('shape', [2], 'int64');
      b.editor.setInitializer(shape, int64Tensor([3, 2]));
      b.output(b.op('Reshape', [b.op('Reshape', [b.input('x', [6]), constant(b, int64Tensor([2, 3]))]), shape]), 'y');
    },
    {
      feeds: [
        [3, 2],
        [2, 3],
        [6, 1],
      ].map((shape) => ({ shape: int64Tensor(shape) })),
    },
  ),
  trap(
    'a declared size of an output that is known better stays as declared',
    (b) => {
      const y = b.op('Reshape', [b.input('x', ['n', 4]), constant(b, int64Tensor([-1, 2, 2]))]);
      b.editor.addOutput(b.graph, y, 'y', tensorType('float', [symbol('rows'), undefined, symbol('two')]));
    },
    { bindings: [{ n: 1 }, { n: 3 }] },
  ),
  trap(
    'a constant of no elements',
    (b) => {
      const x = b.input('x', ['n', 0]);
      b.output(b.op('Add', [x, constant(b, floatTensor([], [0]))]), 'y');
      b.output(b.op('MatMul', [x, constant(b, floatTensor([], [0, 3]))]), 'z');
      b.output(b.op('ReduceSum', [x, constant(b, int64Tensor([1]))]), 's');
    },
    { bindings: [{ n: 2 }, { n: 0 }] },
  ),
  trap(
    'a constant that grows a small model is weighed',
    (b) => {
      const shape = constant(b, int64Tensor([1200, 1200]));
      const ones = b.op('ConstantOfShape', [shape], { attributes: [tensorAttribute('value', floatTensor([1], [1]))] });
      b.output(b.op('MatMul', [b.input('x', [1, 1200]), ones]), 'y');
    },
    { allowance: { relative: 1e-5 }, flavours: ['plain'] },
  ),
];

describe('nodes that look the same, names and constants', () => {
  testTraps([...same, ...names]);
});
