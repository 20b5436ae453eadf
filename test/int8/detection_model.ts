import { intAttribute, intsAttribute } from '../../src/ir/attribute.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom } from '../build_model.js';

const classes = 80;

/**
 * A detector in small: a backbone, a head for boxes in pixels up to 640 and one for probabilities, both joined by Concat
 * and brought from centre and size to corners by a 1×1 convolution that hands probabilities through. In 8 bits the join
 * has steps of about 2.5, for probabilities as well.
 */
export function detectionModel(): Model {
  const b = new ModelBuilder(17);
  const conv = (name: string, x: Value, [output, input, kernel]: readonly [number, number, number]): Value => {
    const count = output * input * kernel * kernel;
    const scale = Math.sqrt(6 / (input * kernel * kernel));
    const weights = pseudoRandom(count, name.length * 31 + count).map((each) => each * scale);
    const weight = b.constant(`${name}_w`, floatTensor(weights, [output, input, kernel, kernel]));
    const bias = b.constant(`${name}_b`, floatTensor(pseudoRandom(output, count), [output]));
    const pad = (kernel - 1) / 2;
    return b.op('Conv', [x, weight, bias], { name, attributes: [intsAttribute('pads', [pad, pad, pad, pad])] });
  };
  let x = b.input('image', [1, 3, 16, 16]);
  for (const [name, input, output] of [
    ['stem', 3, 32],
    ['backbone1', 32, 32],
    ['backbone2', 32, 32],
    ['backbone3', 32, 96],
  ] as const) {
    x = b.op('Relu', [conv(name, x, [output, input, 3])]);
  }
  const pixels = b.constant('pixels', floatTensor([640], []));
  const boxes = b.op('Mul', [b.op('Sigmoid', [conv('box_head', x, [4, 96, 1])]), pixels]);
  const scores = b.op('Sigmoid', [conv('class_head', x, [classes, 96, 1])]);
  const joined = b.op('Concat', [boxes, scores], { name: 'join', attributes: [intAttribute('axis', 1)] });
  const corners = b.constant('corners', floatTensor(cornersOfCentres(), [4 + classes, 4 + classes, 1, 1]));
  const decoded = b.op('Conv', [joined, corners], { name: 'to_corners' });
  const slice = (from: number, to: number, name: string) =>
    b.op('Slice', [decoded, ...[from, to, 1].map((each, at) => b.constant(`${name}${at}`, int64Tensor([each])))]);
  b.output(slice(0, 4, 'box_slice'), 'boxes', 'float', 4);
  b.output(slice(4, 4 + classes, 'score_slice'), 'scores', 'float', 4);
  return b.build();
}

function cornersOfCentres(): Float32Array {
  const width = 4 + classes;
  const matrix = new Float32Array(width * width);
  const set = (row: number, column: number, value: number) => {
    matrix[row * width + column] = value;
  };
  for (const axis of [0, 1]) {
    set(axis, axis, 1);
    set(axis, axis + 2, -0.5);
    set(axis + 2, axis, 1);
    set(axis + 2, axis + 2, 0.5);
  }
  for (let each = 4; each < width; each += 1) set(each, each, 1);
  return matrix;
}

export const imageSamples = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    image: { data: pseudoRandom(3 * 16 * 16, index + 1), dims: [1, 3, 16, 16], type: 'float32' as const },
  }));
