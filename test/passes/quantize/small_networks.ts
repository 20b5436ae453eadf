import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, tensorData } from '../../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';

/** Builds networks of 16-channel convolutions over [1, 16, 8, 8]; each value has the name it is given. */
export class NetworkBuilder extends ModelBuilder {
  private seed = 1;

  conv(name: string, x: Value, channels = 16, kernel = 3, inputChannels = 16): Value {
    this.seed += 1;
    const weight = this.constant(`${name}_w`, randomTensor([channels, inputChannels, kernel, kernel], this.seed));
    const bias = this.constant(`${name}_b`, randomTensor([channels], this.seed + 100));
    const pad = (kernel - 1) / 2;
    return this.op('Conv', [x, weight, bias], {
      name,
      outputs: [name],
      attributes: [intsAttribute('pads', [pad, pad, pad, pad])],
    });
  }

  named(
    name: string,
    opType: string,
    inputs: readonly (Value | null)[],
    attributes: Parameters<typeof intsAttribute>[] = [],
  ): Value {
    return this.op(opType, inputs, {
      name,
      outputs: [name],
      attributes: attributes.map(([key, values]) => intsAttribute(key, values)),
    });
  }

  matmul(name: string, x: Value, rows: number, columns: number): Value {
    this.seed += 1;
    return this.named(name, 'MatMul', [x, this.constant(`${name}_w`, randomTensor([rows, columns], this.seed))]);
  }

  concat(name: string, inputs: readonly Value[], axis = 1): Value {
    return this.op('Concat', inputs, { name, outputs: [name], attributes: [intAttribute('axis', axis)] });
  }
}

export const image = [1, 16, 8, 8] as const;

export const scalar = (b: ModelBuilder, name: string, value: number): Value =>
  b.constant(name, floatTensor([value], []));

export const ints = (b: ModelBuilder, name: string, values: readonly number[]): Value =>
  b.constant(name, int64Tensor(values));

/** Three samples of noise for every input. */
export const noise = (model: Model): Record<string, Float32Array>[] =>
  [1, 2, 3].map((seed) =>
    Object.fromEntries(
      model.graph.inputs.map(({ name, type }, index) => {
        const dims = type?.kind === 'tensor' ? type.shape!.map(Number) : [];
        return [name, tensorData(randomTensor(dims, seed + 10 * index)) as Float32Array];
      }),
    ),
  );

export function basicBlock(): Model {
  const b = new NetworkBuilder();
  const x = b.input('x', image);
  const stem = b.named('stem', 'Relu', [b.conv('conv0', x)]);
  const first = b.named('relu1', 'Relu', [b.conv('conv1', stem)]);
  const sum = b.named('sum', 'Add', [b.conv('conv2', first), stem]);
  b.output(b.conv('conv3', b.named('relu2', 'Relu', [sum])), 'y');
  return b.build();
}

export function downsamplingBlock(): Model {
  const b = new NetworkBuilder();
  const x = b.input('x', image);
  const stem = b.named('stem', 'Relu', [b.conv('conv0', x)]);
  const first = b.named('relu1', 'Relu', [b.conv('conv1', stem, 32)]);
  const long = b.conv('conv2', first, 32, 3, 32);
  const short = b.conv('shortcut', stem, 32, 1);
  const sum = b.named('sum', 'Add', [short, long]);
  b.output(b.conv('conv3', b.named('relu2', 'Relu', [sum]), 16, 3, 32), 'y');
  return b.build();
}

/** One head of 32 channels with a mask, between a normalization and a Gelu; `batch` has one dimension, or none. */
export function attention(length: number, batch: readonly number[] = [2]): Model {
  const b = new NetworkBuilder();
  const x = b.input('x', [...batch, length, 32]);
  const normal = b.named('normal', 'LayerNormalization', [
    x,
    b.constant('gain', randomTensor([32], 70)),
    b.constant('shift', randomTensor([32], 71)),
  ]);
  const q = b.named('scaled', 'Mul', [b.matmul('q', normal, 32, 32), scalar(b, 'factor', 0.2)]);
  const k = b.named(
    'kt',
    'Transpose',
    [b.matmul('k', normal, 32, 32)],
    [['perm', batch.length === 0 ? [1, 0] : [0, 2, 1]]],
  );
  const scores = b.named('scores', 'MatMul', [q, k]);
  const masked = b.named('masked', 'Add', [scores, b.input('mask', [...batch, length, length])]);
  const weights = b.named('weights', 'Softmax', [masked]);
  const mixed = b.named('mixed', 'MatMul', [weights, b.matmul('v', normal, 32, 32)]);
  const up = b.matmul('up', b.named('sum', 'Add', [mixed, x]), 32, 64);
  const gelu = b.named('gelu', 'Mul', [
    b.named('half', 'Mul', [up, scalar(b, 'c05', 0.5)]),
    b.named('one', 'Add', [
      b.named('erf', 'Erf', [b.named('root', 'Div', [up, scalar(b, 'c2', Math.SQRT2)])]),
      scalar(b, 'c1', 1),
    ]),
  ]);
  b.output(b.matmul('down', gelu, 64, 32), 'y');
  return b.build();
}

/** Branches that are joined and pooled, as detectors do it. */
export function joinedBranches(): Model {
  const b = new NetworkBuilder();
  const a = b.named('a', 'Relu', [b.conv('conv1', b.input('x', image))]);
  const c = b.named('c', 'Relu', [b.conv('conv2', a)]);
  const pooled = b.named(
    'pooled',
    'MaxPool',
    [c],
    [
      ['kernel_shape', [3, 3]],
      ['pads', [1, 1, 1, 1]],
    ],
  );
  const all = b.concat('all', [a, c, pooled]);
  const gated = b.conv('conv3', all, 16, 1, 48);
  b.output(b.conv('conv4', b.named('silu', 'Mul', [gated, b.named('gate', 'Sigmoid', [gated])])), 'y');
  return b.build();
}

/** A pool whose last windows mean something else from opset 19 on, which keeps the model where it is. */
export function withOldPool(): Model {
  const b = new NetworkBuilder(17);
  const pooled = b.op('AveragePool', [b.conv('conv1', b.conv('conv0', b.input('x', image)))], {
    outputs: ['pooled'],
    attributes: [
      intsAttribute('kernel_shape', [3, 3]),
      intsAttribute('strides', [2, 2]),
      intAttribute('ceil_mode', 1),
      intAttribute('count_include_pad', 1),
    ],
  });
  b.output(b.conv('conv2', pooled), 'y');
  return b.build();
}
