import { constantTensor } from '../../ir/constant.js';
import { type DataType, dataTypeBits, dataTypeKind } from '../../ir/data_type.js';
import type { Model, Node, Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import { exactInputs } from '../../ir/ops/exact_inputs.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementSource, nodeTraits } from '../../ir/ops/traits.js';
import { elementCount } from '../../ir/tensor.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import type { Ranges } from '../quantize/ranges.js';
import { isOperator } from '../rewrite/operator.js';
import { halfLimits } from './half_limits.js';

/** Tables beside numbers that come from integers: position frequencies and such, not weights of layers. */
const mostTableElements = 4096;

/** Sine and cosine of arguments up to here lose no more than rounding of their argument, half of 2^-8, anyway. */
const smallAngle = 8;

/**
 * Nodes whose numbers must be exact, with the reason: what is computed from integers alone (positions, sizes, masks),
 * which is little beside the layers, and what computes angles, positions and numbers that become integers.
 */
export function exactArithmetic(
  model: Model,
  inference: Inference,
  { half, ranges }: { readonly half: HalfType; readonly ranges?: Ranges | undefined },
): Map<Node, string> {
  const reasons = new Map<Node, string>();
  const exact = new Set<Value>();
  const { wholeNumbers } = halfLimits[half];
  const isWithin = (value: Value | null, limit: number): boolean => {
    const range = value === null ? undefined : ranges?.get(value.name);
    return range !== undefined && Math.max(Math.abs(range.min), Math.abs(range.max)) <= limit;
  };
  const isFloat = (value: Value | null): value is Value => value !== null && inference.dtypeOf(value) === 'float';
  for (const graph of nestedGraphs(model.graph)) {
    for (const node of graph.nodes) {
      const [input = null] = node.inputs;
      const [output = null] = node.outputs;
      if (isOperator(node, 'Cast')) {
        const from = input === null ? undefined : inference.dtypeOf(input);
        const to = output === null ? undefined : inference.dtypeOf(output);
        if (isFloat(output) && isWhole(from)) {
          exact.add(output);
          if (dataTypeBits(from!) > 8 && !isWithin(output, wholeNumbers)) {
            reasons.set(node, `integers beyond ${wholeNumbers} are not exact in ${half}`);
          }
        } else if (isFloat(output) && isFloat(input) && exact.has(input)) {
          exact.add(output);
        } else if (isFloat(input) && isWhole(to) && to !== 'bool') {
          reasons.set(node, 'its numbers become integers');
          demand(input, 'it computes what becomes an integer', reasons);
        }
        continue;
      }
      if (isExact(node, exact, isFloat)) {
        for (const result of node.outputs) if (isFloat(result)) exact.add(result);
        if (computes(node)) reasons.set(node, 'it computes on integers alone, such as positions, sizes or masks');
      }
      const angle = ['Sin', 'Cos', 'Tan'].some((opType) => isOperator(node, opType)) && !isWithin(input, smallAngle);
      for (const index of angle ? [0] : exactInputs(node)) {
        const value = node.inputs[index] ?? null;
        if (isFloat(value)) demand(value, `it computes what ${node.opType} "${nameOf(node)}" reads`, reasons);
      }
    }
  }
  return reasons;
}

const nameOf = (node: Node): string => node.name || node.outputs.find((output) => output !== null)?.name || '';

const isWhole = (dtype: DataType | undefined): boolean =>
  dtype !== undefined && ['signed', 'unsigned', 'bool'].includes(dataTypeKind(dtype));

/** Whether a node computes at all: what moves numbers leaves them exact in any type that holds them. */
const computes = (node: Node): boolean => {
  const source = elementSource(node)?.kind;
  return source === undefined || source === 'bounded';
};

/** Whether the floats a node makes come from exact ones and small tables, and from one exact one at least. */
function isExact(node: Node, exact: ReadonlySet<Value>, isFloat: (value: Value | null) => value is Value): boolean {
  const combines = ['MatMul', 'Gemm', 'Einsum', 'CumSum'].some((opType) => isOperator(node, opType));
  if (!combines && nodeTraits(node)?.elementwise === undefined && elementSource(node) === undefined) return false;
  const floats = node.inputs.filter(isFloat);
  return (
    floats.some((value) => exact.has(value)) &&
    floats.every((value) => {
      const tensor = constantTensor(value);
      return exact.has(value) || (tensor !== undefined && elementCount(tensor.dims) <= mostTableElements);
    })
  );
}

/** Goes back from a value through what computes or moves its elements one by one. */
function demand(value: Value, reason: string, reasons: Map<Node, string>): void {
  const pending = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const node = next.producer;
    if (node === null || reasons.has(node)) continue;
    if (nodeTraits(node)?.elementwise === undefined && elementSource(node) === undefined) continue;
    reasons.set(node, reason);
    for (const input of node.inputs) {
      if (input !== null && constantTensor(input) === undefined) pending.push(input);
    }
  }
}
