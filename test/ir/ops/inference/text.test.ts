import { describe, expect, it } from 'vitest';
import { type Attribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { inferOne, type Size, typed } from './infer_one.js';

const text = (sizes?: readonly Size[]) => typed('string', sizes);
const stopwords: Attribute = { name: 'stopwords', kind: 'strings', value: [new TextEncoder().encode('the')] };

describe('StringNormalizer', () => {
  const normalize = (sizes: readonly Size[] | undefined, ...attributes: Attribute[]) =>
    inferOne('StringNormalizer', [text(sizes)], { attributes });

  it('keeps all words where none is a stop word', () => {
    expect(normalize([4]).types).toEqual(['string[4]']);
    expect(normalize([1, 4]).types).toEqual(['string[1, 4]']);
    expect(normalize([1, 4], { ...stopwords, value: [] } as Attribute).types).toEqual(['string[1, 4]']);
  });

  it('does not know how many words stay', () => {
    expect(normalize([4], stopwords).types).toEqual(['string[?]']);
    expect(normalize([1, 4], stopwords).types).toEqual(['string[1, ?]']);
    // Nothing at all becomes one empty string.
    expect(normalize(['N']).types).toEqual(['string[?]']);
    expect(normalize(undefined).types).toEqual(['string[*]']);
  });

  it('reports a rank that it does not take', () => {
    expect(normalize([1, 2, 3])).toMatchObject({ types: ['string[*]'], codes: ['infer/rank'] });
  });
});

describe('operators on strings', () => {
  it('concatenate with broadcasting', () => {
    expect(inferOne('StringConcat', [text(['N', 1]), text([3])]).types).toEqual(['string[N, 3]']);
    expect(inferOne('StringConcat', [text([2]), text([3])]).codes).toEqual(['infer/broadcast']);
  });

  it('split into a new axis and count the parts', () => {
    expect(inferOne('StringSplit', [text(['N', 2])], { outputs: 2 }).types).toEqual(['string[N, 2, ?]', 'int64[N, 2]']);
    expect(inferOne('StringSplit', [text()], { outputs: 2 }).types).toEqual(['string[*]', 'int64[*]']);
    expect(inferOne('StringSplit', [text([])]).types).toEqual(['string[?]']);
  });

  it('match element by element', () => {
    expect(inferOne('RegexFullMatch', [text(['N', 2])]).types).toEqual(['bool[N, 2]']);
  });
});

describe('TfIdfVectorizer', () => {
  const vectorize = (sizes: readonly Size[] | undefined, ...indexes: (number | bigint)[]) =>
    inferOne('TfIdfVectorizer', [typed('int32', sizes)], { attributes: [intsAttribute('ngram_indexes', indexes)] });

  it('has a column for each n-gram', () => {
    expect(vectorize(['C'], 4, 6, 0).types).toEqual(['float[7]']);
    expect(vectorize(['N', 'C'], 4, 6, 0).types).toEqual(['float[N, 7]']);
    expect(vectorize(undefined, 4).types).toEqual(['float[*]']);
  });

  it('survives absurd indexes and reports a rank it does not take', () => {
    expect(vectorize(['N', 'C']).types).toEqual(['float[N, ?]']);
    expect(vectorize(['C'], -5).types).toEqual(['float[?]']);
    expect(vectorize(['C'], 2n ** 62n).types).toEqual(['float[?]']);
    expect(vectorize([1, 2, 3], 1).codes).toEqual(['infer/rank']);
  });
});
