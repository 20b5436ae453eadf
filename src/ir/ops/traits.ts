import { getInt, getString, subgraphs } from '../attribute.js';
import { constantTensor } from '../constant.js';
import { calledFunction, type Graph, type Node, opsetVersion } from '../graph.js';
import { tensorIntegers } from '../tensor.js';
import { operatorSchema } from './operator_schema.js';

/** What rewriting may assume of an operator. All that is left out is false. */
export type OperatorTraits = {
  /**
   * Each element of its one result depends on the elements at its own position alone, the inputs broadcast against
   * each other. `unary` operators may have further inputs that are scalars or only lend their type.
   */
  readonly elementwise?: 'unary' | 'binary' | 'variadic';
  /**
   * Whether the two inputs can change places. `integers`: of floats 0 and −0, either may come out, by their order.
   * With more than two inputs, the order of a sum decides its rounding.
   */
  readonly commutative?: 'always' | 'integers';
  /**
   * Has a result for all inputs of the types that its schema allows, so that computing it where it was not asked for
   * can do no harm; for `binary` operators, whenever the shapes broadcast.
   */
  readonly total?: true;
  /** Fails at run time for data, weights or state of other ranks than it is defined for, which inference reports. */
  readonly fixedRank?: true;
  /** Below this opset, which outputs a node has decides what it computes. */
  readonly outputsDecideBelow?: number;
  readonly source?: ElementSource | ((node: Node) => ElementSource | undefined);
  readonly random?: 'always' | 'training';
  readonly controlFlow?: boolean;
  /** Does more than compute its outputs from its inputs, or means more than its schema says. */
  readonly effects?: boolean;
};

/**
 * Where the elements of the results come from.
 * - `rearranged`: each element of the data inputs is found in the results exactly once, unchanged.
 * - `picked`: each is an element of the data inputs, unchanged; some are dropped or repeated, by position.
 * - `filled`: as picked, with a constant where the data end.
 * - `compared`: as picked, by the order of the elements, so that it commutes with whatever keeps that order.
 * - `bounded`: within the range of the data, and computed all the same.
 */
export type ElementSource = {
  readonly kind: 'rearranged' | 'picked' | 'filled' | 'compared' | 'bounded';
  /** The inputs that hold the data; the rest are indices, shapes and such. */
  readonly data: readonly number[] | 'all';
};

const first = (kind: ElementSource['kind']): ElementSource => ({ kind, data: [0] });

const plain: OperatorTraits = {};
const unary: OperatorTraits = { elementwise: 'unary' };
const totalUnary: OperatorTraits = { elementwise: 'unary', total: true };
const binary: OperatorTraits = { elementwise: 'binary' };
const totalBinary: OperatorTraits = { elementwise: 'binary', total: true };
const commutative: OperatorTraits = { elementwise: 'binary', total: true, commutative: 'always' };
const random: OperatorTraits = { random: 'always' };
const dropout: OperatorTraits = { random: 'training' };
const controlFlow: OperatorTraits = { controlFlow: true };
const effects: OperatorTraits = { effects: true };
const fixedRank: OperatorTraits = { fixedRank: true };
const rearranged: OperatorTraits = { source: first('rearranged') };
const picked: OperatorTraits = { source: first('picked') };
const filled: OperatorTraits = { source: first('filled') };
const compared: OperatorTraits = { source: first('compared') };
const bounded: OperatorTraits = { source: first('bounded') };

/** Updates that are added to what they meet are computed. */
const updated: OperatorTraits = {
  source: (node) => (word(node, 'reduction', 'none') === 'none' ? { kind: 'picked', data: [0, 2] } : undefined),
};

const padded: OperatorTraits = {
  source: (node) => first(['edge', 'reflect', 'wrap'].includes(word(node, 'mode', 'constant')) ? 'picked' : 'filled'),
};

/** Cubic interpolation overshoots, and cropping past the end takes up another number. */
const resized: OperatorTraits = {
  source(node) {
    const extrapolates = word(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
    const mode = word(node, 'mode', 'nearest');
    if (extrapolates || !['nearest', 'linear', 'bilinear'].includes(mode)) return undefined;
    return first(mode === 'nearest' ? 'picked' : 'bounded');
  },
};

/** Padding that counts pulls averages towards 0. */
const averaged: OperatorTraits = {
  source(node) {
    const counts = node.attributes.has('count_include_pad') && getInt(node, 'count_include_pad', 1) !== 0;
    return counts ? undefined : first('bounded');
  },
};

/**
 * By domain, then operator. An operator with none of the traits is not listed. `source` speaks of the first result, and
 * of all results of Split; results such as indices and masks have none.
 */
export const operatorTraitTable: Readonly<Record<string, Readonly<Record<string, OperatorTraits>>>> = {
  '': {
    Abs: totalUnary,
    Acos: totalUnary,
    Acosh: totalUnary,
    Asin: totalUnary,
    Asinh: totalUnary,
    Atan: totalUnary,
    Atanh: totalUnary,
    BitCast: unary,
    BitwiseNot: totalUnary,
    Cast: unary,
    CastLike: unary,
    Ceil: totalUnary,
    Celu: totalUnary,
    Clip: unary,
    Cos: totalUnary,
    Cosh: totalUnary,
    Elu: totalUnary,
    Erf: totalUnary,
    Exp: totalUnary,
    Floor: totalUnary,
    Gelu: totalUnary,
    HardSigmoid: totalUnary,
    HardSwish: totalUnary,
    Identity: { elementwise: 'unary', total: true, source: first('rearranged') },
    IsInf: totalUnary,
    IsNaN: totalUnary,
    LeakyRelu: totalUnary,
    Log: totalUnary,
    Mish: totalUnary,
    Neg: totalUnary,
    Not: totalUnary,
    Reciprocal: totalUnary,
    RegexFullMatch: unary,
    Relu: totalUnary,
    Round: totalUnary,
    Selu: totalUnary,
    Shrink: totalUnary,
    Sigmoid: totalUnary,
    Sign: totalUnary,
    Sin: totalUnary,
    Sinh: totalUnary,
    Softplus: totalUnary,
    Softsign: totalUnary,
    Sqrt: totalUnary,
    Swish: totalUnary,
    Tan: totalUnary,
    Tanh: totalUnary,
    ThresholdedRelu: totalUnary,

    Add: commutative,
    And: commutative,
    BitShift: binary,
    BitwiseAnd: commutative,
    BitwiseOr: commutative,
    BitwiseXor: commutative,
    Div: binary,
    Equal: commutative,
    Greater: totalBinary,
    GreaterOrEqual: totalBinary,
    Less: totalBinary,
    LessOrEqual: totalBinary,
    Mod: binary,
    Mul: commutative,
    Or: commutative,
    PRelu: binary,
    Pow: binary,
    StringConcat: binary,
    Sub: totalBinary,
    SwiGLU: binary,
    Xor: commutative,

    Max: { elementwise: 'variadic', commutative: 'integers', source: { kind: 'compared', data: 'all' } },
    Mean: { elementwise: 'variadic', source: { kind: 'bounded', data: 'all' } },
    Min: { elementwise: 'variadic', commutative: 'integers', source: { kind: 'compared', data: 'all' } },
    Sum: { elementwise: 'variadic', commutative: 'always' },
    Where: { elementwise: 'variadic', source: { kind: 'picked', data: [1, 2] } },

    Concat: { source: { kind: 'rearranged', data: 'all' } },
    DepthToSpace: rearranged,
    Flatten: rearranged,
    Reshape: rearranged,
    ReverseSequence: rearranged,
    SpaceToDepth: rearranged,
    Split: rearranged,
    Squeeze: rearranged,
    Transpose: { source: first('rearranged'), total: true },
    Unsqueeze: rearranged,

    Shape: { total: true },
    Size: { total: true },

    Compress: picked,
    Expand: picked,
    Gather: picked,
    GatherElements: picked,
    GatherND: picked,
    Resize: resized,
    Scatter: updated,
    ScatterElements: updated,
    ScatterND: updated,
    Slice: picked,
    TensorScatter: { source: { kind: 'picked', data: [0, 1] } },
    Tile: picked,
    Upsample: resized,

    CenterCropPad: filled,
    MaxUnpool: filled,
    Pad: padded,
    Trilu: filled,

    GlobalMaxPool: compared,
    MaxPool: compared,
    ReduceMax: compared,
    ReduceMin: compared,
    TopK: compared,

    AveragePool: averaged,
    GlobalAveragePool: bounded,
    ReduceMean: bounded,
    Unique: bounded,

    BatchNormalization: { outputsDecideBelow: 14 },

    Conv: fixedRank,
    ConvTranspose: fixedRank,
    GRU: fixedRank,
    LSTM: fixedRank,
    RNN: fixedRank,

    Bernoulli: random,
    Multinomial: random,
    RandomNormal: random,
    RandomNormalLike: random,
    RandomUniform: random,
    RandomUniformLike: random,
    Dropout: dropout,

    If: controlFlow,
    Loop: controlFlow,
    Scan: controlFlow,
    SequenceMap: controlFlow,
  },
  'ai.onnx.ml': {
    Binarizer: unary,
    CategoryMapper: unary,
    LabelEncoder: unary,
  },
  'ai.onnx.preview': {
    FlexAttention: controlFlow,
  },
  'ai.onnx.preview.training': {
    // Its attributes name values of the graph around it.
    Gradient: effects,
  },
  'com.microsoft': {
    Gelu: unary,
    QuickGelu: unary,

    ExpandDims: rearranged,
    GatherND: picked,
    UnfoldTensor: picked,
    Pad: padded,
    Trilu: filled,
    NhwcMaxPool: compared,
    Unique: bounded,

    BiasDropout: dropout,
    BitmaskBiasDropout: dropout,
    BitmaskDropout: dropout,

    BeamSearch: controlFlow,
    GreedySearch: controlFlow,
    Sampling: { controlFlow: true, random: 'always' },
    WhisperBeamSearch: controlFlow,

    // Holds or names code compiled for one device.
    EPContext: effects,
    Snpe: effects,
    // Writes its key and value caches in place.
    PagedAttention: effects,
  },
};

/** The traits of an operator; undefined where no schema of ours describes it in this opset, so nothing may be assumed. */
export function operatorTraits(domain: string, opType: string, opset: number): OperatorTraits | undefined {
  if (operatorSchema(domain, opType, opset) === undefined) return undefined;
  const operators = operatorTraitTable[domain === 'ai.onnx' ? '' : domain];
  return operators !== undefined && Object.hasOwn(operators, opType) ? operators[opType] : plain;
}

/**
 * The traits of a node's operator; undefined where we do not know it, its domain is not imported, or the model defines
 * it by a function of its own.
 */
export function nodeTraits(node: Node): OperatorTraits | undefined {
  if (calledFunction(node) !== undefined) return undefined;
  const opset = opsetVersion(node.graph, node.domain) ?? (isDefaultDomain(node.domain) ? 1 : undefined);
  return opset === undefined ? undefined : operatorTraits(node.domain, node.opType, opset);
}

/**
 * Whether a node is more than we can see: never to be folded, merged, duplicated or removed. That is an operator without
 * a schema, one with effects, and a call of a model's function: `containsOpaque` looks into those and into subgraphs.
 */
export function isOpaque(node: Node): boolean {
  const traits = nodeTraits(node);
  return traits === undefined || traits.effects === true;
}

/**
 * Whether running a node twice may give two results: never to be folded, merged or duplicated. Random is what draws
 * numbers, a fixed `seed` included, since a session draws on with every run; and whatever holds or calls such a node.
 */
export function isRandom(node: Node): boolean {
  for (const inner of nodesWithin(node)) {
    const traits = nodeTraits(inner);
    if (traits?.random === 'always' || (traits?.random === 'training' && mayTrain(inner))) return true;
  }
  return false;
}

/** Whether a node means the same without an output that nobody reads. */
export function outputsAreFree(node: Node): boolean {
  const decideBelow = nodeTraits(node)?.outputsDecideBelow;
  return decideBelow === undefined || (opsetVersion(node.graph, node.domain) ?? 1) >= decideBelow;
}

/** Whether a node may run graphs of its own, or not run them, or run them often. */
export const hasControlFlow = (node: Node): boolean =>
  nodeTraits(node)?.controlFlow === true || subgraphs(node).length > 0;

/**
 * Whether every element of a node's first result (of each result of Split) is an element of its `dataInputs`, unchanged
 * and chosen by position alone: it commutes with whatever is done to each element, and shares its inputs' scale.
 */
export function movesData(node: Node): boolean {
  const kind = elementSource(node)?.kind;
  return kind === 'rearranged' || kind === 'picked';
}

/**
 * Whether a node commutes with functions that never decrease, such as quantization: it moves data, or compares it.
 */
export const keepsOrder = (node: Node): boolean => movesData(node) || elementSource(node)?.kind === 'compared';

/** Whether no element of a node's first result lies outside the range of its `dataInputs`. */
export function keepsRange(node: Node): boolean {
  const source = elementSource(node);
  return source !== undefined && source.kind !== 'filled';
}

/** The inputs whose elements a node's results take up, where `source` says so; the rest are indices, shapes and such. */
export function dataInputs(node: Node): number[] {
  const source = elementSource(node);
  if (source === undefined) return [];
  const indices = source.data === 'all' ? [...node.inputs.keys()] : source.data;
  return indices.filter((index) => node.inputs[index] != null);
}

/** Where the elements of a node's results come from, its attributes considered; undefined where they are computed. */
export function elementSource(node: Node): ElementSource | undefined {
  const source = nodeTraits(node)?.source;
  return typeof source === 'function' ? source(node) : source;
}

/** A node, the nodes of its subgraphs, and those of the functions that they call. */
export function* nodesWithin(node: Node): Generator<Node> {
  const seen = new Set<Graph>();
  const pending = [node];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    yield next;
    const called = calledFunction(next);
    for (const body of called === undefined ? subgraphs(next) : [...subgraphs(next), called.graph]) {
      if (seen.has(body)) continue;
      seen.add(body);
      for (const inner of body.nodes) pending.push(inner);
    }
  }
}

/** A string attribute; empty where it is none that can be read, such as a reference to a function's attribute. */
const word = (node: Node, name: string, fallback: string): string =>
  node.attributes.has(name) ? getString(node, name, '') : fallback;

const isDefaultDomain = (domain: string): boolean => domain === '' || domain === 'ai.onnx';

/** Dropout drops nothing outside training; `training_mode` is its last input, in every form it has. */
function mayTrain(node: Node): boolean {
  if (isDefaultDomain(node.domain)) {
    const opset = opsetVersion(node.graph, node.domain) ?? 1;
    if (opset < 7) return getInt(node, 'is_test', 0) === 0;
    if (opset < 12) return false;
  }
  const training = node.inputs[node.opType === 'Dropout' || node.opType === 'BitmaskDropout' ? 2 : 4];
  if (training == null) return false;
  const constant = constantTensor(training);
  return constant === undefined || tensorIntegers(constant)?.some((value) => value !== 0n) !== false;
}
