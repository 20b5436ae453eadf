// QLinearConv(x, …) => QuantizeLinear(Conv(DequantizeLinear(x), …)), and so for each operator of the table
// Needs: constant scales, opset 10, and 13 for scales a channel. Results differ by one step at most: integer kernels
// round a sum once, with a product of scales that is rounded itself.
import { getFloat, getInt, intAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { DataType } from '../../../ir/data_type.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, floatTensor, reshapeTensor, tensorData, tensorFromData } from '../../../ir/tensor.js';
import { tensorType } from '../../../ir/value_type.js';
import { definePass, type PassContext } from '../../pass.js';
import { type IntegerOperator, integerOperators, operandsOf, weightAxisOf } from './integer_operators.js';

const name = 'qoperator-to-qdq';

export const qoperatorToQdq = definePass({
  name,
  summary: 'operators on 8-bit integers => their float spelling between QuantizeLinear and DequantizeLinear',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) spellInFloats(node, context);
  },
});

/** Rewrites one node where that can be; whether it did. */
export function spellInFloats(
  node: Node,
  context: Pick<PassContext, 'editor' | 'inference' | 'decline' | 'fired'>,
): boolean {
  const operator = integerOperator(node);
  if (operator === undefined) return false;
  const reason = obstacle(node, operator, context.inference);
  if (reason !== undefined) {
    context.decline({ rule: name, node, reason });
    return false;
  }
  context.fired(name, node);
  new Spelling(node, operator, context).replace();
  return true;
}

/** The line of the table that a node is of. */
export const integerOperator = (node: Node): IntegerOperator | undefined =>
  integerOperators.find(
    (each) => each.name === node.opType && each.domain === (node.domain === 'ai.onnx' ? '' : node.domain),
  );

/** Why a node of the table has no float spelling, or undefined. */
export function obstacle(node: Node, operator: IntegerOperator, inference: Inference): string | undefined {
  const opset = opsetVersion(node.graph, '') ?? 1;
  if (opset < 10) return 'QuantizeLinear needs opset 10';
  for (const [attribute, value] of Object.entries(operator.only ?? {})) {
    if (getInt(node, attribute, value) !== value) return `${attribute} has no float spelling`;
  }
  if (getFloat(node, 'alpha', 1) !== 1 && operator.bias !== undefined) return 'alpha scales its bias as well';
  const operands = operandsOf(operator, node.inputs.length);
  if (operands.length === 0) return 'it has no operands';
  for (const [index, [value, scale]] of operands.entries()) {
    const type = node.inputs[value] == null ? undefined : inference.typeOf(node.inputs[value]);
    if (type?.kind !== 'tensor' || (type.dtype !== 'int8' && type.dtype !== 'uint8')) return 'an operand is not 8-bit';
    const count = scaleCount(node.inputs[scale]);
    if (count === undefined) return 'a scale is not constant';
    if (count === 1) continue;
    if (index !== 1 || !operator.perChannel) return 'an activation has a scale a channel';
    if (opset < 13) return 'scales a channel need opset 13';
    if (weightAxisOf(operator, node, type.shape?.length) === undefined) return 'its weights are not a matrix';
  }
  return scaleCount(node.inputs[operator.result[0]]) === 1 ? undefined : 'the scale of its result is not one constant';
}

function scaleCount(value: Value | null | undefined): number | undefined {
  const tensor = constantTensor(value);
  return tensor?.dtype === 'float' ? elementCount(tensor.dims) : undefined;
}

class Spelling {
  private readonly before: Node;
  private readonly operator: IntegerOperator;
  private readonly context: Pick<PassContext, 'editor' | 'inference'>;

  constructor(node: Node, operator: IntegerOperator, context: Pick<PassContext, 'editor' | 'inference'>) {
    this.before = node;
    this.operator = operator;
    this.context = context;
  }

  replace(): void {
    const { before: node, operator } = this;
    const { editor, inference } = this.context;
    const output = node.outputs[0]!;
    const type = inference.typeOf(output);
    const operands = operandsOf(operator, node.inputs.length);
    const floats = operands.map(([value, scale, zero], index) =>
      this.dequantized(node, value, scale, zero, index === 1),
    );
    const bias = operator.bias === undefined ? null : (node.inputs[operator.bias] ?? null);
    if (bias !== null) floats.push(this.dequantizedBias(bias, operands));
    const attributes = [...node.attributes.values()].filter(({ name: key }) => !(key in (operator.only ?? {})));
    const result = this.insert(operator.opType, floats, `${output.name}_float`, attributes);
    if (type?.kind === 'tensor') editor.setType(result, tensorType('float', type.shape));
    const [scale, zero] = operator.result;
    const dtype = type?.kind === 'tensor' ? type.dtype : undefined;
    const quantized = this.insert(
      'QuantizeLinear',
      [result, this.scalar(node.inputs[scale]!), this.zeroPoint(node.inputs[zero] ?? null, dtype)],
      `${output.name}_quantized`,
    );
    editor.setType(quantized, output.type);
    const { name: outputName, pinned } = output;
    editor.replaceAllUses(output, quantized);
    if (pinned) return;
    editor.eraseNode(node);
    editor.renameValue(quantized, outputName);
  }

  private dequantized(node: Node, value: number, scale: number, zero: number, isSecond: boolean): Value {
    const input = node.inputs[value]!;
    const scales = node.inputs[scale]!;
    const perChannel = isSecond && scaleCount(scales)! > 1;
    const axis = weightAxisOf(this.operator, node, 2) ?? 1;
    const zeroPoint = node.inputs[zero] ?? null;
    return this.insert(
      'DequantizeLinear',
      [
        input,
        perChannel ? scales : this.scalar(scales),
        zeroPoint === null
          ? null
          : perChannel
            ? this.perChannelZero(zeroPoint, scaleCount(scales)!)
            : this.scalar(zeroPoint),
      ],
      `${input.name}_dequantized`,
      perChannel ? [intAttribute('axis', axis)] : [],
    );
  }

  /** Its scale is the product of both operands' scales; its zero point 0. */
  private dequantizedBias(bias: Value, operands: readonly (readonly [number, number, number])[]): Value {
    const { before: node } = this;
    const [left, right] = operands.map(([, scale]) => tensorData(constantTensor(node.inputs[scale])!) as Float32Array);
    const scales = Float32Array.from(right!, (scale) => scale * left![0]!);
    const perChannel = scales.length > 1;
    const scale = this.context.editor.addInitializer(
      node.graph,
      floatTensor(scales, perChannel ? [scales.length] : []),
      `${bias.name}_scale`,
    );
    const attributes = perChannel ? [intAttribute('axis', 0)] : [];
    return this.insert('DequantizeLinear', [bias, scale], `${bias.name}_dequantized`, attributes);
  }

  /** A constant of one element as a scalar; what is one already stays. */
  private scalar(value: Value): Value {
    const tensor = constantTensor(value);
    if (tensor === undefined || tensor.dims.length === 0 || elementCount(tensor.dims) !== 1) return value;
    return this.context.editor.addInitializer(this.before.graph, reshapeTensor(tensor, []), value.name);
  }

  /** One zero point for all channels is repeated: DequantizeLinear wants as many as there are scales. */
  private perChannelZero(value: Value, count: number): Value {
    const tensor = constantTensor(value);
    if (tensor === undefined || elementCount(tensor.dims) === count) return value;
    const [zero] = tensorData(tensor);
    const data =
      tensor.dtype === 'int8' ? new Int8Array(count).fill(Number(zero)) : new Uint8Array(count).fill(Number(zero));
    return this.context.editor.addInitializer(
      this.before.graph,
      tensorFromData(tensor.dtype, [count], data),
      value.name,
    );
  }

  /** QuantizeLinear takes its type from the zero point. */
  private zeroPoint(value: Value | null, dtype: DataType | undefined): Value | null {
    if (value !== null) return this.scalar(value);
    if (dtype !== 'int8') return null;
    return this.context.editor.addInitializer(
      this.before.graph,
      tensorFromData('int8', [], new Int8Array(1)),
      'zero_point',
    );
  }

  private insert(
    opType: string,
    inputs: readonly (Value | null)[],
    output: string,
    attributes: readonly Parameters<PassContext['editor']['setAttribute']>[1][] = [],
  ): Value {
    const { editor } = this.context;
    const node = editor.insertNode(
      { graph: this.before.graph, opType, inputs, outputs: [{ name: output }], attributes, provenance: [name] },
      this.before,
    );
    editor.setNodeName(node, `${node.outputs[0]!.name}/${opType}`);
    return node.outputs[0]!;
  }
}
