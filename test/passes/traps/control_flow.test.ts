import { describe } from 'vitest';
import { intAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import type { ModelBuilder } from '../../build_model.js';
import { type Trap, testTraps, withBodies } from './trap.js';

const bool = (value: boolean): Tensor => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));
const constant = (b: ModelBuilder, tensor: Tensor): Value => b.constant(b.editor.freshName('k'), tensor);

const trap = (name: string, build: (b: ModelBuilder) => void, more: Partial<Trap> = {}): Trap => ({
  name,
  build,
  ...more,
});

/** An If of a constant condition, from a branch each. */
const constantIf = (
  b: ModelBuilder,
  value: boolean,
  then: (body: ModelBuilder) => void,
  other: (body: ModelBuilder) => void,
) => withBodies(b, 'If', [constant(b, bool(value))], { then_branch: then, else_branch: other });

const negated = (body: ModelBuilder, x: Value) => body.output(body.op('Neg', [x]));

const branches: readonly Trap[] = [
  trap('a branch that is always taken and gives back an initializer of its own', (b) => {
    const x = b.input('x', [2]);
    const [y] = constantIf(
      b,
      true,
      (body) => body.output(body.op('Identity', [constant(body, floatTensor([1, 2]))])),
      (body) => negated(body, x),
    );
    b.output(b.op('Add', [x, y!]), 'y');
  }),
  trap('a branch that is always taken and gives back an outer value', (b) => {
    const x = b.input('x', [2]);
    const [y] = constantIf(
      b,
      false,
      (body) => negated(body, x),
      (body) => body.output(body.op('Identity', [x])),
    );
    b.output(y!, 'y');
  }),
  trap('a branch that is always taken and gives back an outer constant as a graph output', (b) => {
    const x = b.input('x', [2]);
    const k = constant(b, floatTensor([3, 4]));
    const [y] = constantIf(
      b,
      true,
      (body) => body.output(body.op('Identity', [k])),
      (body) => negated(body, x),
    );
    b.output(y!, 'y');
    b.output(b.op('Mul', [x, k]), 'z');
  }),
  trap('a branch that is always taken and captures what another branch captures', (b) => {
    const x = b.op('Abs', [b.input('x', [2])]);
    const [y] = constantIf(
      b,
      true,
      (body) => body.output(body.op('Exp', [x])),
      (body) => negated(body, x),
    );
    const [z] = withBodies(b, 'If', [b.input('c', [], 'bool')], {
      then_branch: (body) => negated(body, x),
      else_branch: (body) => negated(body, y!),
    });
    b.output(z!, 'z');
  }),
  trap(
    'a condition that folds to a constant',
    (b) => {
      const x = b.input('x', ['n', 3]);
      const rank = b.op('Size', [b.op('Shape', [x])]);
      const condition = b.op('Equal', [rank, constant(b, int64Tensor([2], []))]);
      const [y] = withBodies(b, 'If', [condition], {
        then_branch: (body) => negated(body, x),
        else_branch: (body) => body.output(body.op('Exp', [x])),
      });
      b.output(y!, 'y');
    },
    { bindings: [{ n: 2 }, { n: 0 }] },
  ),
  trap(
    'a condition that depends on an open size',
    (b) => {
      const x = b.input('x', ['n', 3]);
      const rows = b.op('Gather', [b.op('Shape', [x]), constant(b, int64Tensor([0], []))]);
      const [y] = withBodies(b, 'If', [b.op('Greater', [rows, constant(b, int64Tensor([2], []))])], {
        then_branch: (body) => negated(body, x),
        else_branch: (body) => body.output(body.op('Abs', [x])),
      });
      b.output(y!, 'y');
    },
    { bindings: [{ n: 2 }, { n: 3 }, { n: 0 }] },
  ),
  trap('equal nodes of two branches are not one', (b) => {
    const x = b.input('x', [3]);
    const [y] = withBodies(b, 'If', [b.input('c', [], 'bool')], {
      then_branch: (body) => body.output(body.op('Neg', [body.op('Sqrt', [x])])),
      else_branch: (body) => body.output(body.op('Exp', [body.op('Sqrt', [x])])),
    });
    b.output(b.op('Add', [y!, b.op('Sqrt', [x])]), 'y');
  }),
];

/** A Loop that carries one value of `dims`. */
function loop(
  b: ModelBuilder,
  trip: Value | null,
  start: Value,
  step: (body: ModelBuilder, carried: Value, at: Value) => Value,
  more: { going?: (body: ModelBuilder, at: Value) => Value; scan?: boolean } = {},
): Value[] {
  return withBodies(
    b,
    'Loop',
    [trip, constant(b, bool(true)), start],
    {
      body(body) {
        const at = body.input(b.editor.freshName('at'), [], 'int64');
        const going = body.input(b.editor.freshName('going'), [], 'bool');
        const carried = body.input(b.editor.freshName('carried'), [2]);
        const next = step(body, carried, at);
        body.output(more.going?.(body, at) ?? body.op('Identity', [going]), b.editor.freshName('on'), 'bool');
        body.output(next);
        if (more.scan) body.output(body.op('Neg', [next]));
      },
    },
    { outputs: more.scan ? 2 : 1 },
  );
}

const loops: readonly Trap[] = [
  trap('a loop body that captures an outer value', (b) => {
    const k = b.op('Abs', [b.input('k', [2])]);
    const [y] = loop(b, constant(b, int64Tensor([3], [])), b.input('x', [2]), (body, carried) =>
      body.op('Add', [carried, k]),
    );
    b.output(y!, 'y');
  }),
  trap('a loop of no turns gives back what it started with', (b) => {
    const [y, scanned] = loop(
      b,
      constant(b, int64Tensor([0], [])),
      b.input('x', [2]),
      (body, carried) => body.op('Exp', [carried]),
      { scan: true },
    );
    b.output(y!, 'y');
    b.output(scanned!, 's');
  }),
  trap('a loop of one turn', (b) => {
    const [y, scanned] = loop(
      b,
      constant(b, int64Tensor([1], [])),
      b.input('x', [2]),
      (body, carried) => body.op('Exp', [carried]),
      { scan: true },
    );
    b.output(y!, 'y');
    b.output(scanned!, 's');
  }),
  trap('a loop that ends by its condition in front of its count', (b) => {
    const [y, scanned] = loop(
      b,
      constant(b, int64Tensor([5], [])),
      b.input('x', [2]),
      (body, carried) => body.op('Neg', [carried]),
      { scan: true, going: (body, at) => body.op('Less', [at, constant(body, int64Tensor([1], []))]) },
    );
    b.output(y!, 'y');
    b.output(scanned!, 's');
  }),
  trap(
    'a loop whose count is an input',
    (b) => {
      const [y] = loop(b, b.input('trip', [], 'int64'), b.input('x', [2]), (body, carried, at) =>
        body.op('Add', [carried, body.op('Cast', [at], { attributes: [intAttribute('to', 1)] })]),
      );
      b.output(y!, 'y');
    },
    { feeds: [0, 1, 4].map((trip) => ({ trip: int64Tensor([trip], []) })) },
  ),
  trap('what a loop computes from its count alone is not constant', (b) => {
    const [y] = loop(b, constant(b, int64Tensor([3], [])), b.input('x', [2]), (body, carried, at) => {
      const float = body.op('Cast', [at], { attributes: [intAttribute('to', 1)] });
      return body.op('Mul', [carried, body.op('Exp', [float])]);
    });
    b.output(y!, 'y');
  }),
  trap('a loop inside a branch inside a loop', (b) => {
    const x = b.input('x', [2]);
    const c = b.input('c', [], 'bool');
    const trip = constant(b, int64Tensor([2], []));
    const [y] = loop(b, trip, x, (body, carried) => {
      const [chosen] = withBodies(body, 'If', [c], {
        then_branch(branch) {
          const [inner] = loop(branch, trip, carried, (innermost, value) => innermost.op('Add', [value, x]));
          branch.output(inner!);
        },
        else_branch: (branch) => negated(branch, carried),
      });
      return chosen!;
    });
    b.output(y!, 'y');
  }),
  trap('a scan over rows', (b) => {
    const x = b.input('x', [3, 2]);
    const [last, all] = withBodies(
      b,
      'Scan',
      [b.input('start', [2]), x],
      {
        body(body) {
          const sum = body.op('Add', [body.input('sum', [2]), body.input('row', [2])]);
          body.output(sum, 'next');
          body.output(body.op('Identity', [sum]), 'each');
        },
      },
      { outputs: 2, attributes: [intAttribute('num_scan_inputs', 1)] },
    );
    b.output(last!, 'last');
    b.output(all!, 'all');
  }),
];

describe('control flow', () => {
  testTraps([...branches, ...loops]);
});
