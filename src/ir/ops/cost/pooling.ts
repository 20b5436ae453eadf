import type { CostContext, CostRule, CostRules, Count } from './cost.js';
import { reduction } from './elementwise.js';
import { inputElements, outputElements, times } from './extent.js';
import { normOperations } from './reduction.js';

type Operations = (context: CostContext) => readonly [each: number, after: number] | undefined;

/** Every position of every window counts, padding included. */
const windowed =
  (operations: Operations): CostRule =>
  (context) => {
    const results = outputElements(context);
    const kernel: readonly Count[] | undefined = context.input.ints('kernel_shape', undefined);
    return { macs: 0, elementOps: counted(context, kernel && times(results, ...kernel), results, operations) };
  };

const global =
  (operations: Operations): CostRule =>
  (context) => ({
    macs: 0,
    elementOps: counted(context, inputElements(context), outputElements(context), operations),
  });

function counted(context: CostContext, count: Count, results: Count, operations: Operations): Count {
  const found = operations(context);
  return found && reduction(count, found[0], results, found[1]);
}

const greatest: Operations = () => [1, 0];
const average: Operations = () => [1, 1];
/** The average, rounded, moved by the zero point and saturated. */
const quantizedAverage: Operations = () => [1, 5];

export const poolingCosts: CostRules = {
  MaxPool: windowed(greatest),
  AveragePool: windowed(average),
  LpPool: windowed(normOperations),
  GlobalMaxPool: global(greatest),
  GlobalAveragePool: global(average),
  GlobalLpPool: global(normOperations),
  'com.microsoft:NhwcMaxPool': windowed(greatest),
  'com.microsoft:QLinearAveragePool': windowed(quantizedAverage),
  'com.microsoft:QLinearGlobalAveragePool': global(quantizedAverage),
};
