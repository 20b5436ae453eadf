// LayerNormalization, RMSNormalization, GroupNormalization of the standard; SimplifiedLayerNormalization;
// SkipLayerNormalization, SkipSimplifiedLayerNormalization, EmbedLayerNormalization of com.microsoft
import { type Attribute, floatAttribute, getFloat, getInt, intAttribute } from '../../../ir/attribute.js';
import { type DataType, dataTypeOfCode } from '../../../ir/data_type.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import { floatScalar, floatsOf } from '../opset/scalar_tensor.js';
import { floatTypeOf } from './activations.js';
import type { Spelling } from './spelling.js';
import { inputOf, isRead, type Unfusing } from './unfusing.js';

type Form = {
  readonly dtype: DataType;
  /** The type that means are taken in. */
  readonly stash: DataType;
  readonly axes: readonly number[];
  readonly epsilon: number;
};

function formOf(node: Node, x: Value, epsilon: number, context: CheckContext): Form | string {
  const dtype = floatTypeOf(x, context);
  const rank = context.inference.shapeOf(x)?.length;
  const stash = dataTypeOfCode(getInt(node, 'stash_type', 1));
  if (dtype === undefined || rank === undefined) return 'the type or rank of its input is not known';
  const axis = normalAxis(getInt(node, 'axis', -1), rank);
  if (stash === undefined || floatScalar(stash, 0) === undefined || axis === undefined) {
    return 'its axis or the type of its statistics is not valid';
  }
  // A double is not rounded to float for its mean by any runtime, which is what the default of 1 would say.
  const axes = Array.from({ length: rank - axis }, (_, index) => axis + index);
  return { dtype, stash: dtype === 'double' ? 'double' : stash, axes, epsilon: getFloat(node, 'epsilon', epsilon) };
}

/** (x − mean x) / √(var x + ε) · scale + bias */
function layerNormalization(x: Value, scale: Value, bias: Value | null, form: Form, spelling: Spelling): Value {
  const operands = bias === null ? [x, scale] : [x, scale, bias];
  if (spelling.offers('LayerNormalization')) return spelling.op('LayerNormalization', operands, ...attributesOf(form));
  const precise = spelling.cast(x, form.dtype, form.stash);
  const centred = spelling.op('Sub', [precise, spelling.reduceMean(precise, form.axes)]);
  const normalized = spelling.cast(divided(centred, form, spelling), form.stash, form.dtype);
  const scaled = spelling.op('Mul', [normalized, scale]);
  return bias === null ? scaled : spelling.op('Add', [scaled, bias]);
}

/** x / √(mean x² + ε) · scale */
function rmsNormalization(x: Value, scale: Value, form: Form, spelling: Spelling): Value {
  if (spelling.offers('RMSNormalization')) return spelling.op('RMSNormalization', [x, scale], ...attributesOf(form));
  const normalized = divided(spelling.cast(x, form.dtype, form.stash), form, spelling);
  return spelling.op('Mul', [spelling.cast(normalized, form.stash, form.dtype), scale]);
}

function divided(x: Value, { stash, axes, epsilon }: Form, spelling: Spelling): Value {
  const square = spelling.reduceMean(spelling.op('Mul', [x, x]), axes);
  const root = spelling.op('Sqrt', [spelling.op('Add', [square, spelling.number(stash, epsilon, 'epsilon')])]);
  return spelling.op('Div', [x, root]);
}

const attributesOf = ({ axes, epsilon }: Form): readonly Attribute[] => [
  intAttribute('axis', axes[0]!),
  floatAttribute('epsilon', epsilon),
];

const asked = (node: Node, ...outputs: readonly number[]): string | undefined =>
  outputs.some((index) => isRead(node, index)) ? 'its statistics are asked for' : undefined;

const plain = (opType: string, spell: 'layer' | 'rms'): Unfusing => ({
  domain: '',
  opType,
  plan(node, context) {
    const [x, scale, bias] = [0, 1, 2].map((index) => inputOf(node, index));
    if (x == null || scale == null) return 'an input is missing';
    const form = formOf(node, x, Math.fround(1e-5), context);
    if (typeof form === 'string') return form;
    return (
      asked(node, 1, 2) ??
      ((spelling) => [
        spell === 'layer'
          ? layerNormalization(x, scale, bias ?? null, form, spelling)
          : rmsNormalization(x, scale, form, spelling),
      ])
    );
  },
});

/** The sum of input, skip and bias is the fourth output. */
const ofSum = (opType: string, spell: 'layer' | 'rms'): Unfusing => ({
  domain: 'com.microsoft',
  opType,
  plan(node, context) {
    const [x, skip, scale] = [0, 1, 2].map((index) => inputOf(node, index));
    if (x == null || skip == null || scale == null) return 'an input is missing';
    const shift = spell === 'layer' ? inputOf(node, 3) : null;
    const bias = inputOf(node, spell === 'layer' ? 4 : 3);
    const form = formOf(node, x, Math.fround(1e-12), context);
    if (typeof form === 'string') return form;
    const statistics = asked(node, 1, 2);
    if (statistics !== undefined) return statistics;
    return (spelling) => {
      const pair = spelling.op('Add', [x, skip]);
      const sum = bias === null ? pair : spelling.op('Add', [pair, bias]);
      const normalized =
        spell === 'layer'
          ? layerNormalization(sum, scale, shift, form, spelling)
          : rmsNormalization(sum, scale, form, spelling);
      return [normalized, null, null, isRead(node, 3) ? sum : null];
    };
  },
});

const groupNormalization: Unfusing = {
  domain: '',
  opType: 'GroupNormalization',
  plan(node, context) {
    const [x, scale, bias] = [0, 1, 2].map((index) => inputOf(node, index));
    if (x == null || scale == null || bias == null) return 'an input is missing';
    const { inference } = context;
    const shape = inference.shapeOf(x);
    const dtype = floatTypeOf(x, context);
    const groups = getInt(node, 'num_groups', 0);
    if (dtype === undefined || shape === undefined) return 'the type or rank of its input is not known';
    const byChannel = (opsetVersion(node.graph, '') ?? 21) >= 21;
    const stash = byChannel ? dataTypeOfCode(getInt(node, 'stash_type', 1)) : dtype;
    if (stash === undefined || floatScalar(stash, 0) === undefined) return 'the type of its statistics is not valid';
    const epsilon = floatAttribute('epsilon', getFloat(node, 'epsilon', Math.fround(1e-5)));
    const isFixed = shape.filter((dim) => typeof dim !== 'number').length <= 1 && !shape.includes(0);
    return (spelling) => {
      const grouped = spelling.cast(spelling.reshape(x, [0, groups, -1]), dtype, stash);
      const filled = (value: number, name: string) => spelling.constant(floatsOf(stash, [groups], value)!, name);
      const operands = byChannel ? [filled(1, 'scale'), filled(0, 'bias')] : [scale, bias];
      const normalized = spelling.op('InstanceNormalization', [grouped, ...operands], epsilon);
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : -1));
      const back = isFixed ? spelling.int64(dims, 'shape') : spelling.op('Shape', [x]);
      const allowZero = isFixed ? [] : [intAttribute('allowzero', 1)];
      const result = spelling.cast(spelling.op('Reshape', [normalized, back], ...allowZero), stash, dtype);
      if (!byChannel) return [result];
      const column = [-1, ...Array.from({ length: shape.length - 2 }, () => 1)];
      const scaled = spelling.op('Mul', [result, spelling.reshape(scale, column)]);
      return [spelling.op('Add', [scaled, spelling.reshape(bias, column)])];
    };
  },
};

const embedLayerNormalization: Unfusing = {
  domain: 'com.microsoft',
  opType: 'EmbedLayerNormalization',
  plan(node, context) {
    const [ids, segments, words, positions, segmentTable, scale, shift, , positionIds] = Array.from(
      { length: 9 },
      (_, index) => inputOf(node, index),
    );
    if (ids == null || words == null || positions == null || scale == null || shift == null)
      return 'an input is missing';
    if (isRead(node, 1)) return 'its mask index is asked for';
    const dtype = floatTypeOf(words, context);
    if (dtype === undefined) return 'the type of its tables is not known';
    const form: Form = { dtype, stash: 'float', axes: [2], epsilon: getFloat(node, 'epsilon', Math.fround(1e-12)) };
    return (spelling) => {
      const from = (table: Value, rows: Value) => spelling.op('Gather', [table, rows]);
      const places =
        positionIds == null
          ? spelling.op('Slice', [
              positions,
              spelling.int64([0], 'start'),
              spelling.size(ids, 1),
              spelling.int64([0], 'axis'),
            ])
          : from(positions, positionIds);
      const placed = spelling.op('Add', [from(words, ids), places]);
      const isSegmented = segments != null && segmentTable != null;
      const sum = isSegmented ? spelling.op('Add', [placed, from(segmentTable, segments)]) : placed;
      return [layerNormalization(sum, scale, shift, form, spelling), null, isRead(node, 2) ? sum : null];
    };
  },
};

export const normalizationUnfusings: readonly Unfusing[] = [
  plain('LayerNormalization', 'layer'),
  plain('RMSNormalization', 'rms'),
  plain('SimplifiedLayerNormalization', 'rms'),
  groupNormalization,
  ofSum('SkipLayerNormalization', 'layer'),
  ofSum('SkipSimplifiedLayerNormalization', 'rms'),
  embedLayerNormalization,
];
