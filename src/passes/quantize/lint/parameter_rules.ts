import { constantTensor } from '../../../ir/constant.js';
import type { Editor } from '../../../ir/editor.js';
import type { Node, Value } from '../../../ir/graph.js';
import { hasControlFlow, keepsOrder } from '../../../ir/ops/traits.js';
import { type Tensor, tensorData, tensorFromData } from '../../../ir/tensor.js';
import { tensorType } from '../../../ir/value_type.js';
import { isDequantize, isQuantize, sameParameters, scalesOf, zeroPoints } from '../existing_pairs.js';
import { integerOperator as integerOperatorOf, obstacle, spellInFloats } from '../qoperator/qoperator_to_qdq.js';
import { defineLintRule } from './lint_rule.js';
import { eraseUnread, replaceConstant } from './mends.js';

const isEither = (node: Node): boolean => isQuantize(node) || isDequantize(node);

export const differingPair = defineLintRule({
  code: 'lint/pair-differs',
  summary: 'a DequantizeLinear with another scale or zero point than its QuantizeLinear',
  *find(graph) {
    for (const node of graph.nodes) {
      const quantize = node.inputs[0]?.producer;
      if (!isDequantize(node) || !isQuantize(quantize) || sameParameters(quantize, node)) continue;
      yield {
        node,
        why: 'its scale or zero point is not that of the QuantizeLinear before it: the pair changes values beyond rounding',
        mend: 'export the model again, or calibrate the value anew',
      };
    }
  },
});

export const badScale = defineLintRule({
  code: 'lint/bad-scale',
  summary: 'scales that are zero, negative, subnormal or no number',
  *find(graph) {
    for (const node of graph.nodes) {
      const scales = isEither(node) ? scalesOf(node) : undefined;
      const bad = scales?.findIndex((scale) => !(scale >= smallestScale && scale < Number.POSITIVE_INFINITY)) ?? -1;
      if (bad < 0) continue;
      yield {
        node,
        why: `scale ${scales![bad]}${scales!.length > 1 ? ` of channel ${bad}` : ''} is no positive normal number: everything becomes 0, or NaN`,
        mend: 'calibrate the value anew; where it is always 0, scale 1 does',
      };
    }
  },
});

const smallestScale = 2 ** -126;

export const scalePerChannel = defineLintRule({
  code: 'lint/activation-per-channel',
  summary: 'activations with a scale a channel',
  *find(graph) {
    for (const node of graph.nodes) {
      if (!isQuantize(node) || constantTensor(node.inputs[0]) !== undefined) continue;
      if ((scalesOf(node)?.length ?? 1) === 1) continue;
      yield {
        node,
        why: 'an activation has a scale a channel, which integer kernels cannot take out of their sums',
        mend: 'one scale for the whole tensor',
      };
    }
  },
});

export const unsigned = defineLintRule({
  code: 'lint/uint8',
  summary: 'uint8 for a target that takes int8',
  *find(graph, { scheme }) {
    if (!scheme.activation.symmetric || scheme.activation.dtype !== 'int8') return;
    for (const node of graph.nodes) {
      const isStart = isQuantize(node) || (isDequantize(node) && constantTensor(node.inputs[0]) !== undefined);
      if (!isStart || storedType(node) !== 'uint8') continue;
      const parts = pairParts(node);
      yield {
        node,
        why: 'it stores uint8, and the target takes int8',
        mend: 'int8 with the zero point lowered by 128',
        ...(parts !== undefined && {
          fix: { kind: 'exact', apply: (editor: Editor) => toSigned(parts, editor) } as const,
        }),
      };
    }
  },
});

export const zeroPoint = defineLintRule({
  code: 'lint/zero-point',
  summary: 'zero points for a target that takes none',
  *find(graph, { scheme }) {
    if (!scheme.activation.symmetric) return;
    for (const node of graph.nodes) {
      if (!isEither(node)) continue;
      // The middle of uint8 is the zero of int8; that it is uint8 is said by another rule.
      const middle = storedType(node) === 'uint8' ? 128 : 0;
      const off = zeroPoints(node)?.find((zero) => zero !== middle);
      if (off === undefined) continue;
      yield {
        node,
        why: `zero point ${off - middle}: the target takes symmetric ranges only`,
        mend: 'calibrate the value anew for a symmetric range',
      };
    }
  },
});

export const alone = defineLintRule({
  code: 'lint/quantize-alone',
  summary: 'a QuantizeLinear that no DequantizeLinear follows',
  *find(graph, { target }) {
    const takesIntegers = target.refuses['QLinearConv'] === undefined;
    for (const node of graph.nodes) {
      if (!isQuantize(node)) continue;
      const reader = Array.from(node.outputs[0]?.uses ?? []).find((use) =>
        use.kind === 'output' ? !takesIntegers : !readsIntegers(use.user, takesIntegers),
      );
      if (reader === undefined) continue;
      yield {
        node,
        why: `its integers go to ${reader.kind === 'output' ? `the output "${reader.user.name}"` : reader.user.opType}, not to a DequantizeLinear`,
        mend: 'put a DequantizeLinear behind it, or take it away',
      };
    }
  },
});

export const dangling = defineLintRule({
  code: 'lint/dangling',
  summary: 'a QuantizeLinear or DequantizeLinear that nobody reads',
  *find(graph) {
    for (const node of graph.nodes) {
      if (!isEither(node) || node.outputs.some((output) => output !== null && (output.uses.size > 0 || output.pinned)))
        continue;
      yield {
        node,
        why: 'nobody reads it',
        mend: 'take it away',
        fix: { kind: 'exact', apply: (editor) => eraseUnread(node, editor) },
      };
    }
  },
});

export const integerOperator = defineLintRule({
  code: 'lint/integer-operator',
  summary: 'operators on integers for a target that takes Q/DQ pairs only',
  *find(graph, { target, inference }) {
    for (const node of graph.nodes) {
      if (!isIntegerOperator(node) || target.refuses['QLinearConv'] === undefined) continue;
      const operator = integerOperatorOf(node);
      const canSpell = operator !== undefined && obstacle(node, operator, inference) === undefined;
      yield {
        node,
        why: `${target.name} is not given ${node.opType}: ${target.refuses[node.opType] ?? 'it takes Q/DQ pairs only'}`,
        mend: 'spell it as an operator on floats between Q/DQ pairs',
        ...(canSpell && {
          fix: {
            kind: 'harmless',
            apply: (editor: Editor) => {
              spellInFloats(node, { editor, inference, decline: () => undefined, fired: () => undefined });
            },
          } as const,
        }),
      };
    }
  },
});

const isIntegerOperator = ({ opType, domain }: Node): boolean =>
  opType.startsWith('QLinear') ||
  opType === 'ConvInteger' ||
  opType === 'MatMulInteger' ||
  opType.startsWith('DynamicQuantize') ||
  (domain === 'com.microsoft' &&
    (opType.startsWith('MatMulInteger') || /^Q[A-Z]/.test(opType)) &&
    opType !== 'QuickGelu');

const readsIntegers = (node: Node, takesIntegers: boolean): boolean =>
  isDequantize(node) ||
  keepsOrder(node) ||
  hasControlFlow(node) ||
  isIntegerOperator(node) ||
  (takesIntegers && !isQuantize(node));

/** What a Q or DQ node stores: the type of its zero point, or of what it reads. */
export function storedType(node: Node): string | undefined {
  const zero = constantTensor(node.inputs[2]);
  if (zero !== undefined) return zero.dtype;
  if (isQuantize(node)) return node.inputs[2] == null && !node.attributes.has('output_dtype') ? 'uint8' : undefined;
  const type = node.inputs[0]?.type;
  return type?.kind === 'tensor' ? type.dtype : undefined;
}

/** A Q or a constant, with all that reads it, where those are DequantizeLinear alone. */
type PairParts = { readonly start: Node; readonly stored: Value; readonly dequantizers: readonly Node[] };

function pairParts(start: Node): PairParts | undefined {
  const stored = isQuantize(start) ? start.outputs[0] : start.inputs[0];
  if (stored == null || stored.pinned || (isQuantize(start) && start.attributes.has('output_dtype'))) return undefined;
  const readers = Array.from(stored.uses, (use) => (use.kind === 'node' && use.index === 0 ? use.user : undefined));
  const dequantizers = readers.filter(isDequantize);
  if (dequantizers.length !== readers.length) return undefined;
  const nodes = isQuantize(start) ? [start, ...dequantizers] : dequantizers;
  return nodes.every((node) => zeroPoints(node) !== undefined) ? { start, stored, dequantizers } : undefined;
}

function toSigned({ start, stored, dequantizers }: PairParts, editor: Editor): void {
  // Two that read one constant are mended together.
  if (storedType(start) !== 'uint8') return;
  const tensor = constantTensor(stored);
  const readers = isQuantize(start) ? [start, ...dequantizers] : dequantizers;
  if (isQuantize(start)) editor.setType(stored, signedType(stored));
  else if (tensor !== undefined && stored.initializer !== null) {
    const value = editor.addInitializer(stored.graph, lowered(tensor), stored.name);
    for (const node of dequantizers) editor.setInput(node, 0, value);
    if (stored.uses.size === 0) editor.eraseInitializer(stored);
  } else return;
  for (const node of readers) {
    const zero = constantTensor(node.inputs[2]) ?? tensorFromData('uint8', [], new Uint8Array(1));
    replaceConstant(node, 2, lowered(zero), editor);
  }
}

const signedType = ({ type }: Value) => tensorType('int8', type?.kind === 'tensor' ? type.shape : undefined);

const lowered = (tensor: Tensor): Tensor =>
  tensorFromData(
    'int8',
    tensor.dims,
    Int8Array.from(tensorData(tensor) as Uint8Array, (value) => value - 128),
  );
