import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import type { Value } from '../../../src/ir/graph.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { placeQuantization } from '../../../src/passes/quantize/placement.js';
import { image, ints, NetworkBuilder } from './small_networks.js';

const scheme = findTarget('ort-cpu').int8['vnni']!;

/** A layer behind `between`, and one behind that, so that something is left to quantize. */
function reasonsOf(between: (b: NetworkBuilder, x: Value) => Value): (string | undefined)[] {
  const b = new NetworkBuilder();
  const x = b.input('x', image);
  b.output(b.conv('second', b.conv('first', between(b, x))), 'y');
  const { model } = b.editor;
  const { floats } = placeQuantization(model.graph, new Inference(model), scheme);
  return ['first', 'second'].map((name) => floats.find(({ node }) => node.name === name)?.reason);
}

describe('a layer that reads the input of the model stays in float on ort-cpu', () => {
  const first = ['it reads the input of the model', undefined];

  it('directly', () => expect(reasonsOf((_, x) => x)).toEqual(first));

  it('behind what only changes its shape', () =>
    expect(
      reasonsOf((b, x) => {
        const flat = b.named('flat', 'Flatten', [x]);
        const back = b.named('back', 'Reshape', [flat, ints(b, 'shape', [16, 8, 8])]);
        return b.named('batch', 'Unsqueeze', [back, ints(b, 'axes', [0])]);
      }),
    ).toEqual(first));

  it('but not behind another operator', () =>
    expect(reasonsOf((b, x) => b.named('tanh', 'Tanh', [x]))).toEqual([undefined, undefined]));
});
