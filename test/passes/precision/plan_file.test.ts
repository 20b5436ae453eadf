import { describe, expect, it } from 'vitest';
import { floatTensor } from '../../../src/ir/tensor.js';
import { describePlan } from '../../../src/passes/precision/describe_plan.js';
import { formatPlan, parsePlan } from '../../../src/passes/precision/plan_file.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { addIf } from '../simplify/build_subgraphs.js';
import { planOf } from './plan_of.js';

function network(factor = 3): ModelBuilder {
  const b = new ModelBuilder();
  const x = b.input('x', [2, 8]);
  const first = b.op('MatMul', [x, b.constant('w', randomTensor([8, 8]))], { outputs: ['first'], name: 'one' });
  const norm = b.op('LayerNormalization', [first, b.constant('s', randomTensor([8]))], { outputs: ['norm'] });
  const scaled = b.op('Mul', [norm, b.constant('factor', floatTensor([factor], []))], { outputs: ['scaled'] });
  const [chosen] = addIf(
    b,
    b.input('c', [], 'bool'),
    (branch) => branch.output(branch.op('Relu', [scaled]), 'then'),
    (branch) => branch.output(branch.op('Exp', [scaled]), 'else'),
  );
  b.output(chosen!, 'y');
  return b;
}

describe('plan files', () => {
  it('bring back the plan they were made from', () => {
    const { editor } = network();
    const { plan, model, inference } = planOf(editor.model, { keepIoTypes: [] });
    const text = formatPlan(plan, model);
    const again = parsePlan(text, model, inference);
    expect([...again.nodes]).toEqual([...plan.nodes]);
    expect([...again.inputs]).toEqual([...plan.inputs]);
    expect([...again.outputs]).toEqual([...plan.outputs]);
    expect(formatPlan(again, model)).toBe(text);
    const replayed = planOf(model, { keepIoTypes: [], forced: again.nodes }).plan;
    expect([...replayed.nodes]).toEqual([...plan.nodes]);
  });

  it('hold one line a node', () => {
    const { plan, model } = planOf(network().editor.model);
    const lines = formatPlan(plan, model).split('\n');
    expect(lines).toContain(
      '    {"graph":[],"node":"one","output":"first","opType":"MatMul","type":"half","reason":"its products are what half is for"},',
    );
    expect(lines.some((line) => line.startsWith('    {"graph":["chosen","then_branch"],'))).toBe(true);
  });

  it.each<[string, (text: string) => string, string]>([
    ['another name', (text) => text.replace('"output":"first"', '"output":"second"'), 'the model has no node "one"'],
    [
      'another operator',
      (text) => text.replace('"opType":"MatMul"', '"opType":"Gemm"'),
      '"one" is MatMul, and the plan',
    ],
    ['a node left out', (text) => text.replace(/.*"first".*\n/, ''), 'it leaves out test > MatMul "one"'],
    ['another input', (text) => text.replace('"inputs": []', '"inputs": ["q"]'), 'the model has no input "q"'],
    ['an input of no float', (text) => text.replace('"inputs": []', '"inputs": ["c"]'), '"c" cannot change its type'],
    [
      'half where there is none',
      (text) => text.replace(/("opType":"If","type":)"float"/, '$1"half"'),
      '"if" (If) has no float16 form',
    ],
  ])('are refused for %s', (_, change, message) => {
    const { plan, model, inference } = planOf(network().editor.model);
    const text = change(formatPlan(plan, model));
    expect(() => parsePlan(text, model, inference)).toThrow(`cast/plan-does-not-fit: ${message}`);
  });

  it('are refused where the weights have grown out of range since', () => {
    const { plan, model } = planOf(network().editor.model);
    const text = formatPlan(plan, model).replace(/("opType":"Mul","type":)"float"/, '$1"half"');
    const other = planOf(network(1e6).editor.model);
    expect(() => parsePlan(text, other.model, other.inference)).toThrow('"scaled": a constant holds 1.000e+6');
  });

  it.each<[string, string]>([
    ['it is not JSON', '{'],
    ['Unrecognized key', JSON.stringify({ format: 'onnxopt-precision-plan', version: 1, half: 'float16', more: 1 })],
    ['Invalid option', JSON.stringify({ format: 'onnxopt-precision-plan', version: 1, half: 'float8' })],
  ])('are refused as no plans: %s', (message, text) => {
    const { model, inference } = planOf(network().editor.model);
    expect(() => parsePlan(text, model, inference)).toThrow(/cast\/bad-plan-file/);
    expect(() => parsePlan(text, model, inference)).toThrow(message);
  });
});

describe('describePlan', () => {
  it('lists islands with their reason and casts', () => {
    const { plan, model, inference, casts } = planOf(network().editor.model);
    const text = describePlan(plan, model, inference);
    expect(casts).toBe(2);
    expect(text).toBe(
      [
        '1 of 6 nodes in float16, 2 casts',
        'islands  nodes  casts  operators                           reason',
        '      1      4      1  LayerNormalization, Mul, Relu, Exp  it is a normalization',
        '      1      1      0  If                                  it has no float16 form',
        '                    1                                      inputs and outputs that keep their type',
        '',
      ].join('\n'),
    );
  });
});
