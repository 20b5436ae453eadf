import { type Attribute, intsAttribute } from '../src/ir/attribute.js';
import { symbol } from '../src/ir/dim.js';
import { Editor } from '../src/ir/editor.js';
import type { Graph, Model, Value } from '../src/ir/graph.js';
import { elementCount, floatTensor } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';

export type WideResnetOptions = {
  /** Layers with weights: 6 · n + 4, for n blocks of two convolutions in each of three groups. */
  readonly depth?: number;
  /** Factor of the channels, which are 16, 32 and 64 times this. */
  readonly width?: number;
  readonly classes?: number;
};

/**
 * A wide residual network for images of 32 by 32 (Zagoruyko and Komodakis, 2016): normalization and Relu in front of
 * each convolution, as a training framework exports it for inference. Input [batch, 3, 32, 32]. The weights are drawn
 * from a normal distribution with a fixed seed.
 */
export function wideResnetModel({ depth = 16, width = 4, classes = 10 }: WideResnetOptions = {}): Model {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 8 });
  editor.setOpsetImport('', 17);
  editor.setGraphName(graph, `wide-resnet-${depth}-${width}`);
  const batch = symbol('batch');
  const image = editor.addInput(graph, 'image', tensorType('float', [batch, 3, 32, 32]));
  const writer = new Writer(editor, graph);
  let x = writer.convolution(image, 3, 16, { kernel: 3, stride: 1 });
  let channels = 16;
  for (const [group, base] of [16, 32, 64].entries()) {
    for (let block = 0; block < (depth - 4) / 6; block += 1) {
      const stride = group > 0 && block === 0 ? 2 : 1;
      x = writer.block(x, channels, base * width, stride);
      channels = base * width;
    }
  }
  const pooled = writer.op('GlobalAveragePool', [writer.activation(x, channels)]);
  const scores = writer.classifier(writer.op('Flatten', [pooled]), channels, classes);
  editor.addOutput(graph, scores, 'scores', tensorType('float', [batch, classes]));
  return editor.model;
}

class Writer {
  private readonly random = normalNumbers(1);
  private count = 0;

  constructor(
    private readonly editor: Editor,
    private readonly graph: Graph,
  ) {}

  block(x: Value, from: number, to: number, stride: number): Value {
    const active = this.activation(x, from);
    const first = this.convolution(active, from, to, { kernel: 3, stride });
    const second = this.convolution(this.activation(first, to), to, to, { kernel: 3, stride: 1 });
    const skip = from === to && stride === 1 ? x : this.convolution(active, from, to, { kernel: 1, stride });
    return this.op('Add', [second, skip]);
  }

  activation(x: Value, channels: number): Value {
    const around = (mean: number, spread: number) =>
      this.weight([channels], (random) => mean + spread * Math.tanh(random));
    const statistics = [around(1, 0.2), around(0, 0.2), around(0, 0.2), around(1, 0.2)];
    return this.op('Relu', [this.op('BatchNormalization', [x, ...statistics])]);
  }

  convolution(x: Value, from: number, to: number, { kernel, stride }: { kernel: number; stride: number }): Value {
    const deviation = Math.sqrt(2 / (from * kernel * kernel));
    const weight = this.weight([to, from, kernel, kernel], (random) => random * deviation);
    const padding = (kernel - 1) / 2;
    return this.op(
      'Conv',
      [x, weight],
      [
        intsAttribute('kernel_shape', [kernel, kernel]),
        intsAttribute('strides', [stride, stride]),
        intsAttribute('pads', [padding, padding, padding, padding]),
      ],
    );
  }

  classifier(x: Value, from: number, to: number): Value {
    const weight = this.weight([from, to], (random) => random / Math.sqrt(from));
    return this.op('Gemm', [x, weight, this.weight([to], () => 0)]);
  }

  op(opType: string, inputs: readonly Value[], attributes: readonly Attribute[] = []): Value {
    return this.editor.insertNode({ graph: this.graph, opType, inputs, outputs: 1, attributes }).outputs[0]!;
  }

  private weight(dims: readonly number[], from: (random: number) => number): Value {
    const data = Float32Array.from({ length: elementCount(dims) }, () => from(this.random()));
    this.count += 1;
    return this.editor.addInitializer(this.graph, floatTensor(data, dims), `weight_${this.count}`);
  }
}

/** Normally distributed numbers (Box–Muller) from a linear congruential generator. */
function normalNumbers(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
