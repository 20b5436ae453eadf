import { type Attribute, getInt, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { DataType } from '../../../ir/data_type.js';
import type { Node } from '../../../ir/graph.js';
import { normalAxes } from '../../../ir/ops/inference/axes.js';
import type { AxesPlace, TransposeCommutation } from '../../../ir/ops/transpose_commutes.js';
import { type Tensor, tensorFromData, tensorIntegers } from '../../../ir/tensor.js';
import type { PassContext } from '../../pass.js';
import { broadcastOperand } from './elementwise.js';
import { identity, type Permutation, withoutAxes } from './permutation.js';
import { same, type TransposedNode, type TransposedOperand } from './transposed_node.js';

type Along<K extends TransposeCommutation['kind']> = Extract<TransposeCommutation, { kind: K }>;

/** A node whose axes, which stand at one place, are renamed. */
export function transposeAlongAxes(
  node: Node,
  perm: Permutation,
  { data, place, keepsRank }: Along<'axes'>,
  context: PassContext,
): TransposedNode | undefined {
  const given = numbersAt(node, place);
  const adds = node.opType === 'Unsqueeze';
  const axes = given && normalAxes(given, perm.length + (adds ? given.length : 0));
  const operands = dataOperands(node, perm, data, context);
  if (axes === undefined || axes.length === 0 || operands === undefined) return undefined;
  // Axes that are put in stand where they stood; the others are permuted among the places that are left.
  const moved = adds ? axes : axes.map((axis) => perm[axis]!);
  const result = keepsRank ? perm : adds ? withAxes(perm, axes) : withoutAxes(perm, axes);
  return written(node, place, moved, operands, result);
}

/** A node with entries for all axes at one place, one each, or begins and then ends. */
export function transposePerAxis(
  node: Node,
  perm: Permutation,
  { data, place }: Along<'per-axis'>,
  context: PassContext,
): TransposedNode | undefined {
  const entries = numbersAt(node, place);
  const operands = dataOperands(node, perm, data, context);
  if (entries === undefined || operands === undefined || perm.length === 0) return undefined;
  if (entries.length !== perm.length && entries.length !== 2 * perm.length) return undefined;
  const moved = [...entries];
  for (let first = 0; first < entries.length; first += perm.length) {
    for (const [axis, to] of perm.entries()) moved[first + to] = entries[first + axis]!;
  }
  return written(node, place, moved, operands, perm);
}

/** A node whose parameters speak of no axis. */
export function transposeAsItIs(
  node: Node,
  index: number,
  perm: Permutation,
  result: Permutation = perm,
): TransposedNode | undefined {
  if (index !== 0) return undefined;
  const operands = node.inputs.map((_, input): TransposedOperand => (input === 0 ? { kind: 'data', perm } : same));
  return { results: node.outputs.map(() => result), operands, attributes: [...node.attributes.values()] };
}

/** Starts and ends without axes are those of the first axes, which have to be named then. */
export function transposeFirstAxes(
  node: Node,
  perm: Permutation,
  { inference }: PassContext,
): TransposedNode | undefined {
  const starts = node.inputs[1];
  const attribute = node.attributes.get('starts');
  const type = starts == null ? undefined : inference.typeOf(starts);
  const size = type?.kind === 'tensor' ? type.shape?.[0] : undefined;
  const count = attribute?.kind === 'ints' ? attribute.value.length : size;
  if (typeof count !== 'number' || count > perm.length) return undefined;
  const axes = perm.slice(0, count);
  const operands = node.inputs.map((_, input): TransposedOperand => (input === 0 ? { kind: 'data', perm } : same));
  if (attribute !== undefined) {
    return { results: [perm], operands, attributes: [...node.attributes.values(), intsAttribute('axes', axes)] };
  }
  while (operands.length < 4) operands.push(same);
  operands[3] = { kind: 'constant', tensor: integers(type?.kind === 'tensor' ? type.dtype : undefined, axes, [count]) };
  return { results: [perm], operands, attributes: [...node.attributes.values()] };
}

function dataOperands(
  node: Node,
  perm: Permutation,
  data: readonly number[] | 'all',
  context: PassContext,
): TransposedOperand[] | undefined {
  const operands: TransposedOperand[] = [];
  for (const [index, input] of node.inputs.entries()) {
    if (data !== 'all' && !data.includes(index)) {
      operands.push(same);
      continue;
    }
    const rank = input === null ? undefined : context.inference.shapeOf(input)?.length;
    const operand = rank === perm.length ? broadcastOperand(input, perm, context) : undefined;
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  return operands;
}

function numbersAt(node: Node, place: AxesPlace): number[] | undefined {
  if (place.kind === 'input') {
    const tensor = constantTensor(node.inputs[place.index]);
    return tensor && tensorIntegers(tensor)?.map(Number);
  }
  const attribute = node.attributes.get(place.name);
  if (attribute?.kind === 'ints') return attribute.value.map(Number);
  const axis = getInt(node, place.name, place.fallback);
  return axis === undefined ? undefined : [axis];
}

/** The node with these numbers at the place. */
function written(
  node: Node,
  place: AxesPlace,
  numbers: readonly number[],
  operands: TransposedOperand[],
  result: Permutation,
): TransposedNode {
  const results = node.outputs.map(() => result);
  const attributes = [...node.attributes.values()];
  if (place.kind === 'input') {
    const tensor = constantTensor(node.inputs[place.index])!;
    operands[place.index] = { kind: 'constant', tensor: integers(tensor.dtype, numbers, tensor.dims) };
    return { results, operands, attributes };
  }
  const isList = node.attributes.get(place.name)?.kind === 'ints';
  const attribute: Attribute = isList ? intsAttribute(place.name, numbers) : intAttribute(place.name, numbers[0]!);
  return { results, operands, attributes: [...attributes.filter(({ name }) => name !== place.name), attribute] };
}

const integers = (dtype: DataType | undefined, values: readonly number[], dims: readonly number[]): Tensor =>
  dtype === 'int32'
    ? tensorFromData('int32', dims, Int32Array.from(values))
    : tensorFromData('int64', dims, BigInt64Array.from(values, BigInt));

function withAxes(perm: Permutation, axes: readonly number[]): Permutation {
  const all = identity(perm.length + axes.length);
  const places = all.filter((axis) => !axes.includes(axis));
  return all.map((axis) => {
    const place = places.indexOf(axis);
    return place < 0 ? axis : places[perm[place]!]!;
  });
}
