import { type Attribute, getInt, getInts, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { DataType } from '../../../ir/data_type.js';
import type { Node } from '../../../ir/graph.js';
import { normalAxes, normalAxis } from '../../../ir/ops/inference/axes.js';
import { int64Tensor, type Tensor, tensorFromData, tensorIntegers } from '../../../ir/tensor.js';
import { defaultOpset } from '../plain_operator.js';
import { broadcastOperand } from './elementwise.js';
import { identity, type Permutation, withoutAxes } from './permutation.js';
import { same, type TransposedOperand, type TransposeNode } from './transposed_node.js';

const onFirst = (node: Node, perm: Permutation): TransposedOperand[] =>
  node.inputs.map((_, index): TransposedOperand => (index === 0 ? { kind: 'data', perm } : same));

const withAttribute = (node: Node, attribute: Attribute): Attribute[] => [
  ...[...node.attributes.values()].filter(({ name }) => name !== attribute.name),
  attribute,
];

/** One axis by attribute, `fallback` where none is given; the results keep the rank unless `removes`. */
export const transposeAlongAxis =
  (fallback: number, since: number, removes: (node: Node) => boolean = () => false): TransposeNode =>
  (node, index, perm) => {
    const axis = normalAxis(getInt(node, 'axis', fallback), perm.length);
    if (index !== 0 || axis === undefined || defaultOpset(node) < since) return undefined;
    const result = removes(node) ? withoutAxes(perm, [axis]) : perm;
    return {
      results: node.outputs.map(() => result),
      operands: onFirst(node, perm),
      attributes: withAttribute(node, intAttribute('axis', perm[axis]!)),
    };
  };

/**
 * As along any axis, but a last axis stays the last: kernels that normalize along another one transpose to and fro
 * themselves.
 */
export const transposeNormalization =
  (since: number): TransposeNode =>
  (node, index, perm, context) => {
    const last = perm.length - 1;
    const axis = normalAxis(getInt(node, 'axis', -1), perm.length);
    if (axis === last && perm[axis] !== last) return undefined;
    return transposeAlongAxis(-1, since)(node, index, perm, context);
  };

export const dropsAxis = (node: Node): boolean => getInt(node, 'keepdims', 1) === 0;

/** A scalar index takes its axis out; indices with axes of their own put these in its place. */
export const transposeGather: TransposeNode = (node, index, perm, context) => {
  const indices = node.inputs[1] == null ? undefined : context.inference.shapeOf(node.inputs[1]);
  return indices?.length === 0 ? transposeAlongAxis(0, 1, () => true)(node, index, perm, context) : undefined;
};

export const transposeConcat: TransposeNode = (node, _, perm, context) => {
  const axis = normalAxis(getInt(node, 'axis', defaultOpset(node) < 4 ? 1 : perm.length), perm.length);
  if (axis === undefined) return undefined;
  const operands: TransposedOperand[] = [];
  for (const input of node.inputs) {
    const rank = input === null ? undefined : context.inference.shapeOf(input)?.length;
    const operand = rank === perm.length ? broadcastOperand(input, perm, context) : undefined;
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  return { results: [perm], operands, attributes: withAttribute(node, intAttribute('axis', perm[axis]!)) };
};

/** Axes as an attribute or as the operand at `input`; `absent`: those that none given stand for. */
function mappedAxes(
  node: Node,
  input: number,
  perm: Permutation,
  absent: readonly number[] | undefined,
  dtype: DataType | undefined = 'int64',
): { readonly axes: readonly number[]; put(operands: TransposedOperand[]): Attribute[] } | undefined {
  const isAttribute = node.attributes.has('axes');
  const tensor = isAttribute ? undefined : constantTensor(node.inputs[input]);
  if (!isAttribute && tensor === undefined && node.inputs[input] != null) return undefined;
  const given = isAttribute ? getInts(node, 'axes', undefined) : tensor && tensorIntegers(tensor)?.map(Number);
  const axes = given === undefined ? absent : normalAxes(given, perm.length);
  if (axes === undefined) return undefined;
  const moved = axes.map((axis) => perm[axis]!);
  return {
    axes,
    put(operands) {
      if (isAttribute) return withAttribute(node, intsAttribute('axes', moved));
      while (operands.length <= input) operands.push(same);
      operands[input] = { kind: 'constant', tensor: integers(tensor?.dtype ?? dtype, moved) };
      return [...node.attributes.values()];
    },
  };
}

const integers = (dtype: DataType | undefined, values: readonly number[]): Tensor =>
  dtype === 'int32' ? tensorFromData('int32', [values.length], Int32Array.from(values)) : int64Tensor(values);

export const transposeReduce: TransposeNode = (node, index, perm) => {
  if (index !== 0 || getInt(node, 'noop_with_empty_axes', 0) !== 0) return undefined;
  const isKept = getInt(node, 'keepdims', 1) !== 0;
  const isAll = !node.attributes.has('axes') && node.inputs[1] == null;
  const operands = onFirst(node, perm);
  if (isAll) {
    return { results: [isKept ? perm : []], operands, attributes: [...node.attributes.values()] };
  }
  const mapped = mappedAxes(node, 1, perm, undefined);
  if (mapped === undefined || mapped.axes.length === 0) return undefined;
  return { results: [isKept ? perm : withoutAxes(perm, mapped.axes)], operands, attributes: mapped.put(operands) };
};

export const transposeSqueeze: TransposeNode = (node, index, perm) => {
  const mapped = index === 0 ? mappedAxes(node, 1, perm, undefined) : undefined;
  if (mapped === undefined || mapped.axes.length === 0) return undefined;
  const operands = onFirst(node, perm);
  return { results: [withoutAxes(perm, mapped.axes)], operands, attributes: mapped.put(operands) };
};

/** New axes stand where they stood; the others are permuted among the places that are left. */
export const transposeUnsqueeze: TransposeNode = (node, index, perm) => {
  if (index !== 0) return undefined;
  const tensor = constantTensor(node.inputs[1]);
  const given = getInts(node, 'axes', undefined) ?? (tensor && tensorIntegers(tensor)?.map(Number));
  const rank = perm.length + (given?.length ?? 0);
  const axes = given && normalAxes(given, rank);
  if (axes === undefined) return undefined;
  const places = identity(rank).filter((axis) => !axes.includes(axis));
  const result = identity(rank).map((axis) => {
    const place = places.indexOf(axis);
    return place < 0 ? axis : places[perm[place]!]!;
  });
  return { results: [result], operands: onFirst(node, perm), attributes: [...node.attributes.values()] };
};

export const transposeSlice: TransposeNode = (node, index, perm, { inference }) => {
  if (index !== 0) return undefined;
  const count =
    defaultOpset(node) < 10
      ? getInts(node, 'starts', undefined)?.length
      : node.inputs[1] == null
        ? undefined
        : inference.shapeOf(node.inputs[1])?.[0];
  const absent = typeof count === 'number' && count <= perm.length ? identity(count) : undefined;
  const operands = onFirst(node, perm);
  if (defaultOpset(node) < 10 && !node.attributes.has('axes')) {
    if (absent === undefined) return undefined;
    const axes = absent.map((axis) => perm[axis]!);
    return { results: [perm], operands, attributes: withAttribute(node, intsAttribute('axes', axes)) };
  }
  const type = node.inputs[1] == null ? undefined : inference.typeOf(node.inputs[1]);
  const mapped = mappedAxes(node, 3, perm, absent, type?.kind === 'tensor' ? type.dtype : undefined);
  return mapped && { results: [perm], operands, attributes: mapped.put(operands) };
};

export const transposePad: TransposeNode = (node, index, perm) => {
  if (index !== 0) return undefined;
  const operands = onFirst(node, perm);
  if (node.inputs[3] != null) {
    const mapped = mappedAxes(node, 3, perm, undefined);
    return mapped && { results: [perm], operands, attributes: mapped.put(operands) };
  }
  const attribute = getInts(node, 'pads', undefined);
  const tensor = constantTensor(node.inputs[1]);
  const pads = attribute ?? (tensor && tensorIntegers(tensor)?.map(Number));
  if (pads?.length !== 2 * perm.length) return undefined;
  const moved = permutedPairs(pads, perm);
  if (attribute !== undefined) {
    return { results: [perm], operands, attributes: withAttribute(node, intsAttribute('pads', moved)) };
  }
  operands[1] = { kind: 'constant', tensor: integers('int64', moved) };
  return { results: [perm], operands, attributes: [...node.attributes.values()] };
};

/** Begins of all axes, then ends. */
function permutedPairs(pads: readonly number[], perm: Permutation): number[] {
  const moved = pads.map(() => 0);
  for (const [axis, to] of perm.entries()) {
    moved[to] = pads[axis]!;
    moved[to + perm.length] = pads[axis + perm.length]!;
  }
  return moved;
}
