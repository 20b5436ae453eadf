import type { Node } from '../graph.js';
import { schemaDomain } from './operator_schema.js';

/** How an attribute says which element type outputs have. */
export type OutputTypeAttribute = {
  readonly name: string;
  /** `code`: a `TensorProto.DataType`; `tensor`: the type of the tensor it holds. */
  readonly form: 'code' | 'tensor';
  readonly outputs: readonly number[];
  /** The input whose type the outputs have while the attribute is absent or 0. */
  readonly follows?: number;
  /** Kernels want that input and the outputs in one type, attribute or not. */
  readonly together?: true;
  /** It says in which type the node computes as well, so that it is not to be changed for the outputs alone. */
  readonly isPrecision?: true;
};

const code = (name: string): OutputTypeAttribute => ({ name, form: 'code', outputs: [0] });

/** By domain, then operator. Before the opset that brought the attribute, the schema has none of its name. */
const attributes: Readonly<Record<string, Readonly<Record<string, OutputTypeAttribute>>>> = {
  '': {
    Bernoulli: { ...code('dtype'), follows: 0 },
    BlackmanWindow: code('output_datatype'),
    Cast: code('to'),
    ConstantOfShape: { name: 'value', form: 'tensor', outputs: [0] },
    DequantizeLinear: { ...code('output_dtype'), follows: 1, together: true },
    EyeLike: { ...code('dtype'), follows: 0 },
    HammingWindow: code('output_datatype'),
    HannWindow: code('output_datatype'),
    LayerNormalization: { name: 'stash_type', form: 'code', outputs: [1, 2], isPrecision: true },
    MelWeightMatrix: code('output_datatype'),
    RandomNormal: code('dtype'),
    RandomNormalLike: { ...code('dtype'), follows: 0 },
    RandomUniform: code('dtype'),
    RandomUniformLike: { ...code('dtype'), follows: 0 },
  },
};

/** The attribute that names the type of some outputs of a node; undefined where the operator has none. */
export function outputTypeAttribute({
  domain,
  opType,
}: Pick<Node, 'domain' | 'opType'>): OutputTypeAttribute | undefined {
  const operators = attributes[schemaDomain(domain)];
  return operators !== undefined && Object.hasOwn(operators, opType) ? operators[opType] : undefined;
}
