import { constantTensor } from '../../ir/constant.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Value } from '../../ir/graph.js';
import { knownBounds } from '../../ir/ops/known_ranges.js';
import { type Tensor, tensorData } from '../../ir/tensor.js';
import type { QuantizationScheme } from '../target_profile.js';
import { isDequantize, scalarParameters } from './existing_pairs.js';
import type { Placement } from './placement.js';
import { type ActivationParameters, activationParameters, type Range, type Ranges } from './ranges.js';

/** Values whose range has to be observed: not constants, not bounded by what produces them, and not given. */
export function valuesToObserve(placement: Placement): Value[] {
  const sources = new Set(placement.values.values());
  return [...sources].flatMap((source) =>
    placement.given.has(source)
      ? []
      : coveredBy(source, placement).filter((value) => rangeWithoutData(value) === undefined),
  );
}

/**
 * Ranges for every value that gets a pair, of those observed and known: whoever places fewer pairs in the same graph may
 * need one of a value that shared its scale with others here. Such a value lies within what they cover.
 */
export function rangesOfPlaced(placement: Placement, ranges: Ranges): Ranges {
  const all = new Map(ranges);
  for (const [value, source] of placement.values) {
    if (all.has(value.name)) continue;
    const covering = coveredBy(source, placement).map((each) => rangeWithoutData(each) ?? ranges.get(each.name));
    if (covering.length === 0 || covering.includes(undefined)) continue;
    all.set(value.name, unionOf(covering as Range[]));
  }
  return all;
}

/** How the value behind a scale is quantized. */
export const activationOf = (
  source: Value,
  { types }: Placement,
  { activation }: QuantizationScheme,
): QuantizationScheme['activation'] => ({ ...activation, dtype: types.get(source) ?? activation.dtype });

/** By name, of the values whose ranges are observed and that are quantized otherwise than the scheme says. */
export const activationsOf = (
  placement: Placement,
  scheme: QuantizationScheme,
): ReadonlyMap<string, QuantizationScheme['activation']> =>
  new Map(
    [...placement.types.keys()].flatMap((source) =>
      coveredBy(source, placement).map(({ name }) => [name, activationOf(source, placement, scheme)] as const),
    ),
  );

const unionOf = (ranges: readonly Range[]): Range => ({
  min: Math.min(...ranges.map(({ min }) => min)),
  max: Math.max(...ranges.map(({ max }) => max)),
});

/** The values whose ranges together make the scale of a source, but for those that brought their scale along. */
function coveredBy(source: Value, { covers, fixed, existing }: Placement): readonly Value[] {
  const all = covers.get(source) ?? [source];
  return fixed.has(source) ? all.filter((value) => !existing.has(value)) : all;
}

function rangeWithoutData(value: Value): Range | undefined {
  const tensor = constantTensor(value);
  if (tensor !== undefined) return rangeOf(tensor);
  if (value.producer === null) return undefined;
  const { min, max } = knownBounds(value.producer.domain, value.producer.opType);
  return min === undefined || max === undefined ? undefined : { min, max };
}

function rangeOf(tensor: Tensor): Range {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const element of tensorData(tensor) as Float32Array) {
    if (element < min) min = element;
    if (element > max) max = element;
  }
  return min <= max ? { min, max } : { min: 0, max: 0 };
}

/**
 * Scale and zero point of all that share those of `source`. A scale that the model brought along counts, unless they would
 * not fit into its range.
 * @throws DiagnosticError `quantize/missing-range`, `quantize/bad-range`.
 */
export function sourceParameters(
  source: Value,
  placement: Placement,
  ranges: Ranges,
  scheme: QuantizationScheme,
): ActivationParameters {
  const { given, fixed, types } = placement;
  const brought = fixed.get(source);
  const all = given.has(source) ? [given.get(source)!] : rangesCovered(source, placement, ranges);
  const asked = types.get(source);
  if (brought !== undefined) {
    const { dtype, scale, zeroPoint, low, high } = brought;
    const span = { min: (low - zeroPoint) * scale, max: (high - zeroPoint) * scale };
    const mayKeep = asked === undefined || asked === dtype;
    if (mayKeep && all.every(({ min, max }) => min >= span.min - scale / 2 && max <= span.max + scale / 2)) {
      return brought;
    }
    all.push(span);
  }
  return activationParameters(unionOf(all), activationOf(source, placement, scheme), source.name);
}

function rangesCovered(source: Value, placement: Placement, ranges: Ranges): Range[] {
  return coveredBy(source, placement).map((value) => {
    const range = rangeWithoutData(value) ?? ranges.get(value.name);
    if (range !== undefined) return range;
    throw new DiagnosticError({
      code: 'quantize/missing-range',
      message: `no range for "${value.name}"`,
      help: 'Calibrate this model again; the ranges belong to another one',
    });
  });
}

/** The 8 bits that a layer reads `input` in, of those known by source; undefined where they are none of ours to know. */
export function parametersRead(
  input: Value,
  { existing, values }: Placement,
  known: ReadonlyMap<Value, ActivationParameters>,
): ActivationParameters | undefined {
  const pair = existing.get(input);
  if (pair !== undefined) return pair.parameters;
  const source = values.get(input);
  if (source !== undefined) return known.get(source);
  return isDequantize(input.producer) ? scalarParameters(input.producer) : undefined;
}
