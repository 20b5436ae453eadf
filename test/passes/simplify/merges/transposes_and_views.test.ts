import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { tensorFromData } from '../../../../src/ir/tensor.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { mergeChains } from '../../../../src/passes/simplify/merge_chains.js';
import { transposesToReshapes } from '../../../../src/passes/simplify/merges/transposes_to_reshapes.js';
import { ModelBuilder, randomTensor, reasonsOf } from '../../../build_model.js';
import { expectExact, withFunction, withIf } from '../rewriting.js';

import { ints, perm, runCases, sizes } from './cases.js';

describe('merge-transposes', () => {
  runCases({
    'multiplies permutations': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Transpose', [b.op('Transpose', [x], perm(1, 2, 0))], perm(0, 2, 1)),
      left: ['Transpose'],
      feeds: sizes,
    },
    'cancels a permutation and its inverse, and two reversals': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => {
        const once = b.op('Transpose', [b.op('Transpose', [b.op('Neg', [x])], perm(1, 2, 0))], perm(2, 0, 1));
        return b.op('Neg', [b.op('Transpose', [b.op('Transpose', [once])])]);
      },
      left: ['Neg', 'Neg'],
      feeds: sizes,
    },
  });

  it('keeps a first Transpose that is a graph output or read by others, and the names of outputs', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['a', 'b']);
    const once = b.op('Transpose', [x], perm(1, 0));
    b.output(once, 'once');
    b.output(b.op('Transpose', [b.op('Neg', [once])]), 'negated');
    b.output(b.op('Neg', [b.op('Transpose', [once], perm(1, 0))]), 'twice');
    await expectExact(b.build(), mergeChains, ['Transpose', 'Neg', 'Transpose', 'Neg'], [{ x: randomTensor([2, 3]) }]);
  });

  it('works inside branches and functions, and does not guess what a caller gives', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['a', 'b', 'c']);
    const chosen = withIf(b, 17, (branch) =>
      branch.output(
        branch.op('Neg', [branch.op('Transpose', [branch.op('Transpose', [x], perm(1, 2, 0))], perm(2, 0, 1))]),
      ),
    );
    b.output(chosen, 'y');
    const condition = tensorFromData('bool', [], Uint8Array.from([1]));
    await expectExact(b.build(), mergeChains, ['If', 'Neg', 'Neg'], [{ x: randomTensor([2, 3, 4]), c: condition }]);
    const f = new ModelBuilder();
    const y = f.input('x', ['a', 'b', 'c']);
    const reference: Attribute[] = [{ name: 'perm', kind: 'reference', value: 'p' }];
    const called = withFunction(
      f,
      17,
      y,
      (body, z) => {
        const twice = body.op('Transpose', [body.op('Transpose', [z], perm(1, 2, 0))], perm(1, 0, 2));
        return body.op('Transpose', [body.op('Relu', [body.op('Transpose', [twice], { attributes: reference })])]);
      },
      [intsAttribute('p', [0, 2, 1])],
    );
    f.output(called, 'y');
    await expectExact(
      f.build(),
      mergeChains,
      ['twice', 'Transpose', 'Transpose', 'Relu', 'Transpose'],
      [{ x: randomTensor([2, 3, 4]) }],
    );
  });
});

describe('merge-views', () => {
  runCases({
    'reads a Reshape from what was reshaped before': {
      dims: ['n', 12],
      build: (b, x) => b.op('Reshape', [b.op('Reshape', [x, ints(b, [0, 3, 4])]), ints(b, [-1, 6])]),
      left: ['Reshape'],
      feeds: [
        [2, 12],
        [1, 12],
        [0, 12],
      ],
      operands: [[-1n, 6n]],
    },
    'copies a size of the middle as the number it is': {
      dims: ['n', 12],
      build: (b, x) => b.op('Reshape', [b.op('Reshape', [x, ints(b, [4, -1, 3])]), ints(b, [0, -1])]),
      left: ['Reshape'],
      feeds: [
        [2, 12],
        [1, 12],
        [0, 12],
      ],
      operands: [[4n, -1n]],
    },
    'writes −1 for a 0 that copies what the input does not have there': {
      dims: ['n', 'm'],
      build: (b, x) => b.op('Reshape', [b.op('Reshape', [x, ints(b, [-1, 2, 1])]), ints(b, [0, 2, 1, 1])]),
      left: ['Reshape'],
      feeds: [
        [2, 3],
        [1, 2],
        [0, 3],
      ],
      operands: [[-1n, 2n, 1n, 1n]],
    },
    'leaves two sizes that no constant gives': {
      dims: ['n', 'm'],
      build: (b, x) => b.op('Squeeze', [b.op('Reshape', [b.op('Transpose', [x]), ints(b, [0, 1, 0])]), ints(b, [1])]),
      left: ['Transpose', 'Reshape', 'Squeeze'],
      feeds: [],
    },
    'puts axes of two Unsqueezes in at once': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Unsqueeze', [b.op('Unsqueeze', [x, ints(b, [-1, 0])]), ints(b, [1, 5])]),
      left: ['Unsqueeze'],
      feeds: sizes,
      operands: [[0n, 1n, 5n, 6n]],
    },
    'takes axes of two Squeezes out at once, opset 11': {
      dims: [1, 'b', 1, 'c', 1],
      opset: 11,
      build: (b, x) =>
        b.op('Squeeze', [b.op('Squeeze', [x], { attributes: [intsAttribute('axes', [2])] })], {
          attributes: [intsAttribute('axes', [-1, 0])],
        }),
      left: ['Squeeze'],
      feeds: [
        [1, 2, 1, 3, 1],
        [1, 0, 1, 1, 1],
      ],
    },
    'undoes part of an Unsqueeze': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Squeeze', [b.op('Unsqueeze', [x, ints(b, [0, 2])]), ints(b, [0])]),
      left: ['Unsqueeze'],
      feeds: sizes,
      operands: [[1n]],
    },
    'undoes a Squeeze': {
      dims: ['a', 1, 'c'],
      build: (b, x) =>
        b.op('Neg', [b.op('Unsqueeze', [b.op('Squeeze', [b.op('Neg', [x]), ints(b, [1])]), ints(b, [1])])]),
      left: ['Neg', 'Neg'],
      feeds: [
        [2, 1, 3],
        [0, 1, 1],
      ],
    },
    'moves an axis of size 1 by one Reshape': {
      dims: [2, 1, 'c'],
      build: (b, x) => b.op('Unsqueeze', [b.op('Squeeze', [x, ints(b, [1])]), ints(b, [0])]),
      left: ['Reshape'],
      feeds: [
        [2, 1, 3],
        [2, 1, 1],
        [2, 1, 0],
      ],
      operands: [[1n, 2n, 0n]],
    },
    'flattens what was unflattened': {
      dims: ['n', 6],
      build: (b, x) => b.op('Neg', [b.op('Flatten', [b.op('Reshape', [b.op('Neg', [x]), ints(b, [0, 2, 3])])])]),
      left: ['Neg', 'Neg'],
      feeds: [
        [2, 6],
        [0, 6],
      ],
    },
    'does not write −1 beside a size that may be 0': {
      dims: ['n', 'a', 'b', 2],
      build: (b, x) => b.op('Unsqueeze', [b.op('Flatten', [x]), ints(b, [1])]),
      left: ['Flatten', 'Unsqueeze'],
      feeds: [[0, 1, 2, 2]],
      reason: 'no constant shape says the same',
    },
  });
});

describe('merge-transposed-views', () => {
  runCases({
    'leaves joined axes where the sizes are not known to be equal': {
      dims: ['n', 3, 's', 4],
      build: (b, x) => {
        const joined = b.op('Reshape', [x, ints(b, [-1, 5, 4])]);
        return b.op('Reshape', [b.op('Transpose', [joined], perm(0, 2, 1)), ints(b, [-1, 3, 4, 5])]);
      },
      left: ['Reshape', 'Transpose', 'Reshape'],
      feeds: [[2, 3, 5, 4]],
      reason: 'axes are not joined and taken apart as they were',
    },
    'moves joined axes together where the joined size is what the others leave': {
      dims: ['n', 3, 's', 4],
      build: (b, x) => {
        const one = { attributes: [intAttribute('axis', 0)] };
        const size = (start: number, end: number) =>
          b.op('Shape', [x], { attributes: [intAttribute('start', start), intAttribute('end', end)] });
        const joined = b.op('Reshape', [x, b.op('Concat', [ints(b, [-1]), size(2, 3), ints(b, [4])], one)]);
        const turned = b.op('Transpose', [joined], perm(0, 2, 1));
        return b.op('Reshape', [turned, b.op('Concat', [size(0, 2), ints(b, [4]), size(2, 3)], one)]);
      },
      left: ['Shape', 'Concat', 'Shape', 'Shape', 'Concat', 'Transpose'],
      feeds: [
        [2, 3, 5, 4],
        [1, 3, 1, 4],
      ],
    },
    'moves joined axes together': {
      dims: ['n', 3, 5, 4],
      build: (b, x) => {
        const joined = b.op('Reshape', [x, ints(b, [-1, 5, 4])]);
        return b.op('Reshape', [b.op('Transpose', [joined], perm(0, 2, 1)), ints(b, [-1, 3, 4, 5])]);
      },
      left: ['Transpose'],
      feeds: [
        [2, 3, 5, 4],
        [1, 3, 5, 4],
        [0, 3, 5, 4],
      ],
    },
    'leaves an axis of size 1 that goes elsewhere': {
      dims: ['n', 1, 5],
      build: (b, x) => {
        const joined = b.op('Squeeze', [x, ints(b, [1])]);
        return b.op('Unsqueeze', [b.op('Transpose', [joined]), ints(b, [2])]);
      },
      left: ['Squeeze', 'Transpose', 'Unsqueeze'],
      feeds: [[2, 1, 5]],
      reason: 'axes are not joined and taken apart as they were',
    },
    'leaves axes that are taken apart in another way': {
      dims: ['n', 4, 5],
      build: (b, x) => {
        const joined = b.op('Reshape', [x, ints(b, [-1, 5])]);
        return b.op('Reshape', [b.op('Transpose', [joined]), ints(b, [5, -1, 2])]);
      },
      left: ['Reshape', 'Transpose', 'Reshape'],
      feeds: [
        [2, 4, 5],
        [0, 4, 5],
      ],
      reason: 'axes are not joined and taken apart as they were',
    },
  });
});

describe('transposes-to-reshapes', () => {
  const pass = rewritePass('transposes-to-reshapes', '', [transposesToReshapes]);

  it('reshapes where only axes of size 1 move', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Transpose', [b.input('x', ['n', 1, 4, 1])], perm(0, 2, 1, 3)), 'y');
    await expectExact(
      b.build(),
      pass,
      ['Reshape'],
      [{ x: randomTensor([2, 1, 4, 1]) }, { x: randomTensor([0, 1, 4, 1]) }],
    );
  });

  it('leaves sizes that may be more than 1', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Transpose', [b.input('x', ['n', 'm', 1])], perm(1, 0, 2)), 'y');
    const { report } = await expectExact(b.build(), pass, ['Transpose'], [{ x: randomTensor([2, 3, 1]) }]);
    expect(reasonsOf(report)).toEqual(['it moves more than axes of size 1']);
  });
});
