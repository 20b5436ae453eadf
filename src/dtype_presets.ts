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
 * How a form is made; undefined for fp32, which is not quantized. The 8-bit ones quantize activations as they come and
 * are written in operators of the standard, since browsers run them in more than one way.
 * @throws DiagnosticError `usage/unknown-dtype`, `quantize/dtype-not-offered` for those that need half precision.
 */
export function dtypeScheme(dtype: string, model: () => Model): WeightScheme | undefined {
  const eightBits = { kind: 'dynamic', form: 'standard', convolutions: true, embeddings: true } as const;
  const known = dtypes.find((each) => each === dtype);
  switch (known) {
    case 'fp32':
      return undefined;
    case 'int8':
      return { ...eightBits, weights: 'int8' };
    case 'uint8':
      return { ...eightBits, weights: 'uint8' };
    case 'q8':
      return { ...eightBits, weights: prefersUnsigned(model()) ? 'uint8' : 'int8' };
    case 'q4':
      return { kind: 'blocks', bits: 4, blockSize: 32 };
    case 'bnb4':
      return { kind: 'bnb4', type: 'nf4', blockSize: 64 };
    case 'fp16':
    case 'q4f16':
      throw new DiagnosticError({
        code: 'quantize/dtype-not-offered',
        message: `${known} needs a conversion to half precision, which is not there yet`,
        help: `Choose one of ${dtypes.filter((each) => !each.endsWith('16')).join(', ')}`,
      });
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

/** Models with these are stored in uint8 under q8: browsers lacked kernels for signed convolution weights. */
const unsignedOperators: ReadonlySet<string> = new Set(['Conv', 'GroupQueryAttention', 'MultiHeadAttention']);

const prefersUnsigned = (model: Model): boolean =>
  [...modelGraphs(model)].some((graph: Graph) => [...graph.nodes].some(({ opType }) => unsignedOperators.has(opType)));
