// QuantizeLinear(Conv(DequantizeLinear(x), …)) => QLinearConv(x, …), and so for each operator of the table
// DequantizeLinear, an operator that moves data, QuantizeLinear of the same scale => the operator on integers
// Needs: constant parameters, results that only QuantizeLinear reads, kernels of the target. Results differ by one step
// at most from those of the pairs computed in floats.
import { type Attribute, getFloat, getInt } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { DataType } from '../../../ir/data_type.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { operatorSchema } from '../../../ir/ops/operator_schema.js';
import { dataInputs, keepsOrder } from '../../../ir/ops/traits.js';
import { tensorFromData } from '../../../ir/tensor.js';
import { definePass, type PassContext } from '../../pass.js';
import { isDequantize, isQuantize, sameParameters, scalesOf, zeroPoints } from '../existing_pairs.js';
import { type IntegerOperator, integerOperators, weightAxisOf } from './integer_operators.js';

const name = 'qdq-to-qoperator';

export const qdqToQoperator = definePass({
  name,
  summary: 'operators between DequantizeLinear and QuantizeLinear => operators on 8-bit integers',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) {
      const quantize = onlyQuantizer(node);
      if (quantize === undefined) continue;
      const reason = (rule(node)?.replace ?? moveIntegers)(node, quantize, context);
      if (reason === undefined) context.fired(name, quantize);
      else context.decline({ rule: name, node, reason });
    }
  },
});

type Replace = (node: Node, quantize: Node, context: PassContext) => string | undefined;

function rule(node: Node): { readonly replace: Replace } | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  const operator = integerOperators.find(({ opType }) => opType === node.opType);
  if (operator === undefined) return undefined;
  return { replace: (_, quantize, context) => toInteger(node, operator, quantize, context) };
}

/** The QuantizeLinear that alone reads a node's result. */
function onlyQuantizer(node: Node): Node | undefined {
  const [output, ...others] = node.outputs;
  if (output == null || output.pinned || output.uses.size !== 1 || isQuantize(node) || isDequantize(node)) return;
  if (others.some((each) => each !== null && each.uses.size > 0)) return;
  const [use] = output.uses;
  return use?.kind === 'node' && use.index === 0 && isQuantize(use.user) && use.user.graph === node.graph
    ? use.user
    : undefined;
}

const typeOf = (node: Node): DataType | undefined => {
  if (isDequantize(node)) {
    const type = node.inputs[0]?.type;
    return constantTensor(node.inputs[2])?.dtype ?? (type?.kind === 'tensor' ? type.dtype : undefined);
  }
  return constantTensor(node.inputs[2])?.dtype ?? (node.attributes.has('output_dtype') ? undefined : 'uint8');
};

function toInteger(
  node: Node,
  operator: IntegerOperator,
  quantize: Node,
  { editor, target }: PassContext,
): string | undefined {
  const { domain, name: opType, bias: biasAt } = operator;
  const operandCount = biasAt === undefined ? node.inputs.length : 2;
  const dequantizers = node.inputs.slice(0, operandCount).map((input) => input?.producer);
  if (!dequantizers.every(isDequantize)) return 'an operand is not read from 8 bits';
  const result = typeOf(quantize);
  const types = dequantizers.map(typeOf);
  if (result !== 'int8' && result !== 'uint8') return 'its result is not 8-bit';
  // Kernels want one type, but for weights, where uint8 activations take either.
  if (
    types.some(
      (type, index) =>
        type !== result && !(operator.perChannel && index === 1 && result === 'uint8' && type === 'int8'),
    )
  )
    return 'its operands and its result differ in type';
  const reason =
    parameterObstacle(node, [...dequantizers, quantize], operator) ?? schemaObstacle(node, operator, result, target);
  if (reason !== undefined) return reason;
  const bias = integerBias(node, operator, dequantizers);
  if (typeof bias === 'string') return bias;
  const operands = dequantizers.flatMap((each) => [
    each.inputs[0]!,
    each.inputs[1]!,
    each.inputs[2] ?? zero(typeOf(each) === 'int8' ? 'int8' : 'uint8'),
  ]);
  const parameters = [quantize.inputs[1]!, quantize.inputs[2] ?? zero('uint8')];
  // The bias stands last, or before the parameters of the result.
  const biases = bias !== null || (biasAt !== undefined && biasAt < operator.result[0]) ? [bias] : [];
  const [scaleAt] = operator.result;
  const inputs =
    scaleAt === 0
      ? [...parameters, ...operands]
      : scaleAt > (biasAt ?? scaleAt)
        ? [...operands, ...biases, ...parameters]
        : [...operands, ...parameters, ...biases];
  if (domain !== '' && !node.graph.model.opsetImports.has(domain)) editor.setOpsetImport(domain, 1);
  const made = editor.insertNode(
    {
      graph: node.graph,
      domain,
      opType,
      name: node.name,
      inputs,
      outputs: [{ type: quantize.outputs[0]!.type }],
      attributes: keptAttributes(node, operator),
      provenance: [...node.provenance, name],
    },
    quantize,
  );
  replaceQuantizer(quantize, node, made.outputs[0]!, editor);
  return undefined;

  function zero(dtype: 'int8' | 'uint8'): Value {
    const data = dtype === 'int8' ? new Int8Array(1) : new Uint8Array(1);
    return editor.addInitializer(node.graph, tensorFromData(dtype, [], data), 'zero_point');
  }
}

const keptAttributes = (node: Node, { neutral = {} }: IntegerOperator): Attribute[] =>
  [...node.attributes.values()].filter(
    ({ name: key }) => !(key in neutral && getFloat(node, key, undefined) === neutral[key]),
  );

function replaceQuantizer(quantize: Node, node: Node, result: Value, editor: PassContext['editor']): void {
  const old = quantize.outputs[0]!;
  const { name: oldName, pinned } = old;
  editor.replaceAllUses(old, result);
  if (pinned) return;
  editor.eraseNode(quantize);
  editor.eraseNode(node);
  editor.renameValue(result, oldName);
}

/** One scale for each operand; a scale a channel for weights, along their output channels. */
function parameterObstacle(node: Node, nodes: readonly Node[], operator: IntegerOperator): string | undefined {
  for (const [index, each] of nodes.entries()) {
    const scales = scalesOf(each);
    const zeros = zeroPoints(each);
    if (scales === undefined || zeros === undefined) return 'a scale or zero point is not constant';
    if (scales.length === 1) continue;
    if (!operator.perChannel || index !== 1) return 'an activation has a scale a channel';
    const shape = constantTensor(each.inputs[0])?.dims;
    const given = getInt(each, 'axis', 1);
    const axis = given < 0 && shape !== undefined ? given + shape.length : given;
    const isRight = axis === weightAxisOf(operator, node, shape?.length);
    if (!isRight || each.attributes.has('block_size')) return 'the scales of its weights are not those of its outputs';
  }
  return undefined;
}

/** Whether the target has the operator, and the operator the attributes. */
function schemaObstacle(
  node: Node,
  operator: IntegerOperator,
  dtype: DataType,
  target: PassContext['target'],
): string | undefined {
  const { domain, name: opType, result } = operator;
  const opset = domain === '' ? (opsetVersion(node.graph, '') ?? 1) : 1;
  const schema = operatorSchema(domain, opType, opset);
  const hasDomain = domain === '' || target.domains.includes(domain);
  if (schema === undefined || !hasDomain || opType in target.refuses) return `${target.name} does not take ${opType}`;
  // Where the parameters of the result come first, the type asked about would be theirs.
  const asked = result[0] === 0 ? undefined : dtype;
  if (target.runs(domain, opType, opset, asked) === false) return `${target.name} does not run ${opType}`;
  if (operator.bias !== undefined && getFloat(node, 'alpha', 1) !== 1) return 'alpha scales its bias as well';
  const unknown = [...keptAttributes(node, operator)].find(({ name: key }) => !schema.attributes.has(key))?.name;
  return unknown === undefined ? undefined : `${opType} has no ${unknown}`;
}

/** The int32 behind a bias whose scale is the product of the operands' scales; null without a bias; else why not. */
function integerBias(node: Node, { bias: biasAt }: IntegerOperator, operands: readonly Node[]): Value | null | string {
  const bias = biasAt === undefined ? null : (node.inputs[2] ?? null);
  if (bias === null) return null;
  const dequantize = bias.producer;
  const stored = isDequantize(dequantize) ? constantTensor(dequantize.inputs[0]) : undefined;
  if (dequantize === null || stored?.dtype !== 'int32') return 'its bias is not stored in 32 bits';
  const scales = scalesOf(dequantize);
  const [left, right] = operands.map((each) => scalesOf(each)!);
  const products = Float32Array.from(right!, (scale) => scale * left![0]!);
  const agrees =
    scales !== undefined &&
    zeroPoints(dequantize)?.every((zero) => zero === 0) === true &&
    products.every((product, index) => product === scales[scales.length === 1 ? 0 : index]);
  return agrees ? dequantize.inputs[0]! : 'the scale of its bias is not the product of the other two';
}

/** An operator that only moves its data does so with integers. */
function moveIntegers(node: Node, quantize: Node, { editor, target }: PassContext): string | undefined {
  const dequantize = node.inputs[0]?.producer;
  if (!isDequantize(dequantize) || node.outputs.length !== 1) return 'an operand is not read from 8 bits';
  if (!keepsOrder(node) || dataInputs(node).join() !== '0') return 'it does not only move its data';
  const dtype = typeOf(dequantize);
  if (dtype === undefined || dtype !== typeOf(quantize) || !sameParameters(dequantize, quantize))
    return 'the scale changes';
  if (scalesOf(quantize)?.length !== 1) return 'it has a scale a channel';
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (!takes(node, opset, dtype)) return `${node.opType} takes no ${dtype}`;
  if (target.runs(node.domain, node.opType, opset, dtype) === false) return `${target.name} has no kernel for it`;
  const made = editor.insertNode(
    {
      graph: node.graph,
      domain: node.domain,
      opType: node.opType,
      name: node.name,
      inputs: [dequantize.inputs[0]!, ...node.inputs.slice(1)],
      outputs: [{ type: quantize.outputs[0]!.type }],
      attributes: [...node.attributes.values()],
      provenance: [...node.provenance, name],
    },
    quantize,
  );
  replaceQuantizer(quantize, node, made.outputs[0]!, editor);
  return undefined;
}

/** Whether the schema allows the type for the data. */
function takes(node: Node, opset: number, dtype: DataType): boolean {
  const schema = operatorSchema(node.domain, node.opType, opset);
  const type = schema?.inputs[0]?.type;
  return type !== undefined && schema?.typeConstraints[type]?.includes(`tensor(${dtype})`) === true;
}
