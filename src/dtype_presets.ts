import { DiagnosticError } from './ir/diagnostic.js';
import type { Graph, Model } from './ir/graph.js';
import { modelGraphs } from './ir/traversal.js';
import type { WeightScheme } from './quantize_weights.js';

/** The forms of a model that transformers.js loads, by the names it gives them. */
export const dtypes = ['fp32', 'fp16', 'int8', 'uint8', 'q8', 'q4', 'q4f16', 'bnb4'] as const;

export type Dtype = (typeof dtypes)[number];

/** What transformers.js looks for behind the name of a model: `model_q4.onnx`, its data in `model_q4.onnx_data`. */
const suffixes: Readonly<Record<Dtype, string>> = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  uint8: '_uint8',
  q8: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
};

export const dtypeFileName = (stem: string, dtype: Dtype): string => `${stem}${suffixes[dtype]}.onnx`;

export const dtypeDataSuffix = '_data';

/**
 * How a form is made; undefined for fp32 and fp16, which are not quantized. The 8-bit ones quantize activations as they come and
 * are written in operators of the standard, since browsers run them in more than one way.
 * @throws DiagnosticError `usage/unknown-dtype`.
 */
export function dtypeScheme(dtype: string, model: () => Model): WeightScheme | undefined {
  const eightBits = { kind: 'dynamic', form: 'standard', convolutions: true, embeddings: true } as const;
  const known = dtypes.find((each) => each === dtype);
  switch (known) {
    case 'fp32':
    case 'fp16':
      return undefined;
    case 'int8':
      return { ...eightBits, weights: 'int8' };
    case 'uint8':
      return { ...eightBits, weights: 'uint8' };
    case 'q8':
      return { ...eightBits, weights: prefersUnsigned(model()) ? 'uint8' : 'int8' };
    case 'q4':
    case 'q4f16':
      return { kind: 'blocks', bits: 4, blockSize: 32 };
    case 'bnb4':
      return { kind: 'bnb4', type: 'nf4', blockSize: 64 };
    case undefined:
      throw new DiagnosticError({
        code: 'usage/unknown-dtype',
        message: `there is no dtype "${dtype}"`,
        help: `Choose one of ${dtypes.join(', ')}`,
      });
    default:
      throw known satisfies never;
  }
}

/** The forms whose activations are float16, inputs and outputs of the model apart. */
export const isHalfDtype = (dtype: Dtype | undefined): boolean => dtype === 'fp16' || dtype === 'q4f16';

/** Models with these are stored in uint8 under q8: browsers lacked kernels for signed convolution weights. */
const unsignedOperators: ReadonlySet<string> = new Set(['Conv', 'GroupQueryAttention', 'MultiHeadAttention']);

const prefersUnsigned = (model: Model): boolean =>
  [...modelGraphs(model)].some((graph: Graph) => [...graph.nodes].some(({ opType }) => unsignedOperators.has(opType)));
