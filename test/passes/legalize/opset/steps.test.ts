import { describe, expect, it } from 'vitest';
import { allOperatorSchemas, operatorVersions } from '../../../../src/ir/ops/operator_schema.js';
import { stepFamilies, steps } from '../../../../src/passes/legalize/opset/steps.js';

const opTypes = [
  ...new Set(
    allOperatorSchemas()
      .filter(({ domain }) => domain === '')
      .map(({ name }) => name),
  ),
];

describe('the table of version steps', () => {
  it('tells about every step of every operator of the default domain', () => {
    const untold = opTypes.flatMap((opType) =>
      operatorVersions('', opType)
        .slice(1)
        .filter(({ since }) => steps[opType]?.[since] === undefined)
        .map(({ since }) => `${opType} ${since}`),
    );
    expect(untold).toEqual([]);
  });

  it('tells about no step that the schemas do not have', () => {
    const unknown = Object.entries(steps).flatMap(([opType, own]) => {
      const versions = operatorVersions('', opType).map(({ since }) => since);
      return Object.keys(own).flatMap((since) => (versions.includes(Number(since)) ? [] : [`${opType} ${since}`]));
    });
    expect(unknown).toEqual([]);
  });

  it('tells about each step once', () => {
    const told = stepFamilies.flatMap((family) =>
      Object.entries(family).flatMap(([opType, own]) => Object.keys(own).map((since) => `${opType} ${since}`)),
    );
    expect(told.filter((step, index) => told.indexOf(step) !== index)).toEqual([]);
  });
});
