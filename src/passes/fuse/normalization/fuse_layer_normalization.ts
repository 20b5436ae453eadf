// (x − mean) / √(variance + epsilon) · scale => LayerNormalization(x, scale), along the last axes
// x / √(mean of x² + epsilon) · scale => RMSNormalization(x, scale)
// Needs: mean and variance along the same last axes, which stay as axes of size 1, and a scale of just those axes; without
// one, sizes that are known, for a scale of ones.
import { floatAttribute, getInt, intAttribute } from '../../../ir/attribute.js';
import { dataTypeCode } from '../../../ir/data_type.js';
import type { Node, Use, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount } from '../../../ir/tensor.js';
import { staticShape } from '../../../ir/value_type.js';
import { floatsOf } from '../../legalize/opset/scalar_tensor.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { isOperator } from '../../rewrite/operator.js';
import { type NodePattern, search } from '../../rewrite/pattern.js';
import { isLastAxes } from '../../rewrite/reduction.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder, type Rewrite } from '../../rewrite/rewrite.js';
import { alongAxes, type Fitted } from './along_axes.js';
import { type Normalized, normalizedOf, scatteredOf } from './normalized.js';

type Match = { readonly normalized: Normalized & { readonly offset?: Value } };

/** A scale of ones is made up to this size. */
const mostOnes = 1 << 16;

export const normalizationPattern: NodePattern<Match> = search(['Mul', 'Div'], (root, { inference }) => {
  const normalized = normalizedOf(root.outputs[0]!, inference);
  return typeof normalized === 'string' ? normalized : { captures: { normalized }, nodes: normalized.nodes };
});

const scatteredPattern: NodePattern<Match> = search('Add', (root, { inference }) => {
  const normalized = scatteredOf(root, inference);
  return typeof normalized === 'string' ? normalized : { captures: { normalized }, nodes: normalized.nodes };
});

type Kind = {
  readonly opType: 'LayerNormalization' | 'RMSNormalization';
  readonly since: number;
  readonly isCentred: boolean;
};

const layer: Kind = { opType: 'LayerNormalization', since: 17, isCentred: true };
const rms: Kind = { opType: 'RMSNormalization', since: 23, isCentred: false };

export const fuseLayerNormalization = fuseInto(
  layer,
  'fuse-layer-normalization',
  '(x − mean) / √(variance + ε) · scale => LayerNormalization(x, scale)',
  normalizationPattern,
);

export const fuseScatteredLayerNormalization = fuseInto(
  layer,
  'fuse-scattered-layer-normalization',
  'x · s + (bias − mean · s), s = scale / √(variance + ε) => LayerNormalization(x, scale, bias)',
  scatteredPattern,
);

export const fuseRmsNormalization = fuseInto(
  rms,
  'fuse-rms-normalization',
  'x / √(mean of x² + ε) · scale => RMSNormalization(x, scale)',
  normalizationPattern,
);

function fuseInto(kind: Kind, name: string, summary: string, pattern: NodePattern<Match>): Rewrite<Match> {
  const { opType, since } = kind;
  return defineRewrite<Match>({
    name,
    summary,
    licence: 'reassociates',
    opset: since,
    pattern,
    replacesInner: ({ normalized }) => innerResults(normalized),
    check({ normalized }, context, root) {
      const obstacle = castObstacle(normalized, root, context) ?? shapeObstacle(normalized, kind, context);
      return obstacle ?? offerObstacle(root, { opType, since, of: normalized.x }, context);
    },
    rewrite({ normalized }, build, { inference }) {
      const { x, castTo, axes, epsilon } = normalized;
      const inner = innerResults(normalized);
      const node = build.node(opType, [x, ...operands(normalized, inference).map((fitted) => fitted(build))], {
        attributes: [intAttribute('axis', -axes.length), floatAttribute('epsilon', epsilon)],
        outputs: inner.length > 0 ? [{}, {}, {}] : [{}],
      });
      const [result = null, mean = null, inverse = null] = node.outputs;
      // The casts up and down again go away with other casts that lose nothing.
      const up = castTo && [intAttribute('to', dataTypeCode(castTo))];
      const first = up === undefined || result === null ? result : build.op('Cast', [result], { attributes: up });
      return [first, ...inner.map((value) => (value === normalized.mean ? mean : inverse))];
    },
  });
}

/** Mean and inverse deviation, where others read them: LayerNormalization gives them as well. */
function innerResults({ isCentred, mean, inverse, nodes }: Normalized): readonly Value[] {
  const isRead = (value: Value | undefined): value is Value =>
    [...(value?.uses ?? [])].some((use) => use.kind === 'output' || !nodes.includes(use.user));
  return isCentred ? [mean, inverse].filter(isRead) : [];
}

/** What is cast to a wider type in between has to be cast back: then no more is lost than the narrow type loses. */
function castObstacle({ x, castTo, scales }: Normalized, root: Node, { inference }: CheckContext): string | undefined {
  if (castTo === undefined) return undefined;
  const dtype = inference.dtypeOf(x);
  const isWider = (dtype === 'float16' || dtype === 'bfloat16') && (castTo === 'float' || castTo === 'double');
  const isBack = (use: Use): boolean =>
    use.kind === 'node' && isOperator(use.user, 'Cast') && getInt(use.user, 'to', 0) === dataTypeCode(dtype!);
  if (!isWider || scales.length > 0 || ![...root.outputs[0]!.uses].every(isBack)) return 'it goes on in another type';
  return undefined;
}

function shapeObstacle(normalized: Match['normalized'], kind: Kind, { inference }: CheckContext): string | undefined {
  const { x, axes, rank, isCentred, scales, coefficient, offset } = normalized;
  if (isCentred !== kind.isCentred) return isCentred ? 'the mean is taken away' : 'the mean is not taken away';
  if (!isLastAxes(axes, rank)) return `axes ${axes.join(', ')} are not the last of ${rank}`;
  const dtype = inference.dtypeOf(x);
  // The operators compute their statistics in float32.
  if (dtype !== 'float' && dtype !== 'float16' && dtype !== 'bfloat16')
    return `it is computed in ${dtype ?? 'an unknown type'}`;
  if (scales.length > 1 || (scales.length === 1 && coefficient !== 1)) return 'it is scaled more than once';
  const shape = inference.shapeOf(x)!;
  const from = rank - axes.length;
  // Runtimes refuse to normalize over nothing, which the arithmetic does without complaint.
  if (shape.slice(from).includes(0)) return 'a normalized axis is empty';
  for (const value of [...scales, ...(offset === undefined ? [] : [offset])]) {
    if (alongAxes(value, shape, { from }, inference) === undefined) {
      return `"${value.name}" is not known to have just the normalized axes`;
    }
  }
  if (scales.length > 0) return undefined;
  const dims = staticShape(shape.slice(from));
  if (dims === undefined) return 'there is no scale, and the size of the normalized axes is not known';
  return elementCount(dims) > mostOnes ? 'a scale of ones would be too large' : undefined;
}

/** Scale and, where there is one, bias. */
function operands({ x, axes, rank, scales, coefficient, offset }: Match['normalized'], inference: Inference): Fitted[] {
  const shape = inference.shapeOf(x)!;
  const from = rank - axes.length;
  const fitted = (value: Value): Fitted => alongAxes(value, shape, { from }, inference)!;
  const [scale] = scales;
  const ones = (build: ReplacementBuilder): Value =>
    build.constant(floatsOf(inference.dtypeOf(x)!, staticShape(shape.slice(from))!, coefficient)!, 'scale');
  return [scale === undefined ? ones : fitted(scale), ...(offset === undefined ? [] : [fitted(offset)])];
}
