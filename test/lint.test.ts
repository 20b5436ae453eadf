import { describe, expect, it } from 'vitest';
import { ortRunner } from '../src/backends/ort/run.js';
import { findTarget } from '../src/backends/target.js';
import { intAttribute } from '../src/ir/attribute.js';
import { type Model, opsetVersion, type Value } from '../src/ir/graph.js';
import { decodeModel } from '../src/ir/onnx/decode.js';
import { encodeModel } from '../src/ir/onnx/encode.js';
import { floatTensor, type Tensor, tensorData, tensorFromData } from '../src/ir/tensor.js';
import { modelGraphs } from '../src/ir/traversal.js';
import { verifyModel } from '../src/ir/verifier.js';
import { type LintOptions, lintModel } from '../src/lint.js';
import { optimize } from '../src/optimize.js';
import { lintRules } from '../src/passes/quantize/lint/lint_rules.js';
import { largestDifference, randomTensor } from './build_model.js';
import { fixture } from './cli/run_cli.js';
import {
  attention,
  basicBlock,
  downsamplingBlock,
  image,
  joinedBranches,
  NetworkBuilder,
  noise,
} from './passes/quantize/small_networks.js';

type Integer = 'int8' | 'uint8' | 'int32';

/** Quantized networks as other tools leave them. */
class QuantizedBuilder extends NetworkBuilder {
  private count = 0;

  private next(prefix: string): string {
    this.count += 1;
    return `${prefix}${this.count}`;
  }

  scale(values: number | readonly number[]): Value {
    const single = typeof values === 'number';
    return this.constant(this.next('s'), single ? floatTensor([values], []) : floatTensor(values));
  }

  zero(dtype: Integer = 'int8', value = 0, count?: number): Value {
    const Data = { int8: Int8Array, uint8: Uint8Array, int32: Int32Array }[dtype];
    const dims = count === undefined ? [] : [count];
    return this.constant(this.next('z'), tensorFromData(dtype, dims, new Data(count ?? 1).fill(value)));
  }

  quantize(x: Value, scale: Value, zero: Value): Value {
    return this.op('QuantizeLinear', [x, scale, zero], { name: this.next('q') });
  }

  pair(x: Value, scale = 0.02, dtype: Integer = 'int8', zero = 0): Value {
    const [s, z] = [this.scale(scale), this.zero(dtype, zero)];
    return this.op('DequantizeLinear', [this.quantize(x, s, z), s, z], { name: this.next('dq') });
  }

  weight(dims: readonly number[], axis = 0, stored?: Tensor): Value {
    const count = dims[axis]!;
    const given = tensorData(randomTensor(dims, 5)) as Float32Array;
    const integers = tensorFromData(
      'int8',
      dims,
      Int8Array.from(given, (value) => value * 127),
    );
    const scales = this.scale(Array.from({ length: count }, (_, index) => 0.003 + 0.0001 * index));
    const attributes = [intAttribute('axis', axis)];
    return this.op('DequantizeLinear', [this.constant('w', stored ?? integers), scales, this.zero('int8', 0, count)], {
      attributes,
    });
  }

  /** An 8-bit convolution of `x`, which is float. */
  layer(name: string, x: Value, bias: Value | null = null): Value {
    return this.bare(name, this.pair(x), bias);
  }

  bare(name: string, x: Value, bias: Value | null = null): Value {
    const inputs = [x, this.weight([16, 16, 1, 1]), ...(bias === null ? [] : [bias])];
    return this.named(name, 'Conv', inputs);
  }
}

const build = (make: (b: QuantizedBuilder, x: Value) => Value, dims: readonly number[] = image): Model => {
  const b = new QuantizedBuilder();
  b.output(make(b, b.input('x', dims)), 'y');
  return b.build();
};

const codes = (model: Model, options: LintOptions = { target: 'tensorrt@10' }): string[] =>
  lintModel(model, options).findings.map(({ code }) => code);

/** One for each code: the smallest network that breaks the rule, with what a fix does and how far results may move. */
const broken: Record<string, { model: Model; fix?: 'exact' | 'harmless'; within?: number }> = {
  'lint/pair-inside-layer': {
    model: build((b, x) => b.named('relu', 'Relu', [b.pair(b.layer('conv', x))])),
    fix: 'harmless',
    within: 0.011,
  },
  'lint/pair-on-layer-branch': {
    model: build((b, x) => {
      const start = b.pair(x);
      return b.named('sum', 'Add', [b.pair(b.bare('conv', start)), start]);
    }),
    fix: 'harmless',
    within: 0.011,
  },
  'lint/joined-scales': {
    model: build((b, x) => b.concat('all', [b.pair(b.layer('a', x), 0.02), b.pair(b.layer('b', x), 0.03)])),
  },
  'lint/moved-scale': {
    model: build((b, x) =>
      b.pair(b.named('turned', 'Transpose', [b.pair(b.layer('a', x), 0.02)], [['perm', [0, 2, 3, 1]]]), 0.03),
    ),
  },
  'lint/pair-differs': {
    model: build((b, x) => {
      const quantized = b.quantize(x, b.scale(0.02), b.zero());
      return b.bare('conv', b.op('DequantizeLinear', [quantized, b.scale(0.03), b.zero()]));
    }),
  },
  'lint/zero-point': { model: build((b, x) => b.bare('conv', b.pair(x, 0.02, 'int8', 5))) },
  'lint/uint8': { model: build((b, x) => b.bare('conv', b.pair(x, 0.02, 'uint8', 128))), fix: 'exact', within: 0 },
  'lint/quantized-bias': {
    model: build((b, x) => {
      const integers = b.constant(
        'bias',
        tensorFromData(
          'int32',
          [16],
          Int32Array.from({ length: 16 }, (_, i) => 900 * i),
        ),
      );
      const bias = b.op('DequantizeLinear', [integers, b.scale(0.00006), b.zero('int32')]);
      return b.bare('conv', b.pair(x), bias);
    }),
    fix: 'exact',
    within: 0,
  },
  'lint/weight-axis': {
    model: build((b, x) => b.named('conv', 'Conv', [b.pair(x), b.weight([16, 16, 1, 1], 1)])),
  },
  'lint/unfolded-weight': {
    model: build((b, x) => {
      const [scale, zero] = [b.scale(0.008), b.zero()];
      const weight = b.quantize(b.constant('w', randomTensor([16, 16, 1, 1], 4)), scale, zero);
      return b.named('conv', 'Conv', [b.pair(x), b.op('DequantizeLinear', [weight, scale, zero])]);
    }),
    fix: 'exact',
    within: 0,
  },
  'lint/bad-scale': { model: build((b, x) => b.bare('conv', b.pair(x, 1e-40))) },
  'lint/quantize-alone': {
    model: build((b, x) => {
      const quantized = b.quantize(x, b.scale(0.02), b.zero());
      return b.op('Cast', [quantized], { attributes: [intAttribute('to', 1)] });
    }),
  },
  'lint/activation-per-channel': {
    model: build((b, x) => {
      const scale = b.scale(Array.from({ length: 16 }, (_, index) => 0.01 + 0.001 * index));
      const zero = b.zero('int8', 0, 16);
      return b.bare('conv', b.op('DequantizeLinear', [b.quantize(x, scale, zero), scale, zero]));
    }),
  },
  'lint/integer-operator': {
    model: build((b, x) => {
      const [scale, zero, out] = [b.scale(0.02), b.zero(), b.scale(0.05)];
      const weight = b.constant('w', tensorFromData('int8', [16, 16, 1, 1], new Int8Array(256).fill(7)));
      const result = b.op('QLinearConv', [b.quantize(x, scale, zero), scale, zero, weight, scale, zero, out, zero]);
      return b.op('DequantizeLinear', [result, out, zero]);
    }),
    fix: 'harmless',
    // One step of the result.
    within: 0.0501,
  },
  'lint/dangling': {
    model: build((b, x) => {
      b.pair(x);
      return b.layer('conv', x);
    }),
    fix: 'exact',
    within: 0,
  },
  'lint/sensitive-operator': {
    model: build((b, x) => b.named('soft', 'Softmax', [b.pair(x)])),
    fix: 'harmless',
    within: 0.011,
  },
  'lint/small-layer': {
    model: build((b, x) => b.named('conv', 'Conv', [b.pair(x), b.weight([10, 16, 1, 1])])),
    fix: 'harmless',
    // 16 products of inputs that are off by half a step of 0.02, with weights up to 0.6.
    within: 0.1,
  },
  'lint/half-quantized': { model: build((b, x) => b.bare('conv', x)) },
};

describe('lintModel', () => {
  it('has a broken network for each of its rules', () => {
    expect(Object.keys(broken).sort()).toEqual(lintRules.map(({ code }) => code).sort());
  });

  it.each(Object.entries(broken))('%s is found alone, and says where, why and what to do', async (code, each) => {
    const { findings } = lintModel(each.model, { target: 'tensorrt@10' });
    expect(new Set(findings.map((finding) => finding.code))).toEqual(new Set([code]));
    for (const { where, why, mend, fix } of findings) {
      expect(where).toMatch(/^test > \w+ "/);
      expect(why.length).toBeGreaterThan(10);
      expect(mend.length).toBeGreaterThan(5);
      expect(fix).toBe(each.fix);
    }
  });

  it.each(Object.entries(broken))('%s is mended where that is exact or harmless, else left', async (code, each) => {
    const before = encodeModel(each.model);
    const { model, findings, fixed } = lintModel(each.model, { target: 'tensorrt@10', fix: true });
    expect(encodeModel(each.model)).toEqual(before);
    expect(verifyModel(model).filter(({ severity }) => severity === 'error')).toEqual([]);
    if (each.fix === undefined) {
      expect(findings.map((finding) => finding.code)).toContain(code);
      expect(fixed).toEqual([]);
      return;
    }
    expect(findings).toEqual([]);
    expect(fixed.map((finding) => finding.code)).toContain(code);
    const mended = decodeModel(encodeModel(model));
    const difference = await largestDifference(each.model, mended, { x: randomTensor(image, 3) });
    expect(difference).toBeLessThanOrEqual(each.within!);
  });

  it('mends uint8 in a weight that two layers share, once', async () => {
    const model = build((b, x) => {
      const stored = tensorFromData(
        'uint8',
        [16, 16, 1, 1],
        Uint8Array.from({ length: 256 }, (_, index) => index),
      );
      const w = b.constant('w', stored);
      const dequantized = () => b.op('DequantizeLinear', [w, b.scale(0.01), b.zero('uint8', 128)]);
      const first = b.named('conv1', 'Conv', [b.pair(x), dequantized()]);
      return b.named('conv2', 'Conv', [b.pair(first, 0.2), dequantized()]);
    });
    const { model: mended, findings } = lintModel(model, { target: 'tensorrt@10', fix: true });
    expect(findings).toEqual([]);
    expect(await largestDifference(model, decodeModel(encodeModel(mended)), { x: randomTensor(image, 3) })).toBe(0);
  });

  it('takes no pair away that cuts off at 0, since that may be the activation', () => {
    const model = build((b, x) => b.named('soft', 'Softmax', [b.pair(b.layer('conv', x), 0.02, 'int8', -128)]));
    const { findings, fixed } = lintModel(model, { target: 'tensorrt@10', fix: true });
    expect(fixed).toEqual([]);
    expect(findings.map(({ code }) => code)).toContain('lint/sensitive-operator');
    const positive = build((b, x) => {
      const relu = b.named('relu', 'Relu', [b.layer('conv', x)]);
      return b.named('soft', 'Softmax', [b.pair(relu, 0.02, 'int8', -128)]);
    });
    expect(lintModel(positive, { target: 'tensorrt@10', fix: true }).findings).toEqual([]);
  });

  it('asks of a target only what its scheme says: uint8 and integer biases are right for ort-cpu', () => {
    const options = { target: 'ort-cpu', cpu: 'avx2' };
    for (const code of ['lint/uint8', 'lint/zero-point', 'lint/quantized-bias', 'lint/integer-operator']) {
      expect(codes(broken[code]!.model, options)).toEqual([]);
    }
    expect(codes(broken['lint/pair-differs']!.model, options)).toEqual(['lint/pair-differs']);
  });

  it('refuses a target without int8', () => {
    expect(() => lintModel(basicBlock(), { target: 'ort-cuda' })).toThrow('usage/precision-not-offered');
  });
});

describe('what optimize emits', () => {
  it.each(
    ['tensorrt@10', 'tensorrt@11', 'portable'].flatMap((target) => [
      [target, 'a residual block', basicBlock()] as const,
      [target, 'a block that samples down', downsamplingBlock()] as const,
      [target, 'joined branches', joinedBranches()] as const,
      [target, 'attention', attention(24)] as const,
      [target, 'long attention', attention(520)] as const,
      [target, 'digits', fixture('digits/digits.onnx')] as const,
    ]),
  )('for %s passes the linter, and its parser takes every operator: %s', async (name, _, model) => {
    const data = typeof model === 'string' ? fixture('digits/calibration.mjs') : noise(model);
    const { model: result, quantization } = await optimize({
      model,
      target: name,
      precision: 'int8',
      calibration: { data, limit: 20 },
      quantization: { gate: 'none' },
      check: false,
    });
    expect(quantization!.eightBit).toBeGreaterThan(0);
    expect(lintModel(result, { target: name }).findings).toEqual([]);
    const target = findTarget(name);
    for (const graph of modelGraphs(result)) {
      for (const { domain, opType } of graph.nodes) {
        expect(target.runs(domain, opType, opsetVersion(graph, domain)!), opType).not.toBe(false);
        expect(Object.keys(target.refuses)).not.toContain(opType);
      }
    }
    const session = await ortRunner()(result, {});
    await session.close();
  });
});
