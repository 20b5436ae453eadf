import type { Dim } from '../../dim.js';
import type { Graph } from '../../graph.js';
import { formatType, tensorType, type ValueType } from '../../value_type.js';

import type { InferenceContext } from './context.js';
import { mergeTypes } from './merge.js';
import { agreedSize } from './sizes.js';

/**
 * Scan: body inputs are the state and one element of each scanned input, body outputs the state and what is collected.
 * The state keeps its shape, which ONNX demands. In opset 8 every input has a batch axis, which the body does not see,
 * in front of the scanned one, and an input of lengths comes before them.
 */
export function inferScan(context: InferenceContext): void {
  const body = context.graph('body');
  const scanned = context.int('num_scan_inputs', undefined);
  if (body === undefined || scanned === undefined) return;
  const form = context.opset < 9 ? batchedForm(context, scanned) : plainForm(context, scanned);
  if (!fits(body, form, context)) {
    const given = `${body.inputs.length} inputs and ${body.outputs.length} outputs`;
    const wanted = `a Scan over ${scanned} of ${context.inputCount} inputs with ${context.outputCount} results`;
    context.fail('infer/scan-body', `the body with ${given} does not fit ${wanted}`);
    return;
  }

  const sizes: Sizes = { batch: [], length: [] };
  const types: (ValueType | undefined)[] = [];
  for (let index = 0; index < body.inputs.length; index += 1) {
    const given = context.type(index + form.firstInput);
    const type = elementOf(given, index < form.states ? null : form.inputAxis(index - form.states), form, sizes);
    if (type === null) {
      context.fail('infer/axis', `${formatType(given)} has no such axis to scan along`);
      return;
    }
    types.push(type);
  }
  const length = agreedSize(sizes.length);
  const batch = agreedSize(sizes.batch);
  if (length === 'conflict' || batch === 'conflict') {
    context.fail('infer/scan-length', 'the scanned inputs differ in length');
    return;
  }

  const results = context.inferGraph(body, types);
  for (let index = 0; index < context.outputCount; index += 1) {
    let type = results[index]?.type;
    if (index < form.states) {
      const state = mergeTypes(types[index], type);
      if (state.conflict !== undefined) context.fail('infer/scan-state', `state ${index}: ${state.conflict}`);
      type = state.type;
    } else {
      const axis = form.outputAxis(index - form.states);
      const collected = withAxis(type, axis, length);
      if (collected === null) {
        context.fail('infer/axis', `${formatType(type)} cannot be collected along axis ${axis}`);
        continue;
      }
      type = collected;
    }
    context.setType(index, form.batched ? (withAxis(type, 0, batch) ?? undefined) : type);
  }
}

/** How the versions of Scan lay out their inputs and outputs. */
type Form = {
  readonly batched: boolean;
  /** The input that is the first state. */
  readonly firstInput: number;
  readonly states: number;
  inputAxis(scanned: number): number;
  outputAxis(collected: number): number;
};

const batchedForm = (context: InferenceContext, scanned: number): Form => ({
  batched: true,
  firstInput: 1,
  states: context.inputCount - 1 - scanned,
  inputAxis: () => 0,
  outputAxis: () => 0,
});

const plainForm = (context: InferenceContext, scanned: number): Form => ({
  batched: false,
  firstInput: 0,
  states: context.inputCount - scanned,
  inputAxis: (index) => context.ints('scan_input_axes', undefined)?.[index] ?? 0,
  outputAxis: (index) => context.ints('scan_output_axes', undefined)?.[index] ?? 0,
});

function fits(body: Graph, { states, firstInput }: Form, context: InferenceContext): boolean {
  const inputs = context.inputCount - firstInput;
  return (
    states >= 0 &&
    states <= inputs &&
    body.inputs.length === inputs &&
    body.outputs.length >= Math.max(states, context.outputCount)
  );
}

type Sizes = { readonly batch: (Dim | undefined)[]; readonly length: (Dim | undefined)[] };

/** What the body sees of an input, whose sizes along the axes it does not see go to `sizes`; null without such axes. */
function elementOf(
  type: ValueType | undefined,
  axis: number | null,
  { batched }: Form,
  sizes: Sizes,
): ValueType | undefined | null {
  const sample = batched ? withoutAxis(type, 0, sizes.batch) : type;
  return axis === null || sample === null ? sample : withoutAxis(sample, axis, sizes.length);
}

function withoutAxis(
  type: ValueType | undefined,
  axis: number,
  sizes: (Dim | undefined)[],
): ValueType | undefined | null {
  if (type?.kind !== 'tensor' || type.shape === undefined) return type;
  const at = axis < 0 ? axis + type.shape.length : axis;
  if (at < 0 || at >= type.shape.length) return null;
  sizes.push(type.shape[at]);
  return tensorType(type.dtype, type.shape.toSpliced(at, 1));
}

/** A tensor type with one axis more; null where it cannot have it. */
function withAxis(type: ValueType | undefined, axis: number, size: Dim | undefined): ValueType | undefined | null {
  if (type?.kind !== 'tensor') return undefined;
  if (type.shape === undefined) return tensorType(type.dtype);
  const rank = type.shape.length + 1;
  const at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) return null;
  return tensorType(type.dtype, type.shape.toSpliced(at, 0, size));
}
