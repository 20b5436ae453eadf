// com.microsoft FusedConv, FusedGemm, FusedMatMul, TransposeMatMul => the layer, and the activation behind it
import { type Attribute, floatAttribute, getFloat, getFloats, getInt, getString } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { operatorSchema } from '../../../ir/ops/operator_schema.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import { floatTypeOf } from './activations.js';
import type { Spelling } from './spelling.js';
import { inputOf, type Unfusing } from './unfusing.js';

const domain = 'com.microsoft';

/** Activations that a convolution is fused with, and what their parameters are called. */
const convActivations: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Sigmoid: [],
  Tanh: [],
  LeakyRelu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
  Clip: ['min', 'max'],
};

const fusedConv: Unfusing = {
  domain,
  opType: 'FusedConv',
  plan(node, context) {
    const [x, w, bias, z] = [0, 1, 2, 3].map((index) => inputOf(node, index));
    if (x == null || w == null) return 'an input is missing';
    const name = getString(node, 'activation', '');
    const parameters = name === '' ? [] : convActivations[name];
    const values = getFloats(node, 'activation_params', []);
    if (parameters === undefined || values.length !== parameters.length) return `its activation is ${name}(${values})`;
    const dtype = floatTypeOf(x, context);
    if (dtype === undefined) return 'the type of its input is not known';
    return (spelling) => {
      const attributes = [...node.attributes.values()].filter((each) => !each.name.startsWith('activation'));
      const convolved = spelling.op('Conv', bias === null ? [x, w] : [x, w, bias!], ...attributes);
      const sum = z == null ? convolved : spelling.op('Add', [convolved, z]);
      if (name === '') return [sum];
      if (name === 'Clip') return [spelling.op('Clip', [sum, ...values.map((each) => spelling.number(dtype, each))])];
      const shape = parameters.map((parameter, index) => floatAttribute(parameter, values[index]!));
      return [spelling.op(name, [sum], ...shape)];
    };
  },
};

const gemmActivations = ['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid', 'Elu', 'Softplus', 'Softsign'] as const;

const fusedGemm: Unfusing = {
  domain,
  opType: 'FusedGemm',
  plan(node) {
    const name = getString(node, 'activation', '');
    if (!gemmActivations.some((each) => each === name)) return `its activation is ${name}`;
    const parameters = operatorSchema('', name, 11)!.attributes;
    const shape: Attribute[] = [];
    for (const parameter of parameters.keys()) {
      const value = getFloat(node, `activation_${parameter}`, undefined);
      if (value === undefined) return `it does not tell ${parameter} of its activation`;
      shape.push(floatAttribute(parameter, value));
    }
    return (spelling) => {
      const attributes = [...node.attributes.values()].filter((each) => !each.name.startsWith('activation'));
      return [spelling.op(name, [spelling.op('Gemm', node.inputs, ...attributes)], ...shape)];
    };
  },
};

const fusedMatMul = (opType: string): Unfusing => ({
  domain,
  opType,
  plan(node, context) {
    const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
    if (a === null || b === null) return 'an input is missing';
    const dtype = floatTypeOf(a, context);
    const alpha = getFloat(node, 'alpha', 1);
    if (dtype === undefined) return 'the type of its operands is not known';
    const left = order(node, a, 'A', context);
    const right = order(node, b, 'B', context);
    if (left === undefined || right === undefined) return 'how many axes it transposes is not known';
    return (spelling) => {
      // In front of the product: behind it, a scale keeps attention from being recognised.
      const scaled = alpha === 1 ? a : spelling.op('Mul', [a, spelling.number(dtype, alpha)]);
      return [spelling.op('MatMul', [turned(scaled, left, spelling), turned(b, right, spelling)])];
    };
  },
});

/** The axes of an operand as a product takes them; undefined where they are not known. */
function order(node: Node, value: Value, side: 'A' | 'B', { inference }: CheckContext): readonly number[] | undefined {
  const ofBatch = getInt(node, `transBatch${side}`, 0) !== 0;
  const ofMatrix = getInt(node, `trans${side}`, 0) !== 0;
  if (!ofBatch && !ofMatrix) return [];
  const rank = inference.shapeOf(value)?.length;
  if (rank === undefined || rank < 2) return undefined;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  // The first axis and those of the batch change places.
  if (ofBatch) axes.splice(rank - 2, 0, axes.shift()!);
  if (ofMatrix) axes.push(...axes.splice(rank - 2).reverse());
  return axes;
}

const turned = (value: Value, perm: readonly number[], spelling: Spelling): Value =>
  perm.every((axis, index) => axis === index) ? value : spelling.transpose(value, perm);

export const layerUnfusings: readonly Unfusing[] = [
  fusedConv,
  fusedGemm,
  fusedMatMul('FusedMatMul'),
  fusedMatMul('TransposeMatMul'),
];
