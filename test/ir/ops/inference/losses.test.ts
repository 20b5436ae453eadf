import { describe, expect, it } from 'vitest';
import { stringAttribute } from '../../../../src/ir/attribute.js';
import { inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const targets = (sizes?: readonly Size[]) => typed('int64', sizes);

const loss = (scores: readonly Size[] | undefined, wanted: readonly Size[] | undefined, reduction?: string) =>
  inferOne('SoftmaxCrossEntropyLoss', [x(scores), targets(wanted)], {
    outputs: 2,
    attributes: reduction === undefined ? [] : [stringAttribute('reduction', reduction)],
  });

describe('losses', () => {
  it('are one number', () => {
    expect(loss(['N', 10, 'H'], ['N', 'H']).types).toEqual(['float[]', 'float[N, 10, H]']);
    expect(loss(undefined, undefined, 'sum').types).toEqual(['float[]', 'float[*]']);
  });

  it('are one a target without reduction', () => {
    expect(loss(['N', 10, 4], ['N', null], 'none').types).toEqual(['float[N, 4]', 'float[N, 10, 4]']);
    expect(loss(['N', 10], undefined, 'none').types[0]).toBe('float[N]');
    const options = { attributes: [stringAttribute('reduction', 'none')] };
    expect(inferOne('NegativeLogLikelihoodLoss', [x(), targets([3, 4])], options).types).toEqual(['float[3, 4]']);
  });

  it('report scores and targets that do not fit', () => {
    expect(loss([2, 10], [3]).codes).toEqual(['infer/loss']);
    expect(loss([2, 10], [2, 3]).codes).toEqual(['infer/loss']);
    expect(loss([2], undefined).codes).toEqual(['infer/loss']);
    expect(loss([2, 10], [2], 'median').codes).toEqual(['infer/loss']);
  });
});
