import { constantTensor } from '../../../ir/constant.js';
import { type DataType, dataTypeKind } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import { decodeHalf } from '../../../ir/half_float.js';
import { elementCount, type Tensor, tensorData, tensorIntegers } from '../../../ir/tensor.js';
import type { PassContext } from '../../pass.js';
import { plainOperator } from '../plain_operator.js';
import { type FindIdentity, hasTypeOfOutput } from './identity.js';

/** A constant of more elements than this is not read to see whether it is all one number. */
const maxElements = 4096;

/** x op c and, where `commutes`, c op x. */
const neutral =
  (obstacle: (constant: Tensor) => string | undefined, commutes: boolean): FindIdentity =>
  (node, context) => {
    for (const index of commutes ? [0, 1] : [0]) {
      const constant = constantTensor(node.inputs[1 - index]);
      const kept = node.inputs[index];
      if (constant === undefined || kept == null || elementCount(constant.dims) > maxElements) continue;
      const reason = obstacle(constant);
      if (reason === 'another number') continue;
      return hasTypeOfOutput(node, index, context) ? (reason ?? kept) : 'the constant changes the shape';
    }
    return undefined;
  };

const every =
  (expected: number, only?: 'float' | 'integer') =>
  (constant: Tensor): string | undefined => {
    const isFloat = dataTypeKind(constant.dtype) === 'float';
    if (only !== undefined && (only === 'float') !== isFloat) return 'another number';
    return numbersOf(constant)?.every((value) => Number(value) === expected) ? undefined : 'another number';
  };

/**
 * A zero that may be added or taken away: x − (+0) and x + (−0) are x for every x, while −0 + (+0) is +0
 * (IEEE 754, 6.3). `kept`: the zero that changes nothing.
 */
const zero =
  (kept: 0 | -0) =>
  (constant: Tensor): string | undefined => {
    const numbers = numbersOf(constant);
    if (!numbers?.every((value) => Number(value) === 0)) return 'another number';
    const isExact = numbers.every((value) => typeof value === 'bigint' || Object.is(value, kept));
    return isExact || !signedZeroMatters(constant.dtype) ? undefined : 'the result for −0 would be −0 instead of 0';
  };

/** Whether a result may not have another sign of zero. */
const signedZeroMatters = (dtype: DataType): boolean => dataTypeKind(dtype) === 'float';

/** Operators with an operand that changes nothing. */
export const arithmeticIdentities: Readonly<Record<string, FindIdentity>> = {
  Mul: neutral(every(1), true),
  Div: neutral(every(1), false),
  Add: neutral(zero(-0), true),
  Sub: neutral(zero(0), false),
  Pow: findFirstPower,
  And: neutral(every(1), true),
  Or: neutral(every(0), true),
  Xor: neutral(every(0), true),
  BitwiseOr: neutral(every(0, 'integer'), true),
  BitwiseXor: neutral(every(0, 'integer'), true),
  BitShift: neutral(every(0, 'integer'), false),
  Where: findChosen,
  Relu: findSame,
  Abs: findSame,
  Ceil: findSame,
  Floor: findSame,
  Round: findSame,
  Sign: findSame,
  Neg: findUndone,
  Not: findUndone,
  BitwiseNot: findUndone,
};

/** Runtimes raise integers by way of floats, which is not exact for long ones: those stay as they compute. */
function findFirstPower(node: Node, context: PassContext): Value | string | undefined {
  const base = node.inputs[0] == null ? undefined : context.inference.typeOf(node.inputs[0]);
  const isFloat = base?.kind === 'tensor' && base.dtype !== undefined && dataTypeKind(base.dtype) === 'float';
  return isFloat ? neutral(every(1), false)(node, context) : undefined;
}

function findChosen(node: Node, context: PassContext): Value | string | undefined {
  const [condition, yes, no] = node.inputs;
  const constant = constantTensor(condition);
  const isRead = constant !== undefined && elementCount(constant.dims) <= maxElements;
  const numbers = isRead ? numbersOf(constant) : undefined;
  const index =
    yes === no || numbers?.every((value) => value === 1n) ? 1 : numbers?.every((value) => value === 0n) ? 2 : 0;
  if (index === 0) return undefined;
  return hasTypeOfOutput(node, index, context) ? node.inputs[index]! : 'the condition changes the shape';
}

/** f(f(x)) = f(x) */
function findSame(node: Node): Value | undefined {
  const input = node.inputs[0];
  return input?.producer != null && plainOperator(input.producer) === node.opType ? input : undefined;
}

/** f(f(x)) = x */
function findUndone(node: Node): Value | undefined {
  const inner = node.inputs[0]?.producer;
  return inner != null && plainOperator(inner) === node.opType ? (inner.inputs[0] ?? undefined) : undefined;
}

/** The elements, integers and bools as bigint; undefined for types that are no numbers or that we do not read. */
function numbersOf(tensor: Tensor): readonly (number | bigint)[] | undefined {
  const { dtype } = tensor;
  if (dtype === 'float' || dtype === 'double') return Array.from(tensorData(tensor), Number);
  if (dtype === 'float16' || dtype === 'bfloat16')
    return Array.from(decodeHalf(dtype, tensorData(tensor) as Uint16Array));
  return tensorIntegers(tensor);
}
