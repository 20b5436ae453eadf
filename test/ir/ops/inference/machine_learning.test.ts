import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../../../../src/ir/attribute.js';
import { tensorFromData } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, typed } from './infer_one.js';

const strings = (name: string, ...values: string[]): Attribute => ({
  name,
  kind: 'strings',
  value: values.map((value) => new TextEncoder().encode(value)),
});
const floats = (name: string, count: number): Attribute => ({
  name,
  kind: 'floats',
  value: Array.from({ length: count }, () => 0),
});

const infer = (opType: string, inputs: readonly Given[], attributes: readonly Attribute[] = [], outputs = 1) =>
  inferOne(opType, inputs, { domain: 'ai.onnx.ml', opset: 5, attributes, outputs });
const types = (...given: Parameters<typeof infer>) => infer(...given).types;

const table = typed('float', ['N', 4]);
const vector = typed('float', [4]);

describe('ai.onnx.ml', () => {
  it('picks columns by as many indices as there are', () => {
    expect(types('ArrayFeatureExtractor', [table, typed('int64', [2, 3])])).toEqual(['float[N, 6]']);
    expect(types('ArrayFeatureExtractor', [vector, typed('int64', ['K'])])).toEqual(['float[1, K]']);
    expect(types('ArrayFeatureExtractor', [table, typed('int64')])).toEqual(['float[N, ?]']);
    expect(types('ArrayFeatureExtractor', [typed('float'), typed('int64', [2])])).toEqual(['float[*]']);
  });

  it('keeps the shape of what is changed element by element', () => {
    const integers = typed('int64', ['N', 4]);
    expect(types('Binarizer', [integers])).toEqual(['int64[N, 4]']);
    expect(types('Imputer', [integers])).toEqual(['int64[N, 4]']);
    expect(types('Normalizer', [integers])).toEqual(['float[N, 4]']);
    expect(types('Scaler', [integers])).toEqual(['float[N, 4]']);
    expect(types('CategoryMapper', [integers])).toEqual(['string[N, 4]']);
    expect(types('CategoryMapper', [typed('string', ['N'])])).toEqual(['int64[N]']);
  });

  it('takes the type of labels from their values', () => {
    const integers = typed('int64', ['N']);
    expect(types('LabelEncoder', [integers], [strings('values_strings', 'a')])).toEqual(['string[N]']);
    expect(types('LabelEncoder', [integers], [floats('values_floats', 1)])).toEqual(['float[N]']);
    const values = tensorAttribute('values_tensor', tensorFromData('double', [1], Float64Array.of(1)));
    expect(types('LabelEncoder', [integers], [values])).toEqual(['double[N]']);
    expect(types('LabelEncoder', [integers], [strings('classes_strings', 'a')])).toEqual(['string[N]']);
    expect(types('LabelEncoder', [integers])).toEqual(['?[N]']);
  });

  it('encodes categories along an axis of their own', () => {
    expect(types('OneHotEncoder', [typed('string', ['N', 2])], [strings('cats_strings', 'a', 'b', 'c')])).toEqual([
      'float[N, 2, 3]',
    ]);
    expect(types('OneHotEncoder', [typed('int64', [])], [intsAttribute('cats_int64s', [1, 2])])).toEqual(['float[2]']);
    expect(types('OneHotEncoder', [typed('int64', ['N'])])).toEqual(['float[N, ?]']);
  });

  it('puts features side by side', () => {
    const dimensions = intsAttribute('inputdimensions', [4, 2]);
    expect(types('FeatureVectorizer', [table, typed('int64', ['N', 2])], [dimensions])).toEqual(['float[N, 6]']);
    expect(types('FeatureVectorizer', [vector, vector], [dimensions])).toEqual(['float[?, 6]']);
    expect(types('FeatureVectorizer', [table])).toEqual(['float[N, ?]']);
    expect(types('FeatureVectorizer', [table], [intsAttribute('inputdimensions', [2n ** 62n, 2n ** 62n])])).toEqual([
      'float[N, ?]',
    ]);
  });

  it('gives a row of scores a sample', () => {
    expect(types('LinearRegressor', [table])).toEqual(['float[N, 1]']);
    expect(types('LinearRegressor', [vector], [intAttribute('targets', 3)])).toEqual(['float[1, 3]']);
    expect(types('SVMRegressor', [table])).toEqual(['float[N, 1]']);
    expect(types('TreeEnsembleRegressor', [table], [intAttribute('n_targets', 2)])).toEqual(['float[N, 2]']);
    expect(types('TreeEnsemble', [typed('double', ['N', 4])], [intAttribute('n_targets', 2)])).toEqual([
      'double[N, 2]',
    ]);
    expect(types('TreeEnsemble', [typed('double')])).toEqual(['double[?, ?]']);
    expect(types('LinearRegressor', [table], [intAttribute('targets', -1)])).toEqual(['float[N, ?]']);
  });

  it('gives a label and scores a sample', () => {
    const labels = intsAttribute('classlabels_ints', [0, 1]);
    expect(types('LinearClassifier', [table], [labels, floats('intercepts', 1)], 2)).toEqual([
      'int64[N]',
      'float[N, 2]',
    ]);
    expect(
      types('LinearClassifier', [table], [strings('classlabels_strings', 'a', 'b', 'c'), floats('intercepts', 3)], 2),
    ).toEqual(['string[N]', 'float[N, 3]']);
    expect(types('LinearClassifier', [vector], [labels], 2)).toEqual(['int64[1]', 'float[1, ?]']);
    expect(types('SVMClassifier', [table], [labels], 2)).toEqual(['int64[N]', 'float[N, ?]']);
    const classes = intsAttribute('classlabels_int64s', [0, 1, 2]);
    expect(types('TreeEnsembleClassifier', [table], [classes], 2)).toEqual(['int64[N]', 'float[N, 3]']);
    expect(types('TreeEnsembleClassifier', [table], [], 2)).toEqual(['?[N]', 'float[N, ?]']);
  });

  it('reports features of another rank', () => {
    const cube = typed('float', [2, 3, 4]);
    expect(infer('SVMClassifier', [cube], [], 2)).toMatchObject({ types: ['?[*]', 'float[*]'], codes: ['infer/rank'] });
    expect(infer('LinearRegressor', [typed('float', [])]).codes).toEqual(['infer/rank']);
  });

  it('turns scores into maps and maps into tensors', () => {
    expect(types('ZipMap', [table], [strings('classlabels_strings', 'a')])).toEqual([
      'sequence(map(string, float[*]))',
    ]);
    expect(types('ZipMap', [table], [intsAttribute('classlabels_int64s', [1])])).toEqual([
      'sequence(map(int64, float[*]))',
    ]);
    expect(types('ZipMap', [table])).toEqual(['sequence(?)']);
    expect(types('CastMap', ['untyped'], [stringAttribute('cast_to', 'TO_STRING')])).toEqual(['string[*]']);
    expect(types('CastMap', ['untyped'])).toEqual(['float[*]']);
    expect(types('CastMap', ['untyped'], [stringAttribute('cast_to', 'constructor')])).toEqual(['?[*]']);
    const map: Given = { kind: 'map', key: 'string', value: typed('double') };
    expect(types('DictVectorizer', [map])).toEqual(['double[*]']);
  });
});
