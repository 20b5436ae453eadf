import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decoderModel } from '../bench/decoder_model.js';
import { castModel } from '../src/cast_model.js';
import { compareModels } from '../src/compare_models.js';
import { graphsOf } from '../src/ir/attribute.js';
import type { Model, Value } from '../src/ir/graph.js';
import { encodeModel } from '../src/ir/onnx/encode.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { Inference } from '../src/ir/ops/inference/inference.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';
import { optimize } from '../src/optimize.js';
import { ModelBuilder, operatorsOf, randomTensor } from './build_model.js';

const digits = path.resolve(import.meta.dirname, '../fixtures/digits/digits.onnx');
const calibration = path.resolve(import.meta.dirname, '../fixtures/digits/calibration.mjs');

let folder: string;
const at = (name: string) => path.join(folder, name);
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-cast-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const decoder = (): Model => decoderModel({ layers: 2, hidden: 64, heads: 4, inner: 128, vocabulary: 200, length: 16 });

const bytesOf = (model: Model): Buffer => Buffer.from(encodeModel(model));

const typesOf = ({ graph }: Model): (string | undefined)[] =>
  [...graph.inputs, ...graph.outputs].map(({ type }) => (type?.kind === 'tensor' ? type.dtype : undefined));

const sqnrOf = (check: Awaited<ReturnType<typeof castModel>>['check']): number =>
  check.status === 'passed' ? Math.min(...check.comparison.outputs.map(({ error }) => error.sqnr)) : Number.NaN;

describe('castModel', () => {
  it('halves a classifier, keeps its answers, and says which inputs and outputs changed', async () => {
    const { cast, check, bytes, files, diagnostics } = await castModel({
      model: digits,
      to: 'fp16',
      output: at('d.onnx'),
    });
    expect(cast).toMatchObject({ half: 'float16', inputs: ['image'], outputs: ['logits'], casts: 2, naiveCasts: 2 });
    expect(cast.nodes.half).toBeGreaterThan(10);
    expect(cast.islands).toHaveLength(1);
    expect(cast.islands[0]).toMatchObject({ operators: ['GlobalAveragePool'], casts: 2 });
    // Some fifteen layers of 11 bits each.
    expect(sqnrOf(check)).toBeGreaterThan(50);
    expect(check.status === 'passed' && check.comparison.retyped).toHaveLength(2);
    expect(bytes!.after / bytes!.before).toBeLessThan(0.53);
    expect(diagnostics.map(({ code }) => code)).toContain('cast/computed-in-float32');
    const again = await compareModels(digits, files!.model, { limit: 4 });
    expect(again).toMatchObject({ status: 'passed', comparison: { signature: [] } });
  });

  it('changes nothing the second time', async () => {
    for (const model of [loadModel(digits), decoder()]) {
      for (const keepIoTypes of [undefined, true] as const) {
        const options = { to: 'fp16', ...(keepIoTypes && { keepIoTypes }) } as const;
        const once = await castModel({ model, ...options, check: false });
        const twice = await castModel({ model: once.model, ...options });
        expect(bytesOf(twice.model).equals(bytesOf(once.model))).toBe(true);
        // It is compared with a model that takes float16.
        expect(twice.check.status).toBe('passed');
      }
    }
  });

  it('makes the same bytes of a plan that was saved, from its file and from what it holds', async () => {
    const first = await castModel({ model: decoder(), to: 'fp16', savePlan: at('plan.json'), exclude: ['MatMul_0_3'] });
    const plan: object = JSON.parse(fs.readFileSync(at('plan.json'), 'utf8'));
    for (const given of [at('plan.json'), plan]) {
      const replayed = await castModel({ model: decoder(), to: 'fp16', plan: given });
      expect(bytesOf(replayed.model).equals(bytesOf(first.model))).toBe(true);
      expect(replayed.cast).toMatchObject({ casts: first.cast.casts, nodes: first.cast.nodes });
    }
  });

  it('saves no plan where the result is refused', async () => {
    const check = { tolerance: { minSqnr: 200 } };
    const request = castModel({ model: digits, to: 'fp16', savePlan: at('refused.json'), check });
    await expect(request).rejects.toThrow('check/failed');
    expect(fs.existsSync(at('refused.json'))).toBe(false);
  });

  it('refuses a plan that is none, is for another model or type, or stands beside what it decides', async () => {
    fs.writeFileSync(at('bad.json'), '{"format": "else"}');
    const cast = (options: object) => castModel({ model: digits, to: 'fp16', check: false, ...options });
    await expect(cast({ plan: at('bad.json') })).rejects.toThrow('cast/bad-plan-file');
    await expect(cast({ plan: at('none.json') })).rejects.toThrow('cast/bad-plan-file');
    const { cast: report } = await castModel({ model: decoder(), to: 'fp16', check: false });
    await expect(cast({ plan: JSON.parse(report.plan) })).rejects.toThrow('cast/plan-does-not-fit');
    const own = JSON.parse((await cast({})).cast.plan);
    await expect(cast({ plan: own, to: 'bf16', target: 'portable' })).rejects.toThrow('cast/plan-does-not-fit');
    await expect(cast({ plan: own, keepIoTypes: true })).rejects.toThrow('usage/conflicting-options');
  });

  it('keeps the types of inputs and outputs, of all or by name', async () => {
    const cast = async (keepIoTypes: true | string[]) =>
      typesOf((await castModel({ model: digits, to: 'fp16', keepIoTypes })).model);
    expect(await cast(true)).toEqual(['float', 'float']);
    expect(await cast(['image'])).toEqual(['float', 'float16']);
    expect(await cast(['logits'])).toEqual(['float16', 'float']);
    await expect(cast(['picture'])).rejects.toThrow('cast/override-matches-nothing');
  });

  it('takes names of nodes either way, and refuses those that match nothing', async () => {
    const without = await castModel({ model: digits, to: 'fp16', exclude: ['*Conv*'] });
    expect(without.cast.reasons.find(({ reason }) => reason === 'it was asked for in float')?.nodes).toBeGreaterThan(5);
    const pooled = (model: Model) => [...model.graph.nodes].find(({ opType }) => opType === 'GlobalAveragePool')!;
    const { model } = await castModel({
      model: digits,
      to: 'fp16',
      include: [({ opType }) => opType === 'GlobalAveragePool'],
    });
    expect(new Inference(model).dtypeOf(pooled(model).outputs[0]!)).toBe('float16');
    for (const names of [{ include: ['nothing'] }, { exclude: ['nothing'] }]) {
      await expect(castModel({ model: digits, to: 'fp16', ...names })).rejects.toThrow('cast/override-matches-nothing');
    }
  });

  it('computes normalizations in half where that is asked for', async () => {
    const normal = async (norms: 'fp32' | 'fp16') => {
      const { model } = await castModel({ model: decoder(), to: 'fp16', norms });
      const inference = new Inference(model);
      const nodes = [...model.graph.nodes].filter(({ opType }) => opType === 'LayerNormalization');
      return new Set(nodes.map((node) => inference.dtypeOf(node.outputs[0]!)));
    };
    expect(await normal('fp32')).toEqual(new Set(['float']));
    expect(await normal('fp16')).toEqual(new Set(['float16']));
    const other = castModel({ model: decoder(), to: 'fp16', norms: 'bf16' });
    await expect(other).rejects.toThrow('usage/conflicting-options');
  });

  it('knows from samples what stays in range, and what does not', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', [4, 64]);
    b.output(b.op('Relu', [b.op('MatMul', [x, b.constant('w', floatTensor(Array(64 * 64).fill(30), [64, 64]))])]), 'y');
    b.output(b.op('Exp', [x]), 'z');
    const model = b.build();
    const feeds = (size: number) => [{ x: floatTensor(Array(4 * 64).fill(size), [4, 64]) }];
    const cast = (size: number, headroom = 4) =>
      castModel({ model, to: 'fp16', headroom, calibration: { data: feeds(size) }, check: { data: feeds(size) } });
    // 64 · 30 · 1 = 1,920, and e.
    const small = await cast(1);
    expect(small.cast.nodes.float).toBe(0);
    expect(small.cast.samples).toBe(1);
    // 19,200 and e^10 are past 65,504 / 4.
    expect((await cast(10)).cast.reasons.map(({ reason }) => reason).join()).toContain('beyond float16 with headroom');
    const { model: wide } = await cast(1, 40);
    expect(
      new Inference(wide).dtypeOf([...wide.graph.nodes].find(({ opType }) => opType === 'MatMul')!.outputs[0]!),
    ).toBe('float');
    await expect(cast(1, 0.5)).rejects.toThrow('usage/headroom');
  });

  it('casts what stands in the graphs of If and Loop, whose boundary stays float32', async () => {
    const model = branchingModel();
    const feeds = [true, false].map(
      (flag): Record<string, Tensor> => ({
        x: randomTensor([8, 64], flag ? 1 : 2),
        flag: tensorFromData('bool', [], Uint8Array.of(flag ? 1 : 0)),
        count: int64Tensor([3], []),
      }),
    );
    const { model: result, check } = await castModel({ model, to: 'fp16', check: { data: feeds } });
    expect(check.status).toBe('passed');
    expect(operatorsOf(result)).toEqual(expect.arrayContaining(['If', 'Loop']));
    const inference = new Inference(result);
    const bodies = [...result.graph.nodes].filter(({ opType }) => opType === 'If' || opType === 'Loop');
    for (const node of bodies) expect(inference.dtypeOf(node.outputs[0]!)).toBe('float');
    const inner = bodies.flatMap((node) => [...node.attributes.values()].flatMap((attribute) => graphsOf(attribute)));
    const innerHalf = inner
      .flatMap((graph) => [...graph.values.values()])
      .filter((v) => inference.dtypeOf(v) === 'float16');
    // Of each graph, the product at least.
    expect(innerHalf.length).toBeGreaterThanOrEqual(3);
  });

  it('writes bfloat16 for targets that have it, checked with every rounding spelled out', async () => {
    const { check, cast, model, diagnostics } = await castModel({ model: digits, to: 'bf16', target: 'tensorrt@11' });
    expect(cast.half).toBe('bfloat16');
    // 8 bits a number: 18 dB less than float16.
    expect(sqnrOf(check)).toBeGreaterThan(30);
    expect(sqnrOf(check)).toBeLessThan(60);
    expect(diagnostics.map(({ code }) => code)).toContain('check/spelled-out');
    // Conv takes bfloat16 from opset 22 on.
    expect(model.opsetImports.get('')).toBe(22);
    await expect(castModel({ model: digits, to: 'bf16' })).rejects.toThrow('usage/precision-not-offered');
  });
});

describe('castModel with a largest error', () => {
  it('leaves no more nodes in float than it has to, and reaches it', async () => {
    const plain = await castModel({ model: decoder(), to: 'fp16' });
    const bar = sqnrOf(plain.check) + 4;
    const { cast, check } = await castModel({ model: decoder(), to: 'fp16', maxError: 10 ** (-bar / 20) });
    expect(sqnrOf(check)).toBeGreaterThanOrEqual(bar);
    const { steps, nodes } = cast.search!;
    expect(steps[0]).toMatchObject({ floats: 0, reached: false });
    expect(nodes.length).toBeGreaterThan(0);
    expect(cast.nodes.half).toBeGreaterThan(0);
    expect(cast.nodes.half).toBeLessThan(plain.cast.nodes.half);
    // With one node less in float it is not reached: each was tried.
    const fewer = steps.filter(({ floats, reached }) => floats === nodes.length - 1 && !reached);
    expect(fewer.length).toBeGreaterThanOrEqual(nodes.length);
  });

  it('measures one model where the plan is good enough', async () => {
    const { cast } = await castModel({ model: digits, to: 'fp16', maxError: 0.01 });
    expect(cast.search).toMatchObject({ nodes: [], steps: [{ floats: 0, reached: true }] });
  });

  it('measures no more models than it may, and keeps the best that was measured', async () => {
    const { cast, check } = await castModel({ model: decoder(), to: 'fp16', maxError: 4e-4, maxEvaluations: 4 });
    expect(cast.search!.steps).toHaveLength(4);
    expect(sqnrOf(check)).toBeGreaterThan(67.9);
  });

  it('says what cannot be reached', async () => {
    // Rewrites alone change last bits.
    const check = { tolerance: { absolute: 0 } };
    const request = castModel({ model: decoder(), to: 'fp16', maxError: 0.01, check });
    await expect(request).rejects.toThrow('cast/accuracy-not-reached');
    await expect(castModel({ model: digits, to: 'fp16', maxError: 2 })).rejects.toThrow('usage/max-error');
  });
});

describe('optimize with int8+fp16', () => {
  const data = { data: calibration, limit: 4 };

  it('puts pairs and their layers into one 16-bit type, with no cast between', async () => {
    const precision = 'int8+fp16';
    const { model, cast, quantization, check } = await optimize({
      model: digits,
      precision,
      target: 'tensorrt@11',
      calibration: data,
    });
    expect(check.status).toBe('passed');
    expect(quantization!.eightBit).toBeGreaterThan(5);
    const inference = new Inference(model);
    for (const node of model.graph.nodes) {
      if (node.opType === 'QuantizeLinear') expect(inference.dtypeOf(node.inputs[0]!)).toBe('float16');
      if (node.opType === 'Conv') expect(node.inputs[0]!.producer?.opType).not.toBe('Cast');
    }
    expect(cast!.casts).toBeLessThanOrEqual(2);
    expect(model.opsetImports.get('')).toBeGreaterThanOrEqual(19);
  });

  it('is refused where 8-bit layers want float32 around them', async () => {
    for (const target of ['ort-cpu', 'tensorrt@8.6']) {
      const request = optimize({ model: digits, precision: 'int8+fp16', target, calibration: data });
      await expect(request).rejects.toThrow('usage/precision-not-offered');
    }
  });

  it('leaves pairs and the layers between them in float32 on the CPU', async () => {
    const { model: int8 } = await optimize({ model: digits, precision: 'int8', calibration: data, check: false });
    const { model, check } = await castModel({ model: int8, to: 'fp16' });
    expect(check.status).toBe('passed');
    const inference = new Inference(model);
    for (const node of model.graph.nodes) {
      if (node.opType === 'QuantizeLinear') expect(inference.dtypeOf(node.inputs[0]!)).toBe('float');
    }
  });
});

it('options about 16-bit floats are refused without them', async () => {
  const request = optimize({ model: digits, half: { keepIoTypes: true } });
  await expect(request).rejects.toThrow('usage/conflicting-options');
});

/** A product in both branches of an If, and one in the body of a Loop. */
function branchingModel(): Model {
  const b = new ModelBuilder(17);
  const { editor, graph } = b;
  const x = b.input('x', [8, 64]);
  const flag = b.input('flag', [], 'bool');
  const count = b.input('count', [], 'int64');
  const first = b.op('MatMul', [x, b.constant('w', randomTensor([64, 64], 3))]);
  const bodyOf = (value: Value, name: string): ModelBuilder => {
    const body = editor.createSubgraph(value.producer!, name);
    editor.setAttribute(value.producer!, { name, kind: 'graph', value: body });
    return new ModelBuilder(17, body, editor);
  };
  const chosen = b.op('If', [flag]);
  for (const [seed, name] of ['then_branch', 'else_branch'].entries()) {
    const inner = bodyOf(chosen, name);
    const w = inner.constant(`w${seed}`, randomTensor([64, 64], 4 + seed));
    inner.output(inner.op('Relu', [inner.op('MatMul', [first, w])]), `y${seed}`, 'float', 2);
  }
  const looped = b.op('Loop', [count, null, chosen]);
  const body = bodyOf(looped, 'body');
  editor.addInput(body.graph, 'turn', tensorType('int64', []));
  const going = editor.addInput(body.graph, 'going', tensorType('bool', []));
  const state = editor.addInput(body.graph, 'state', tensorType('float', [8, 64]));
  const next = body.op('Tanh', [body.op('MatMul', [state, body.constant('w6', randomTensor([64, 64], 6))])]);
  body.output(body.op('Identity', [going]), 'goes_on', 'bool');
  body.output(next, 'next', 'float', 2);
  editor.addOutput(graph, looped, 'y', tensorType('float', [8, 64]));
  return b.build();
}
