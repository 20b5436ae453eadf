import { type Attribute, floatAttribute, getFloat, stringAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { scalarValue } from '../../rewrite/scalar.js';

/** Operators that FusedConv applies to what it computes. */
export const fusableActivations = ['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid', 'Clip'] as const;

export type FusedActivation = { readonly name: string; readonly parameters: readonly number[] };

/** The largest float32: what a bound that is left out means. */
const largest = 3.4028234663852886e38;

/** An activation with the numbers it takes, in the order that the operators expect; or why it cannot be one. */
export function fusedActivation(node: Node): FusedActivation | string {
  const name = node.opType;
  switch (name) {
    case 'LeakyRelu':
      return { name, parameters: [getFloat(node, 'alpha', 0.01)] };
    case 'HardSigmoid':
      return { name, parameters: [getFloat(node, 'alpha', 0.2), getFloat(node, 'beta', 0.5)] };
    case 'Clip': {
      const byAttribute = (opsetVersion(node.graph, '') ?? 11) < 11;
      const low = byAttribute ? getFloat(node, 'min', -largest) : bound(node.inputs[1], -largest);
      const high = byAttribute ? getFloat(node, 'max', largest) : bound(node.inputs[2], largest);
      if (low === undefined || high === undefined) return 'its bounds are not constant';
      return low <= high ? { name, parameters: [low, high] } : 'its lower bound is above the upper one';
    }
    default:
      return { name, parameters: [] };
  }
}

const bound = (value: Value | null | undefined, otherwise: number): number | undefined => {
  if (value == null) return otherwise;
  const tensor = constantTensor(value);
  return tensor === undefined ? undefined : scalarValue(tensor);
};

export const convActivationAttributes = ({ name, parameters }: FusedActivation): readonly Attribute[] => [
  stringAttribute('activation', name),
  ...(parameters.length === 0 ? [] : [{ name: 'activation_params', kind: 'floats', value: [...parameters] } as const]),
];

/** Clip is none of those that FusedGemm applies. */
export const gemmActivations = ['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid'] as const;

const gemmNames = ['activation_alpha', 'activation_beta'] as const;

/** FusedGemm has an attribute for each parameter. */
export const gemmActivationAttributes = ({ name, parameters }: FusedActivation): readonly Attribute[] => [
  stringAttribute('activation', name),
  ...parameters.map((value, index) => floatAttribute(gemmNames[index]!, value)),
];
