import { constantTensor } from '../ir/constant.js';
import type { Graph, Value } from '../ir/graph.js';
import { type Magnitude, magnitudeOf } from '../ir/ops/magnitudes.js';
import { elementCount, type Tensor, tensorData } from '../ir/tensor.js';

/** Largest magnitudes by value name. */
export type Magnitudes = ReadonlyMap<string, number>;

/**
 * Which of the observed values hold numbers for sure where others do: those that are computed from observed values,
 * inputs and constants by operators that cannot make anything else of numbers, short of an overflow.
 */
export type MagnitudeBounds = {
  readonly follows: ReadonlySet<Value>;
  /**
   * The magnitudes that the values in `follows` may reach, from the largest ones observed in a run; infinite where they
   * may overflow. What was observed of a value counts for those that come after it.
   */
  bounds(observed: Magnitudes): Magnitudes;
};

type Step = { readonly value: Value; readonly rule: Magnitude; readonly inputs: readonly Operand[] };

/** `count`: elements of a constant, which no sum has more products than. */
type Operand = { readonly name: string; readonly constant?: number; readonly count?: number };

/** Longer sums than this do not fit into memory. */
const longestSum = 2 ** 31;

export function magnitudeBounds(graph: Graph, observed: readonly Value[]): MagnitudeBounds {
  const known = new Set<Value>(observed);
  for (const value of graph.inputs) if (value.initializer === null) known.add(value);
  const derived = new Set<Value>();
  const steps: Step[] = [];
  for (const node of graph.nodes) {
    const rule = magnitudeOf(node);
    if (rule === undefined) continue;
    const read = (rule === 'kept' || rule === 'unit' ? node.inputs.slice(0, 1) : node.inputs).filter(
      (each) => each !== null,
    );
    const operands = read.map((input) => operandOf(input, known, derived));
    if (operands.includes(undefined)) continue;
    for (const value of node.outputs) {
      if (value === null) continue;
      derived.add(value);
      steps.push({ value, rule, inputs: operands as Operand[] });
    }
  }
  return {
    follows: new Set(observed.filter((value) => derived.has(value))),
    bounds(found) {
      const magnitudes = new Map<string, number>();
      const sizeOf = ({ name, constant }: Operand) =>
        constant ?? found.get(name) ?? magnitudes.get(name) ?? Number.POSITIVE_INFINITY;
      for (const { value, rule, inputs } of steps) magnitudes.set(value.name, bound(rule, inputs, sizeOf));
      return magnitudes;
    },
  };
}

function operandOf(value: Value, known: ReadonlySet<Value>, derived: ReadonlySet<Value>): Operand | undefined {
  const tensor = constantTensor(value);
  if (tensor?.dtype === 'float') {
    return { name: value.name, constant: largest(tensor), count: elementCount(tensor.dims) };
  }
  return known.has(value) || derived.has(value) ? { name: value.name } : undefined;
}

/** Infinite for a tensor that holds no number somewhere. */
function largest(tensor: Tensor): number {
  let size = 0;
  for (const element of tensorData(tensor) as Float32Array) {
    if (!Number.isFinite(element)) return Number.POSITIVE_INFINITY;
    size = Math.max(size, Math.abs(element));
  }
  return size;
}

function bound(rule: Magnitude, inputs: readonly Operand[], sizeOf: (operand: Operand) => number): number {
  const sizes = inputs.map(sizeOf);
  // 0 times infinity is no number.
  if (sizes.includes(Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
  switch (rule) {
    case 'unit':
      return 1;
    case 'kept':
      return sizes[0]!;
    case 'sum':
      return sizes.reduce((sum, size) => sum + size, 0);
    case 'product':
      return sizes.reduce((product, size) => product * size, 1);
    case 'contraction': {
      const [a, b, c = 0] = sizes;
      return a! * b! * (inputs[1]!.count ?? inputs[0]!.count ?? longestSum) + c;
    }
  }
}
