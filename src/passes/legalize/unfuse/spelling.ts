import { type Attribute, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { type DataType, dataTypeCode } from '../../../ir/data_type.js';
import { InvariantError } from '../../../ir/diagnostic.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { operatorSchema } from '../../../ir/ops/operator_schema.js';
import { int64Tensor, type Tensor } from '../../../ir/tensor.js';
import type { CheckContext, ReplacementBuilder } from '../../rewrite/rewrite.js';
import { floatsOf } from '../opset/scalar_tensor.js';

/** Axes became an input. */
const axesInputSince = { Squeeze: 13, Unsqueeze: 13, ReduceMean: 18, ReduceMax: 18 } as const;

/** Shape can give a part of it. */
const partialShapeSince = 15;

/** The oldest opset that nodes are spelled in: Clip and Pad take inputs, Gather and Softmax count axes from the end. */
export const oldestSpelling = 11;

/** Writes standard operators in the form that the opset of a node's graph has. */
export class Spelling {
  readonly opset: number;
  private readonly build: ReplacementBuilder;
  private readonly context: CheckContext;

  constructor(build: ReplacementBuilder, root: Node, context: CheckContext) {
    this.build = build;
    this.context = context;
    this.opset = opsetVersion(root.graph, '') ?? oldestSpelling;
  }

  /** Whether the target runs this operator of the default domain as it stands. */
  offers(opType: string): boolean {
    const { target } = this.context;
    const schema = operatorSchema('', opType, this.opset);
    if (schema === undefined || schema.since > target.opset.max || Object.hasOwn(target.refuses, opType)) return false;
    return target.runs('', opType, this.opset) !== false;
  }

  op(opType: string, inputs: readonly (Value | null)[], ...attributes: readonly Attribute[]): Value {
    return this.build.op(opType, inputs, { attributes });
  }

  constant(tensor: Tensor, name: string): Value {
    return this.build.constant(tensor, name);
  }

  int64(values: readonly number[], name: string): Value {
    return this.constant(int64Tensor(values), name);
  }

  /** A scalar of a floating-point type, rounded to it. */
  number(dtype: DataType, value: number, name = 'number'): Value {
    const tensor = floatsOf(dtype, [], value);
    if (tensor === undefined) throw new InvariantError(`${dtype} has no number ${value}`);
    return this.constant(tensor, name);
  }

  cast(value: Value, from: DataType, to: DataType): Value {
    return from === to ? value : this.op('Cast', [value], intAttribute('to', dataTypeCode(to)));
  }

  transpose(value: Value, perm: readonly number[]): Value {
    return this.op('Transpose', [value], intsAttribute('perm', perm));
  }

  /** A 0 stands for the size that `value` has there. */
  reshape(value: Value, dims: readonly number[]): Value {
    return this.op('Reshape', [value, this.int64(dims, 'shape')]);
  }

  unsqueeze(value: Value, axes: readonly number[]): Value {
    return this.alongAxes('Unsqueeze', value, axes);
  }

  reduceMean(value: Value, axes: readonly number[]): Value {
    return this.alongAxes('ReduceMean', value, axes);
  }

  reduceMax(value: Value, axes: readonly number[]): Value {
    return this.alongAxes('ReduceMax', value, axes);
  }

  concat(values: readonly Value[], axis: number): Value {
    return this.op('Concat', values, intAttribute('axis', axis));
  }

  split(value: Value, axis: number, sizes: readonly number[]): readonly Value[] {
    const at = intAttribute('axis', axis);
    const byInput = this.opset >= 13;
    const inputs = byInput ? [value, this.int64(sizes, 'sizes')] : [value];
    const attributes = byInput ? [at] : [at, intsAttribute('split', sizes)];
    return this.build.node('Split', inputs, { attributes, outputs: sizes.length }).outputs as readonly Value[];
  }

  /** Element `index` along an axis, which goes away. */
  pick(value: Value, axis: number, index: number): Value {
    return this.op('Gather', [value, this.constant(int64Tensor([index], []), 'index')], intAttribute('axis', axis));
  }

  /** Over the last axis. */
  softmax(value: Value): Value {
    return this.op('Softmax', [value], intAttribute('axis', -1));
  }

  /** The size along an axis counted from the front, as a tensor of one element; a constant where it is known. */
  size(value: Value, axis: number): Value {
    const known = this.context.inference.shapeOf(value)?.[axis];
    if (typeof known === 'number') return this.int64([known], 'size');
    if (this.opset >= partialShapeSince) {
      return this.op('Shape', [value], intAttribute('start', axis), intAttribute('end', axis + 1));
    }
    return this.op('Gather', [this.op('Shape', [value]), this.int64([axis], 'axis')]);
  }

  private alongAxes(opType: keyof typeof axesInputSince, value: Value, axes: readonly number[]): Value {
    return this.opset < axesInputSince[opType]
      ? this.op(opType, [value], intsAttribute('axes', axes))
      : this.op(opType, [value, this.int64(axes, 'axes')]);
  }
}
