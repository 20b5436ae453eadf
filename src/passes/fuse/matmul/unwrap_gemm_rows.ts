// Reshape(Gemm(Reshape(x, [−1, K]), W, b), […, N]) => MatMul(x, W) + b
// Reshape(MatMul(Reshape(x, [−1, K]), W), […, N]) => MatMul(x, W)
// Reshape(Gemm(Reshape(x, [−1, K]), W, b), […, N]) => MatMul(Reshape(x, [0, …, K]), W) + b, x with more axes behind
// Needs: Reshapes that only merge and split again the axes in front, b one number or one per column, and W as MatMul
// reads it, or constant.
import { getFloat, getInt } from '../../../ir/attribute.js';
import { dimEquals, product } from '../../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { Shape } from '../../../ir/value_type.js';
import { isFloatType, numbersOf, numbersTensor } from '../../rewrite/float_numbers.js';
import { any, type Constant, constant, oneOf, op, optional } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { isColumnBias } from './column_bias.js';

type Match = {
  readonly root: Node;
  readonly layer: Node;
  readonly rows: Node;
  readonly x: Value;
  readonly w?: Value;
  readonly weight?: Constant;
  readonly bias: Value | null;
};

export const unwrapGemmRows = defineRewrite<Match>({
  name: 'unwrap-gemm-rows',
  summary: 'Reshape(Gemm(Reshape(x, [−1, K]), W, b), […, N]) => MatMul(x, W) + b',
  licence: 'reassociates',
  pattern: op(
    'root',
    'Reshape',
    [
      op(
        'layer',
        ['Gemm', 'MatMul'],
        [
          op('rows', 'Reshape', [any('x')], { moreInputs: true }),
          oneOf(constant('weight'), any('w')),
          optional('bias', any('bias')),
        ],
      ),
    ],
    { moreInputs: true },
  ),
  check(match, context) {
    if ((opsetVersion(match.root.graph, '') ?? 7) < 7) return 'a bias broadcasts by an attribute before opset 7';
    const { layer, bias, x, root, rows } = match;
    const { inference } = context;
    const [from, to] = [inference.shapeOf(x), inference.shapeOf(root.outputs[0]!)];
    const middle = inference.shapeOf(rows.outputs[0]!);
    const result = inference.shapeOf(layer.outputs[0]!);
    if (from === undefined || to === undefined || middle?.length !== 2 || result?.length !== 2) {
      return 'the shapes are not known';
    }
    if (to.length < 2 || !sameFront(from, to)) return 'the axes in front are not split as they were';
    const inner = product(from.slice(to.length - 1));
    if (!dimEquals(inner, middle[1]) || !dimEquals(to.at(-1), result[1])) return 'the last axis is reshaped too';
    if (from.length > to.length && typeof inner !== 'number') return 'the size of the last axis is not known';
    if (bias !== null && !isColumnBias(bias, layer.outputs[0]!, inference)) {
      return 'what is added is not one number, or one per column';
    }
    return attributeObstacle(match, context);
  },
  rewrite(match, build, { inference }) {
    const { bias, layer, root } = match;
    const name = layer.name || root.name;
    const value = build.op('MatMul', [inputOf(match, build, inference), weightOf(match, build)], { name });
    return [bias === null ? value : build.op('Add', [value, bias], { name: name && `${name}.bias` })];
  },
});

/** Whether `from` has the axes of `to` but the last, and one or more behind them. */
const sameFront = (from: Shape, to: Shape): boolean =>
  from.length >= to.length && to.slice(0, -1).every((dim, axis) => dimEquals(dim, from[axis]));

/** x, its axes behind those of the result joined where there are several. */
function inputOf({ x, root, rows }: Match, build: ReplacementBuilder, inference: Inference): Value {
  const [from, to] = [inference.shapeOf(x)!, inference.shapeOf(root.outputs[0]!)!];
  const inner = product(from.slice(to.length - 1));
  if (from.length === to.length || typeof inner !== 'number') return x;
  // 0: as it is in x.
  const target = int64Tensor([...to.slice(0, -1).map(() => 0), inner]);
  return build.op('Reshape', [x, build.constant(target, `${rows.name || 'rows'}.shape`)], { name: rows.name });
}

function attributeObstacle({ layer, bias, weight }: Match, { maxGrowthBytes }: CheckContext): string | undefined {
  if (layer.opType === 'MatMul') return undefined;
  if (getInt(layer, 'transA', 0) !== 0) return 'the rows are transposed';
  if (getFloat(layer, 'alpha', 1) !== 1) return 'the product is scaled';
  if (bias !== null && getFloat(layer, 'beta', 1) !== 1) return 'what is added is scaled';
  if (getInt(layer, 'transB', 0) === 0) return undefined;
  if (weight === undefined || !isFloatType(weight.tensor.dtype)) return 'the weights are transposed';
  const shared = weight.value.uses.size > 1 && weight.tensor.byteLength > maxGrowthBytes;
  return shared ? 'the weights are shared' : undefined;
}

/** [K, N] */
function weightOf({ layer, weight, w }: Match, build: ReplacementBuilder): Value {
  const given = weight?.value ?? w!;
  if (weight === undefined || layer.opType === 'MatMul' || getInt(layer, 'transB', 0) === 0) return given;
  const { dtype, dims } = weight.tensor;
  if (!isFloatType(dtype)) return given;
  const [columns = 0, rows = 0] = dims;
  const numbers = numbersOf(weight.tensor);
  const transposed = new Float64Array(numbers.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      transposed[row * columns + column] = numbers[column * rows + row]!;
    }
  }
  return build.constant(numbersTensor(dtype, transposed, [rows, columns]), given.name);
}
