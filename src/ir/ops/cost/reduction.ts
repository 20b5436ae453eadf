import type { CostContext, CostRule, CostRules, Count } from './cost.js';
import { perInput, reduction } from './elementwise.js';
import {
  inputElements,
  outputElements,
  plus,
  readBytes,
  sizeAttribute,
  times,
  typeBytes,
  writtenBytes,
} from './extent.js';

/** Operations for each element that goes in, and for each that comes out. */
const reduced =
  (each: number, after: number): CostRule =>
  (context) => ({
    macs: 0,
    elementOps: isNoop(context) ? undefined : reduction(inputElements(context), each, outputElements(context), after),
  });

/** Without axes it may be the identity, or the operations before the sum alone: versions and runtimes differ. */
const isNoop = ({ input }: CostContext): boolean =>
  input.int('noop_with_empty_axes', 0) !== 0 && (input.ints('axes', undefined) ?? input.numbers(1) ?? []).length === 0;

/** ‖x‖_p over what is reduced: |x| or x², added up; then a root. Other powers take one operation more. */
export function normOperations({ input }: CostContext): readonly [number, number] | undefined {
  const attribute = input.attributes.get('p');
  if (attribute !== undefined && attribute.kind !== 'int' && attribute.kind !== 'float') return undefined;
  const p = attribute === undefined ? 2 : Number(attribute.value);
  return p === 1 ? [2, 0] : p === 2 ? [2, 1] : [3, 1];
}

/** Mean 1, deviation 1, its square added up 2, times the inverse of the standard deviation 1. */
const standardized = 5;

/** Times a scale, plus a bias where there is one. */
const affine = ({ input }: CostContext, scale: number, bias: number): number =>
  (input.has(scale) ? 1 : 0) + (input.has(bias) ? 1 : 0);

/** So many operations an element of input 0, found from the node. What is done once a row or channel is not counted. */
const perElement =
  (operations: (context: CostContext) => Count): CostRule =>
  (context) => ({ macs: 0, elementOps: times(inputElements(context), operations(context)) });

const layerNormalization = perElement((context) => standardized + affine(context, 1, 2));
/** Square added up 2, times the inverse 1. */
const rmsNormalization = perElement((context) => 3 + affine(context, 1, 2));

/** The sum of two tensors and a bias is normalized. */
const skipped = (bias: number, normalized: (context: CostContext) => number): CostRule =>
  perElement((context) => 1 + (context.input.has(bias) ? 1 : 0) + normalized(context));

const groups = (context: CostContext): number =>
  standardized + affine(context, 1, 2) + (context.input.int('activation', 0) === 1 ? 5 : 0);

/** Known statistics fold into one factor and one offset a channel; in training they are found first. */
function batchNormalization({ input }: CostContext): number | undefined {
  if (input.opset >= 14) return input.int('training_mode', 0) !== 0 ? standardized + 2 : 2;
  const isTraining =
    input.opset < 7
      ? input.int('is_test', 0) === 0
      : input.node.outputs.some((output, index) => index > 0 && output !== null);
  return isTraining ? standardized + 2 : 2;
}

/** The square of each, `size` of them added up, then bias + alpha/size·sum, a power and a division. */
function localResponse(context: CostContext): Count {
  return plus(sizeAttribute(context, 'size'), 5);
}

/** log p of the target, weighted and added up where the attributes ask for it. */
function targetLoss({ input }: CostContext, targets: Count): Count {
  const isSummed = !input.attributes.has('reduction') || input.string('reduction', '') !== 'none';
  return times(targets, 1 + (input.has(2) ? 1 : 0) + (isSummed ? 1 : 0));
}

/** Rows of two or three tables, picked and added up, then normalized. */
const embedded: CostRule = (context) => {
  const { input, inference } = context;
  const tables = input.has(4) ? 3 : 2;
  const [result] = input.node.outputs;
  const rows = result == null ? undefined : typeBytes(inference.typeOf(result));
  return {
    macs: 0,
    elementOps: times(outputElements(context), tables - 1 + standardized + affine(context, 5, 6)),
    bytes: {
      read: plus(readBytes(context, [2, 3, 4]), times(rows, tables)),
      written: writtenBytes(input.node, inference),
    },
  };
};

export const reductionCosts: CostRules = {
  ReduceL1: reduced(2, 0),
  ReduceL2: reduced(2, 1),
  ReduceLogSum: reduced(1, 1),
  ReduceLogSumExp: reduced(2, 1),
  ReduceMax: reduced(1, 0),
  ReduceMean: reduced(1, 1),
  ReduceMin: reduced(1, 0),
  ReduceProd: reduced(1, 0),
  ReduceSum: reduced(1, 0),
  ReduceSumSquare: reduced(2, 0),
  ArgMax: perInput(1),
  ArgMin: perInput(1),
  CumProd: perInput(1),
  CumSum: perInput(1),
  'com.microsoft:ReduceSumInteger': perInput(1),
  // Divided, scaled, rounded, moved by the zero point and saturated.
  'com.microsoft:QLinearReduceMean': reduced(1, 5),

  // Greatest, difference to it, exp, sum, division; for LogSoftmax the log of the sum is taken away instead.
  Softmax: perInput(5),
  LogSoftmax: perInput(5),
  Hardmax: perInput(2),

  BatchNormalization: perElement(batchNormalization),
  InstanceNormalization: layerNormalization,
  GroupNormalization: layerNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  SimplifiedLayerNormalization: rmsNormalization,
  MeanVarianceNormalization: perElement(() => standardized),
  LpNormalization: perElement((context) => {
    const operations = normOperations(context);
    return operations && operations[0] + 1;
  }),
  LRN: perElement(localResponse),
  'com.microsoft:SimplifiedLayerNormalization': rmsNormalization,
  'com.microsoft:GroupNorm': perElement(groups),
  'com.microsoft:SkipGroupNorm': skipped(4, groups),
  'com.microsoft:SkipLayerNormalization': skipped(4, (context) => standardized + affine(context, 2, 3)),
  'com.microsoft:SkipSimplifiedLayerNormalization': skipped(3, () => 4),

  'com.microsoft:EmbedLayerNormalization': embedded,

  NegativeLogLikelihoodLoss: (context) => ({ macs: 0, elementOps: targetLoss(context, inputElements(context, 1)) }),
  SoftmaxCrossEntropyLoss: (context) => ({
    macs: 0,
    elementOps: plus(times(inputElements(context), 5), targetLoss(context, inputElements(context, 1))),
  }),
};
