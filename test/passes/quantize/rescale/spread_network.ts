import { floatAttribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { constantTensor } from '../../../../src/ir/constant.js';
import type { Model, Node, Value } from '../../../../src/ir/graph.js';
import { floatTensor, tensorData } from '../../../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../../../build_model.js';

/** Convolutions whose channels differ in size by up to 2^`spread`, over [1, channels, 6, 6]. */
export class SpreadBuilder extends ModelBuilder {
  private seed = 5;

  conv(x: Value, from: number, to: number, { kernel = 3, group = 1, spread = 8 } = {}): Value {
    const dims = [to, from / group, kernel, kernel];
    const weight = tensorData(randomTensor(dims, this.next())) as Float32Array;
    const sizes = pseudoRandom(to, this.next()).map((size) => 2 ** ((size * spread) / 2));
    const each = weight.length / to;
    const spreadOut = weight.map((number, index) => number * sizes[Math.floor(index / each)]!);
    const bias = pseudoRandom(to, this.next()).map((number, index) => number * sizes[index]!);
    const pad = (kernel - 1) / 2;
    return this.op('Conv', [x, this.tensor('w', spreadOut, dims), this.tensor('b', bias, [to])], {
      attributes: [intsAttribute('pads', [pad, pad, pad, pad]), intAttribute('group', group)],
    });
  }

  tensor(name: string, numbers: Float32Array, dims: readonly number[]): Value {
    return this.constant(`${name}${this.seed}`, floatTensor(numbers, dims));
  }

  matmul(x: Value, rows: number, columns: number): Value {
    return this.op('MatMul', [x, this.constant('m', randomTensor([rows, columns], this.next()))]);
  }

  next(): number {
    this.seed += 1;
    return this.seed;
  }
}

export const leaky = (b: ModelBuilder, x: Value): Value =>
  b.op('LeakyRelu', [x], { attributes: [floatAttribute('alpha', 0.125)] });

/** Expansion, depthwise filter and projection, as in networks for phones, with channels of unlike sizes. */
export function mobileBlock(): Model {
  const b = new SpreadBuilder();
  const x = b.input('x', [1, 8, 6, 6]);
  const wide = b.op('Relu', [b.conv(x, 8, 32, { kernel: 1, spread: 10 })]);
  const deep = b.op('Relu', [b.conv(wide, 32, 32, { group: 32, spread: 10 })]);
  b.output(b.conv(deep, 32, 8, { kernel: 1, spread: 0 }), 'y');
  return b.build();
}

export const nodesOf = (model: Model, opType: string): Node[] =>
  [...model.graph.nodes].filter((node) => node.opType === opType);

export const weightOf = (node: Node, index = 1): Float32Array =>
  tensorData(constantTensor(node.inputs[index])!) as Float32Array;
