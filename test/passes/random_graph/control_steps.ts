import type { Value } from '../../../src/ir/graph.js';
import { int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { tensorType } from '../../../src/ir/value_type.js';
import { ModelBuilder } from '../../build_model.js';
import { type Item, isFixed, isFloat, type Random, type Scope, type Step } from './scope.js';

const deepest = 2;

/** What stands inside a body: a few operators that keep the shape of `x`, and what they capture. */
function shapeKept(scope: Scope, x: Item): Value {
  const { random } = scope;
  let { value } = x;
  for (let step = 0; step <= random.below(3); step += 1) {
    const other = scope.pick((item) => isFloat(item) && item.bound <= 64 && item.dims.length === 0);
    const kinds = [
      () => scope.op('Neg', [value]),
      () => scope.op('Tanh', [value]),
      () => scope.op('Identity', [value]),
      () => scope.op('Mul', [value, scope.number(0.5)]),
      () => scope.op('Add', [value, other ?? scope.number(0)]),
      () => scope.op('Mul', [value, scope.op('Exp', [scope.number(-1)])]),
      () => scope.op('Reshape', [value, scope.op('Shape', [x])]),
    ];
    value = random.from(kinds)();
  }
  return scope.op('Tanh', [value]);
}

function branch(scope: Scope): void {
  const x = scope.pick(isFloat);
  if (x === undefined || scope.depth >= deepest) return;
  const { random, b } = scope;
  const given = scope.pick(({ dtype, dims }) => dtype === 'bool' && dims.length === 0);
  const condition = given?.value ?? scope.constant(tensorFromData('bool', [], Uint8Array.of(random.below(2))));
  const [value] = bodies(scope, 'If', [condition], {
    then_branch: (body) => body.b.output(random.chance(0.2) ? body.op('Identity', [x]) : deeper(body, x)),
    else_branch: (body) => body.b.output(random.chance(0.2) ? body.op('Identity', [x]) : shapeKept(body, x)),
  });
  const bound = Math.max(1, x.bound);
  scope.keep(value!, { dtype: 'float', dims: x.dims, bound, moved: false });
  if (random.chance(0.2)) b.op('Neg', [value!]);
}

/** Sometimes with control flow of its own. */
function deeper(scope: Scope, x: Item): Value {
  const inner = { ...x, value: shapeKept(scope, x), bound: 1, moved: false };
  if (scope.depth >= deepest || scope.random.chance(0.7)) return inner.value;
  scope.items.push(inner);
  scope.random.from([branch, loop])(scope);
  const made = scope.items.at(-1)!;
  return made === inner || made.dims !== x.dims ? inner.value : made.value;
}

function loop(scope: Scope): void {
  const x = scope.pick((item) => isFloat(item) && item.dims.every(isFixed));
  if (x === undefined || scope.depth >= deepest) return;
  const { random, b } = scope;
  const name = (base: string) => b.editor.freshName(base);
  const count = scope.constant(int64Tensor([random.below(4)], []));
  const going = scope.constant(tensorFromData('bool', [], Uint8Array.of(1)));
  const scans = random.chance(0.4);
  const type = tensorType(
    'float',
    x.dims.map((size) => size[0]!),
  );
  const outputs = bodies(
    scope,
    'Loop',
    [count, random.chance(0.5) ? going : null, x.value],
    {
      body(body) {
        const { editor, graph } = body.b;
        const at = editor.addInput(graph, name('at'), tensorType('int64', []));
        const on = editor.addInput(graph, name('on'), tensorType('bool', []));
        const carried = editor.addInput(graph, name('carried'), type);
        const float = body.op('Cast', [at], [{ name: 'to', kind: 'int', value: 1n }]);
        const item = { ...x, value: carried, bound: Math.max(1, x.bound), moved: false };
        const next = random.chance(0.5) ? body.op('Tanh', [body.op('Add', [carried, float])]) : deeper(body, item);
        body.b.output(body.op('Identity', [on]), name('go'), 'bool');
        editor.addOutput(graph, next, name('next'), type);
        if (scans) editor.addOutput(graph, body.op('Neg', [next]), name('each'), type);
      },
    },
    scans ? 2 : 1,
  );
  const bound = Math.max(1, x.bound);
  scope.keep(outputs[0]!, { dtype: 'float', dims: x.dims, bound, moved: false });
}

function bodies(
  scope: Scope,
  opType: string,
  inputs: readonly (Value | null)[],
  fills: Readonly<Record<string, (body: Scope) => void>>,
  outputs = 1,
): Value[] {
  const { b } = scope;
  const node = b.editor.draft({ graph: b.graph, opType, inputs, outputs });
  for (const [attribute, fill] of Object.entries(fills)) {
    const graph = b.editor.createSubgraph(node, attribute);
    fill(scope.inner(new ModelBuilder(17, graph, b.editor)));
    b.editor.setAttribute(node, { name: attribute, kind: 'graph', value: graph });
  }
  b.editor.attach(node);
  return node.outputs.flatMap((value) => (value === null ? [] : [value]));
}

export const controlSteps: readonly Step[] = [
  { weight: 1, apply: branch },
  { weight: 0.7, apply: loop },
];

export function pickStep(steps: readonly Step[], random: Random): Step {
  let at = random.next() * steps.reduce((sum, { weight }) => sum + weight, 0);
  for (const step of steps) {
    at -= step.weight;
    if (at < 0) return step;
  }
  return steps[0]!;
}
