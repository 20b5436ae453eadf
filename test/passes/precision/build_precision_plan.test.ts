import { describe, expect, it } from 'vitest';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import type { NodePrecision } from '../../../src/passes/precision/precision_plan.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { planOf, precisionOf } from './plan_of.js';

const product = (b: ModelBuilder, x: Value, name: string): Value =>
  b.op('MatMul', [x, b.constant(`w_${name}`, randomTensor([8, 8]))], { outputs: [name] });

const norm = (b: ModelBuilder, x: Value, name: string): Value =>
  b.op('LayerNormalization', [x, b.constant(`s_${name}`, randomTensor([8]))], { outputs: [name] });

function chain(b: ModelBuilder, x: Value, count: number): Value {
  let value = x;
  for (let index = 0; index < count; index += 1) value = b.op('Relu', [value]);
  return value;
}

describe('buildPrecisionPlan', () => {
  it('lets a few cheap nodes join their float neighbours, and says how many casts that saves', () => {
    for (const [count, type] of [
      [13, 'float'],
      [14, 'half'],
    ] as const) {
      const b = new ModelBuilder();
      const middle = chain(b, norm(b, b.input('x', [2, 8]), 'before'), count);
      b.output(norm(b, middle, 'behind'), 'y');
      const decided = precisionOf(b, middle);
      expect(decided.type).toBe(type);
      if (type === 'float') {
        expect(decided.reason).toBe('it joins its float neighbours, which saves 2 casts');
      }
    }
  });

  it('takes one cast for all who read a value', () => {
    const b = new ModelBuilder();
    const normalized = norm(b, b.input('x', [2, 8]), 'n');
    for (const name of ['q', 'k', 'v']) b.output(product(b, normalized, name), `out_${name}`);
    expect(planOf(b.editor.model, { keepIoTypes: ['x'] }).casts).toBe(1);
  });

  it('moves casts through what only moves data to where fewer are needed', () => {
    const b = new ModelBuilder();
    const parts = b.ops('Split', [norm(b, b.input('x', [2, 16]), 'n')], { outputs: 2 });
    for (const [index, part] of parts.entries()) b.output(product(b, part, `p${index}`), `y${index}`);
    const { plan, casts } = planOf(b.editor.model, { keepIoTypes: ['x'] });
    expect(casts).toBe(1);
    expect(plan.nodes.get(parts[0]!.producer!)?.type).toBe('half');
  });

  it('changes the types of inputs and outputs where that saves casts, and keeps those named', () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2, 8]);
    b.output(product(b, x, 'p'), 'y');
    b.output(norm(b, b.input('z', [2, 8]), 'n'), 'normalized');
    const names = (keepIoTypes: true | readonly string[]) => {
      const { plan, casts } = planOf(b.editor.model, { keepIoTypes });
      return [[...plan.inputs].map(({ name }) => name), [...plan.outputs].map(({ name }) => name), casts];
    };
    expect(names([])).toEqual([['x'], ['y'], 0]);
    expect(names(['y'])).toEqual([['x'], [], 1]);
    expect(names(true)).toEqual([[], [], 2]);
    expect(() => names(['nobody'])).toThrow('cast/override-matches-nothing: the model has no input or output "nobody"');
  });

  it('keeps the type of an input that has a default', () => {
    const b = new ModelBuilder();
    const x = b.input('x', [8, 8]);
    b.editor.setInitializer(x, randomTensor([8, 8]));
    b.output(product(b, x, 'p'), 'y');
    expect(planOf(b.editor.model, { keepIoTypes: [] }).plan.inputs.size).toBe(0);
  });

  it('excludes and includes nodes by name or predicate, firm reasons apart', () => {
    const b = new ModelBuilder();
    const first = product(b, b.input('x', [2, 8]), 'first');
    const large = b.op('Mul', [norm(b, first, 'n'), b.constant('c', floatTensor([1e6], []))], { outputs: ['large'] });
    b.output(large, 'y');
    expect(precisionOf(b, first, { exclude: ['fir*'] }).reason).toBe('it was asked for in float');
    const c = new ModelBuilder();
    const between = norm(c, product(c, c.input('x', [2, 8]), 'p'), 'n');
    c.output(product(c, between, 'q'), 'y');
    expect(precisionOf(c, between, { include: ['n'] })).toEqual({ type: 'half', reason: 'it was asked for in half' });
    expect(precisionOf(b, large, { include: ['large'] }).reason).toContain('a constant holds 1.000e+6');
    expect(() => planOf(b.editor.model, { exclude: ['nothing'] })).toThrow(
      'cast/override-matches-nothing: "nothing" names nothing',
    );
  });

  it('takes over what is decided already, and refuses half where it would be wrong', () => {
    const b = new ModelBuilder();
    const first = product(b, b.input('x', [2, 8]), 'first');
    const large = b.op('Mul', [first, b.constant('c', floatTensor([1e6], []))], { outputs: ['large'] });
    b.output(large, 'y');
    const given: NodePrecision = { type: 'float', reason: 'it was tried' };
    expect(precisionOf(b, first, { forced: new Map([[first.producer!, given]]) })).toEqual(given);
    const half: NodePrecision = { type: 'half', reason: 'no matter what' };
    expect(() => planOf(b.editor.model, { forced: new Map([[large.producer!, half]]) })).toThrow(
      /^cast\/plan-does-not-fit: half is asked for, and a constant holds 1.000e\+6/,
    );
  });

  it('decides the same twice, and takes 20,000 nodes in seconds', () => {
    const b = new ModelBuilder();
    let value = b.input('x', [2, 8]);
    for (let index = 0; index < 20_000; index += 1) {
      value = index % 5 === 0 ? norm(b, value, `n${index}`) : b.op(index % 3 === 0 ? 'Add' : 'Sub', [value, value]);
    }
    b.output(value, 'y');
    const started = performance.now();
    const [one, two] = [planOf(b.editor.model).plan, planOf(b.editor.model).plan];
    // Two runs of about a second.
    expect(performance.now() - started).toBeLessThan(30_000);
    expect([...one.nodes.values()]).toEqual([...two.nodes.values()]);
  });
});
