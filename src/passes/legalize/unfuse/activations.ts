// Gelu, Swish, Mish, HardSwish of the standard; Gelu, BiasGelu, FastGelu, QuickGelu of com.microsoft
import { floatAttribute, getFloat, getString, stringAttribute } from '../../../ir/attribute.js';
import type { DataType } from '../../../ir/data_type.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import { floatScalar } from '../opset/scalar_tensor.js';
import type { Spelling } from './spelling.js';
import { inputOf, type Unfusing } from './unfusing.js';

type Activation = (x: Value, dtype: DataType, spelling: Spelling, node: Node) => Value;

const activation = (domain: string, opType: string, spell: Activation): Unfusing => ({
  domain,
  opType,
  plan(node, context) {
    const x = inputOf(node, 0);
    const dtype = floatTypeOf(x, context);
    if (x === null || dtype === undefined) return 'the type of its input is not known';
    return (spelling) => [spell(x, dtype, spelling, node)];
  },
});

/** A floating-point type that constants can be written in. */
export function floatTypeOf(value: Value | null, { inference }: CheckContext): DataType | undefined {
  const dtype = value === null ? undefined : inference.dtypeOf(value);
  return dtype === undefined || floatScalar(dtype, 0) === undefined ? undefined : dtype;
}

/** ½x(1 + erf(x/√2)), or ½x(1 + tanh(√(2/π)(x + 0.044715x³))) */
function gelu(x: Value, dtype: DataType, spelling: Spelling, approximate: string): Value {
  if (spelling.offers('Gelu')) return spelling.op('Gelu', [x], stringAttribute('approximate', approximate));
  const number = (value: number) => spelling.number(dtype, value);
  const { op } = bound(spelling);
  let share: Value;
  if (approximate === 'tanh') {
    const cube = op('Mul', number(0.044715), op('Mul', x, op('Mul', x, x)));
    share = op('Tanh', op('Mul', number(Math.sqrt(2 / Math.PI)), op('Add', x, cube)));
  } else {
    share = op('Erf', op('Div', x, number(Math.SQRT2)));
  }
  return op('Mul', op('Mul', number(0.5), x), op('Add', number(1), share));
}

/** x · σ(αx) */
function swish(x: Value, dtype: DataType, spelling: Spelling, alpha: number): Value {
  if (spelling.offers('Swish')) return spelling.op('Swish', [x], floatAttribute('alpha', alpha));
  const { op } = bound(spelling);
  return op('Mul', x, op('Sigmoid', alpha === 1 ? x : op('Mul', x, spelling.number(dtype, alpha))));
}

const withBias: Activation = (x, _dtype, spelling, node) => {
  const bias = inputOf(node, 1);
  return bias === null ? x : spelling.op('Add', [x, bias]);
};

const bound = (spelling: Spelling) => ({
  op: (opType: string, ...inputs: readonly Value[]) => spelling.op(opType, inputs),
});

export const activationUnfusings: readonly Unfusing[] = [
  activation('', 'Gelu', (x, dtype, spelling, node) =>
    gelu(x, dtype, spelling, getString(node, 'approximate', 'none')),
  ),
  activation('', 'Swish', (x, dtype, spelling, node) => swish(x, dtype, spelling, getFloat(node, 'alpha', 1))),
  activation('', 'Mish', (x, _dtype, spelling) => {
    const { op } = bound(spelling);
    return op('Mul', x, op('Tanh', op('Softplus', x)));
  }),
  activation('', 'HardSwish', (x, _dtype, spelling) => {
    const shape = [floatAttribute('alpha', 1 / 6), floatAttribute('beta', 0.5)];
    return spelling.op('Mul', [x, spelling.op('HardSigmoid', [x], ...shape)]);
  }),
  activation('com.microsoft', 'Gelu', (x, dtype, spelling) => gelu(x, dtype, spelling, 'none')),
  activation('com.microsoft', 'BiasGelu', (x, dtype, spelling, node) =>
    gelu(withBias(x, dtype, spelling, node), dtype, spelling, 'none'),
  ),
  activation('com.microsoft', 'FastGelu', (x, dtype, spelling, node) =>
    gelu(withBias(x, dtype, spelling, node), dtype, spelling, 'tanh'),
  ),
  activation('com.microsoft', 'QuickGelu', (x, dtype, spelling, node) =>
    swish(x, dtype, spelling, getFloat(node, 'alpha', Math.fround(1.702))),
  ),
];
