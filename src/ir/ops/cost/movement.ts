import { isRandom } from '../traits.js';
import type { CostContext, CostRule, CostRules, Count, Work } from './cost.js';
import { perInput, perResult } from './elementwise.js';
import { inputElements, plus, readBytes, typeBytes, writtenBytes } from './extent.js';

const written = ({ input, inference }: CostContext) => writtenBytes(input.node, inference);

/** Copies: no operation, every input read, every output written. */
const moved: CostRule = () => ({ macs: 0, elementOps: 0 });

/** Shares the memory of its input, or stands in the file. */
const view: CostRule = () => ({ macs: 0, elementOps: 0, bytes: { read: 0, written: 0 } });

/** Reads the sizes of its input, not its elements. */
const measured: CostRule = (context) => ({ macs: 0, elementOps: 0, bytes: { read: 0, written: written(context) } });

/** Of the data, input 0, as much as it gives; indices and such in full. */
const picked: CostRule = (context) => ({ macs: 0, elementOps: 0, bytes: pickedBytes(context) });

const pickedBytes = (context: CostContext): NonNullable<Work['bytes']> => ({
  read: plus(readBytes(context, [0]), resultBytes(context)),
  written: written(context),
});

function resultBytes({ input, inference }: CostContext): Count {
  const [result] = input.node.outputs;
  return result == null ? undefined : typeBytes(inference.typeOf(result));
}

/** Updates that are combined with what they meet take an operation each. */
const scattered: CostRule = (context) => {
  const { input } = context;
  const form = input.attributes.has('reduction') ? input.string('reduction', '') : 'none';
  return { macs: 0, elementOps: form === 'none' ? 0 : form === '' ? undefined : inputElements(context, 2) };
};

/** What drops elements computes; outside training it copies. */
const dropout: CostRule = ({ input }) => ({ macs: 0, elementOps: isRandom(input.node) ? undefined : 0 });

/** How often it compares depends on the data, or on how a kernel does it. */
const dataDependent: CostRule = () => ({ macs: 0, elementOps: undefined });

const generated = (operations: number): CostRule => {
  const rule = perResult(operations);
  return (context) => ({ ...rule(context), bytes: { read: 0, written: written(context) } });
};

export const movementCosts: CostRules = {
  Constant: view,
  Flatten: view,
  Identity: view,
  Reshape: view,
  Squeeze: view,
  Unsqueeze: view,
  'com.microsoft:ExpandDims': view,

  OptionalHasElement: measured,
  SequenceLength: measured,
  Shape: measured,
  Size: measured,

  CenterCropPad: moved,
  Concat: moved,
  ConcatFromSequence: moved,
  ConstantOfShape: moved,
  DepthToSpace: moved,
  Dropout: dropout,
  Expand: moved,
  EyeLike: measured,
  MaxUnpool: moved,
  OneHot: moved,
  Optional: moved,
  OptionalGetElement: moved,
  Pad: moved,
  ReverseSequence: moved,
  SequenceAt: moved,
  SequenceConstruct: moved,
  SequenceEmpty: moved,
  SequenceErase: moved,
  SequenceInsert: moved,
  SpaceToDepth: moved,
  Split: moved,
  SplitToSequence: moved,
  TensorScatter: moved,
  Tile: moved,
  Transpose: moved,
  Trilu: moved,
  'com.microsoft:Pad': moved,
  'com.microsoft:Trilu': moved,

  Compress: picked,
  Gather: picked,
  GatherElements: picked,
  GatherND: picked,
  Slice: picked,
  'com.microsoft:GatherND': picked,
  'com.microsoft:TorchEmbedding': picked,

  Scatter: scattered,
  ScatterElements: scattered,
  ScatterND: scattered,

  // start + i·delta
  Range: perResult(2),
  'com.microsoft:Range': perResult(2),
  NonZero: perInput(1),
  // Overlapping columns are added.
  Col2Im: perInput(1),

  // a − b·cos(2πi/n), and a further cosine in Blackman's
  HannWindow: perResult(5),
  HammingWindow: perResult(5),
  BlackmanWindow: perResult(9),

  // One draw an element; Bernoulli compares it.
  Bernoulli: perResult(2),
  RandomNormal: generated(1),
  RandomNormalLike: generated(1),
  RandomUniform: generated(1),
  RandomUniformLike: generated(1),

  MaxRoiPool: dataDependent,
  Multinomial: dataDependent,
  NonMaxSuppression: dataDependent,
  TopK: dataDependent,
  Unique: dataDependent,
  'com.microsoft:Unique': dataDependent,
};
