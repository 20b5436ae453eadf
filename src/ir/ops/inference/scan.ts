import { type Dim, provablyDifferent } from '../../dim.js';
import { formatType, type Shape, tensorType, type ValueType } from '../../value_type.js';
import type { InferenceContext } from './context.js';
import { mergeTypes } from './merge.js';

/**
 * Scan: body inputs are the state and one element of each scanned input, body outputs the state and what is collected.
 * The state keeps its shape, which ONNX demands. In opset 8 all inputs have a batch axis in front of the scanned one,
 * which the body does not see, and the first input holds lengths.
 */
export function inferScan(context: InferenceContext): void {
  const body = context.graph('body');
  const scanned = context.int('num_scan_inputs', undefined);
  if (body === undefined || scanned === undefined) return;
  const batched = context.opset < 9;
  const skipped = batched ? 1 : 0;
  const states = context.inputCount - skipped - scanned;
  if (
    scanned < 0 ||
    states < 0 ||
    body.inputs.length !== states + scanned ||
    context.outputCount > body.outputs.length
  ) {
    const given = `${body.inputs.length} inputs and ${body.outputs.length} outputs`;
    const wanted = `a Scan over ${scanned} of ${context.inputCount} inputs with ${context.outputCount} results`;
    context.fail('infer/scan-body', `the body with ${given} does not fit ${wanted}`);
    return;
  }

  const batches: (Dim | undefined)[] = [];
  const lengths: (Dim | undefined)[] = [];
  const types: (ValueType | undefined)[] = [];
  for (let index = 0; index < states + scanned; index += 1) {
    let type = context.type(index + skipped);
    if (batched) type = takeAxis(type, 0, batches);
    if (index >= states) {
      const axis = batched ? 0 : (context.ints('scan_input_axes', undefined)?.[index - states] ?? 0);
      type = takeAxis(type, axis, lengths);
    }
    if (type === 'no-axis') {
      context.fail(
        'infer/axis',
        `input ${index + skipped} has no such axis to scan: ${formatType(context.type(index + skipped))}`,
      );
      return;
    }
    types.push(type);
  }
  const length = agreed(lengths);
  const batch = agreed(batches);
  if (length === 'conflict' || batch === 'conflict') {
    context.fail('infer/scan-length', 'the scanned inputs differ in length');
    return;
  }

  const results = context.inferGraph(body, types);
  for (let index = 0; index < context.outputCount; index += 1) {
    let result: ValueType | undefined = results[index]?.type;
    if (index < states) {
      const state = mergeTypes(types[index], result, 'all');
      if (state.conflict !== undefined) context.fail('infer/scan-state', `state ${index}: ${state.conflict}`);
      result = state.type;
    } else {
      const axis = batched ? 0 : (context.ints('scan_output_axes', undefined)?.[index - states] ?? 0);
      const collected = putAxis(result, axis, length);
      if (collected === 'no-axis') {
        context.fail('infer/axis', `output ${index} cannot be collected along axis ${axis}`);
        continue;
      }
      result = collected;
    }
    if (batched) result = putAxis(result, 0, batch) as ValueType | undefined;
    context.setType(index, result);
  }
}

/** A tensor type less one axis, whose size goes to `sizes`. */
function takeAxis(type: ValueType | undefined | 'no-axis', axis: number, sizes: (Dim | undefined)[]) {
  if (type === 'no-axis' || type?.kind !== 'tensor') return type;
  if (type.shape === undefined) return type;
  const rank = type.shape.length;
  if (axis < -rank || axis >= rank) return 'no-axis';
  const at = axis < 0 ? axis + rank : axis;
  sizes.push(type.shape[at]);
  return tensorType(type.dtype, type.shape.toSpliced(at, 1));
}

function putAxis(type: ValueType | undefined, axis: number, size: Dim | undefined): ValueType | undefined | 'no-axis' {
  if (type?.kind !== 'tensor') return undefined;
  if (type.shape === undefined) return tensorType(type.dtype);
  const rank = type.shape.length + 1;
  if (axis < -rank || axis >= rank) return 'no-axis';
  const shape: Shape = type.shape.toSpliced(axis < 0 ? axis + rank : axis, 0, size);
  return tensorType(type.dtype, shape);
}

/** The size that several axes have in common; a number where one of them is known as that. */
function agreed(sizes: readonly (Dim | undefined)[]): Dim | undefined | 'conflict' {
  const known = sizes.filter((size) => size !== undefined);
  if (known.some((size) => provablyDifferent(size, known[0]))) return 'conflict';
  return known.find((size) => typeof size === 'number') ?? known[0];
}
