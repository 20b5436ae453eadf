import type { Diagnostic } from '../ir/diagnostic.js';
import { selectValues } from '../passes/quantize/selection.js';
import type { Int8Plan, QuantizationOptions } from './quantize_int8.js';

/** What was said about values of which none gets a pair, so that it has no effect. */
export function idleOverrides(
  { model, placement }: Int8Plan,
  { tensors = [] }: QuantizationOptions = {},
): Diagnostic[] {
  return tensors.flatMap(({ match, range, dtype, calibrator }): Diagnostic[] => {
    if (range === undefined && dtype === undefined && calibrator === undefined) return [];
    const values = selectValues(model.graph, match);
    if (values.some((value) => placement.values.has(value))) return [];
    const names = values.slice(0, 3).map(({ name }) => `"${name}"`);
    return [
      {
        code: 'quantize/override-without-effect',
        severity: 'warning',
        message: `${names.join(', ')} ${values.length > 3 ? `and ${values.length - 3} more stay` : 'stays'} in float: what was said about it changes nothing`,
        help: 'A report lists what stays in float and why; values are named as they are after simplification',
      },
    ];
  });
}
