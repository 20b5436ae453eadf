import { dataTypeBits } from '../../data_type.js';
import { ceilDiv, mul, product, sum } from '../../dim.js';
import type { Node, Value } from '../../graph.js';
import type { Shape, ValueType } from '../../value_type.js';
import type { Inference } from '../inference/inference.js';
import { shapeSize } from '../inference/shape_size.js';
import { attributeSize } from '../inference/sizes.js';
import type { CostContext, Count } from './cost.js';

/** The product, 0 where one factor is, whatever the others are. */
export const times = (...factors: readonly Count[]): Count => (factors.includes(0) ? 0 : product(factors));

/** The sum; undefined where one part is. */
export const plus = (...parts: readonly Count[]): Count => sum(parts);

export const elementsOf = (shape: Shape | undefined): Count => shape && shapeSize(shape);

export const inputElements = (context: CostContext, index = 0): Count => elementsOf(context.input.shape(index));

export const outputElements = (context: CostContext, index = 0): Count => elementsOf(context.output(index));

/** An integer attribute that is a size; undefined where it is none. */
export function sizeAttribute({ input }: CostContext, name: string): Count {
  const size = input.int(name, undefined);
  return size === undefined ? undefined : attributeSize(size);
}

/** Bytes of a tensor of this type; undefined for strings, sequences and what is no dense tensor. */
export function typeBytes(type: ValueType | undefined): Count {
  if (type?.kind !== 'tensor' || type.dtype === undefined || type.dtype === 'string') return undefined;
  const bits = dataTypeBits(type.dtype);
  const elements = elementsOf(type.shape);
  return bits % 8 === 0 ? mul(elements, bits / 8) : ceilDiv(mul(elements, bits), 8);
}

export const valueBytes = (value: Value, inference: Inference): Count =>
  value.initializer !== null && !value.isInput ? value.initializer.byteLength : typeBytes(inference.typeOf(value));

/** Bytes of the inputs but those at `except`; an input that stands there twice counts once. */
export function readBytes({ input, inference }: CostContext, except: readonly number[] = []): Count {
  const values = new Set<Value>();
  for (const [index, value] of input.node.inputs.entries()) {
    if (value !== null && !except.includes(index)) values.add(value);
  }
  return plus(...[...values].map((value) => valueBytes(value, inference)));
}

export function writtenBytes(node: Node, inference: Inference): Count {
  return plus(...node.outputs.map((value) => (value === null ? 0 : valueBytes(value, inference))));
}
