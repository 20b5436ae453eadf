import { getInt } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';

/** How an operator that computes on 8-bit integers is laid out: positions of values, each with scale and zero point. */
export type IntegerOperator = {
  readonly domain: '' | 'com.microsoft';
  readonly name: string;
  /** What it computes on floats, an operator of the default domain. */
  readonly opType: string;
  /** Its operands as [value, scale, zero point], or the position from which on there are as many as one likes. */
  readonly operands: readonly (readonly [number, number, number])[] | number;
  /** Positions of the scale and zero point of the result. */
  readonly result: readonly [number, number];
  /** Position of a bias in int32, whose scale is the product of both operands' scales. */
  readonly bias?: number;
  /** The second operand may have a scale an output channel. */
  readonly perChannel?: true;
  /** Attributes that no float operator has, with the value that means the same. */
  readonly only?: Readonly<Record<string, number>>;
  /** Attributes of the float operator that this one has not, with the value that means the same. */
  readonly neutral?: Readonly<Record<string, number>>;
};

const one = [[0, 1, 2]] as const;
const two = [
  [0, 1, 2],
  [3, 4, 5],
] as const;
const only = { channels_last: 0 } as const;
const contrib = 'com.microsoft' as const;

/** Integer operators that are not here stay as they are. */
export const integerOperators: readonly IntegerOperator[] = [
  { domain: '', name: 'QLinearConv', opType: 'Conv', operands: two, result: [6, 7], bias: 8, perChannel: true },
  { domain: '', name: 'QLinearMatMul', opType: 'MatMul', operands: two, result: [6, 7], perChannel: true },
  {
    domain: contrib,
    name: 'QGemm',
    opType: 'Gemm',
    operands: two,
    result: [7, 8],
    bias: 6,
    perChannel: true,
    neutral: { beta: 1 },
  },
  { domain: contrib, name: 'QLinearAdd', opType: 'Add', operands: two, result: [6, 7] },
  { domain: contrib, name: 'QLinearMul', opType: 'Mul', operands: two, result: [6, 7] },
  { domain: contrib, name: 'QLinearSigmoid', opType: 'Sigmoid', operands: one, result: [3, 4] },
  { domain: contrib, name: 'QLinearLeakyRelu', opType: 'LeakyRelu', operands: one, result: [3, 4] },
  { domain: contrib, name: 'QLinearAveragePool', opType: 'AveragePool', operands: one, result: [3, 4], only },
  {
    domain: contrib,
    name: 'QLinearGlobalAveragePool',
    opType: 'GlobalAveragePool',
    operands: one,
    result: [3, 4],
    only,
  },
  { domain: contrib, name: 'QLinearConcat', opType: 'Concat', operands: 2, result: [0, 1] },
];

/** The positions of the operands of a node with that many inputs. */
export const operandsOf = (
  { operands }: IntegerOperator,
  inputs: number,
): readonly (readonly [number, number, number])[] =>
  typeof operands !== 'number'
    ? operands
    : Array.from({ length: Math.floor((inputs - operands) / 3) }, (_, index) => {
        const at = operands + 3 * index;
        return [at, at + 1, at + 2] as const;
      });

/** The axis of the weights along which a result channel has its scale; undefined where there is none. */
export const weightAxisOf = ({ opType }: IntegerOperator, node: Node, rank: number | undefined): number | undefined => {
  if (opType === 'Conv') return 0;
  if (opType === 'Gemm') return getInt(node, 'transB', 0) === 0 ? 1 : 0;
  return rank === 2 ? 1 : undefined;
};
