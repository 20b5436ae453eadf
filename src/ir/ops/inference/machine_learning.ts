import type { DataType } from '../../data_type.js';
import { add, asDim, type Dim, type Expr, product } from '../../dim.js';
import { formatShape, type Shape, tensorType } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { attributeSize } from './sizes.js';

/**
 * The operators of ai.onnx.ml. Where their specification leaves shapes open, they are what ONNX Runtime 1.30 gives, and
 * unknown where the reference implementation of ONNX gives another.
 */

/** The shape of the input; its type, unless the operator always gives `dtype`. */
const sameShape =
  (dtype?: DataType): InferenceRule =>
  (context) =>
    context.setTensor(0, dtype ?? context.dtype(0), context.shape(0));

/** Picks along the last axis by all the indices there are; a vector counts as a matrix of one row. */
function arrayFeatureExtractor(context: InferenceContext): void {
  const shape = context.shape(0);
  const indices = context.shape(1);
  context.setTensor(0, context.dtype(0));
  if (shape === undefined || shape.length === 0) return;
  const rows = shape.length === 1 ? [1] : shape.slice(0, -1);
  context.setTensor(0, context.dtype(0), [...rows, indices && asDim(product(indices))]);
}

function castMap(context: InferenceContext): void {
  context.setTensor(0, castTypes.get(context.string('cast_to', 'TO_FLOAT')));
}

const castTypes: ReadonlyMap<string, DataType> = new Map([
  ['TO_FLOAT', 'float'],
  ['TO_INT64', 'int64'],
  ['TO_STRING', 'string'],
]);

/** Strings to integers, or integers to strings. */
function categoryMapper(context: InferenceContext): void {
  context.setTensor(0, otherLabelType(context.dtype(0)), context.shape(0));
}

const otherLabelType = (dtype: DataType | undefined): DataType | undefined =>
  dtype === 'string' ? 'int64' : dtype === 'int64' ? 'string' : undefined;

function dictVectorizer(context: InferenceContext): void {
  const type = context.type(0);
  context.setTensor(0, type?.kind === 'map' && type.value?.kind === 'tensor' ? type.value.dtype : undefined);
}

/** Each input gives as many columns as `inputdimensions` says. */
function featureVectorizer(context: InferenceContext): void {
  const shape = context.shape(0);
  let columns: Expr | undefined = context.attributes.get('inputdimensions')?.kind === 'ints' ? 0 : undefined;
  for (const size of context.ints('inputdimensions', undefined) ?? []) columns = add(columns, size);
  context.setTensor(0, 'float', [shape && shape.length > 1 ? shape[0] : undefined, asDim(columns)]);
}

/** The type of the `values_…` attribute; version 1 maps strings to integers and back. */
function labelEncoder(context: InferenceContext): void {
  const { attributes } = context;
  const dtype =
    context.tensorAttribute('values_tensor')?.dtype ??
    (attributes.has('values_strings') ? 'string' : undefined) ??
    (attributes.has('values_int64s') ? 'int64' : undefined) ??
    (attributes.has('values_floats') ? 'float' : undefined) ??
    (attributes.has('classes_strings') ? otherLabelType(context.dtype(0)) : undefined);
  context.setTensor(0, dtype, context.shape(0));
}

function oneHotEncoder(context: InferenceContext): void {
  const shape = context.shape(0);
  const categories = listLength(context, 'cats_int64s') || listLength(context, 'cats_strings');
  context.setTensor(0, 'float', shape && [...shape, categories || undefined]);
}

/** Scores, one row a sample. */
function regressor(context: InferenceContext, dtype: DataType | undefined, columns: number | undefined): void {
  const samples = sampleShape(context);
  context.setTensor(0, dtype, samples && [...samples, columns === undefined ? undefined : attributeSize(columns)]);
}

/** Labels, and scores, one row a sample. */
function classifier(context: InferenceContext, integers: string, classes: Dim | undefined): void {
  const samples = sampleShape(context);
  context.setTensor(0, labelType(context, integers), samples);
  context.setTensor(1, 'float', samples && [...samples, classes]);
}

/** A score for each intercept; two where one tells two classes apart. */
function linearClassifier(context: InferenceContext): void {
  const intercepts = listLength(context, 'intercepts');
  const labels = listLength(context, 'classlabels_strings') || listLength(context, 'classlabels_ints');
  classifier(context, 'classlabels_ints', (intercepts === 1 && labels === 2 ? 2 : intercepts) || undefined);
}

function treeEnsembleClassifier(context: InferenceContext): void {
  const strings = listLength(context, 'classlabels_strings');
  const integers = listLength(context, 'classlabels_int64s');
  const labels = strings === 0 || integers === 0 ? strings || integers : 0;
  classifier(context, 'classlabels_int64s', labels || undefined);
}

/** [N, classes] => N maps from class to score */
function zipMap(context: InferenceContext): void {
  const strings = listLength(context, 'classlabels_strings') > 0;
  const integers = listLength(context, 'classlabels_int64s') > 0;
  const key = strings === integers ? undefined : strings ? 'string' : 'int64';
  context.setType(0, { kind: 'sequence', element: key && { kind: 'map', key, value: tensorType('float') } });
}

function labelType(context: InferenceContext, integers: string): DataType | undefined {
  if (listLength(context, 'classlabels_strings') > 0) return 'string';
  return listLength(context, integers) > 0 ? 'int64' : undefined;
}

/** The shape of one label a sample: features come as one sample, or one a row. */
function sampleShape(context: InferenceContext): Shape | undefined {
  const shape = context.shape(0);
  if (shape === undefined) return [undefined];
  if (shape.length === 1 || shape.length === 2) return [shape.length === 1 ? 1 : shape[0]];
  context.fail('infer/rank', `features come as [C] or [N, C], not ${formatShape(shape)}`);
  return undefined;
}

/** The length of a list attribute; 0 where there is none. */
function listLength(context: InferenceContext, name: string): number {
  const attribute = context.attributes.get(name);
  switch (attribute?.kind) {
    case 'strings':
    case 'ints':
    case 'floats':
      return attribute.value.length;
    case 'tensor':
      return attribute.value.dims.length === 1 ? attribute.value.dims[0]! : 0;
    default:
      return 0;
  }
}

export const machineLearningRules: InferenceRules = {
  'ai.onnx.ml:ArrayFeatureExtractor': arrayFeatureExtractor,
  'ai.onnx.ml:Binarizer': sameShape(),
  'ai.onnx.ml:CastMap': castMap,
  'ai.onnx.ml:CategoryMapper': categoryMapper,
  'ai.onnx.ml:DictVectorizer': dictVectorizer,
  'ai.onnx.ml:FeatureVectorizer': featureVectorizer,
  'ai.onnx.ml:Imputer': sameShape(),
  'ai.onnx.ml:LabelEncoder': labelEncoder,
  'ai.onnx.ml:LinearClassifier': linearClassifier,
  'ai.onnx.ml:LinearRegressor': (context) => regressor(context, 'float', context.int('targets', 1)),
  'ai.onnx.ml:Normalizer': sameShape('float'),
  'ai.onnx.ml:OneHotEncoder': oneHotEncoder,
  'ai.onnx.ml:Scaler': sameShape('float'),
  'ai.onnx.ml:SVMClassifier': (context) => classifier(context, 'classlabels_ints', undefined),
  'ai.onnx.ml:SVMRegressor': (context) => regressor(context, 'float', 1),
  'ai.onnx.ml:TreeEnsemble': (context) => regressor(context, context.dtype(0), context.int('n_targets', undefined)),
  'ai.onnx.ml:TreeEnsembleClassifier': treeEnsembleClassifier,
  'ai.onnx.ml:TreeEnsembleRegressor': (context) => regressor(context, 'float', context.int('n_targets', undefined)),
  'ai.onnx.ml:ZipMap': zipMap,
};
