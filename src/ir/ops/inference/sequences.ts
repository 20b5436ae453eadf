import { dataTypeOfCode } from '../../data_type.js';
import { asDim, type Dim, dimEquals, mod } from '../../dim.js';
import { type Shape, tensorType, type ValueType } from '../../value_type.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { commonType } from './merge.js';

const sequenceOf = (element: ValueType | undefined): ValueType => ({ kind: 'sequence', element });

function elementType(context: InferenceContext, index: number): ValueType | undefined {
  const type = context.type(index);
  return type?.kind === 'sequence' ? type.element : undefined;
}

function sequenceEmpty(context: InferenceContext): void {
  const element = tensorType(dataTypeOfCode(context.int('dtype', 1)));
  context.setType(0, { kind: 'sequence', element, isEmpty: true });
}

function sequenceConstruct(context: InferenceContext): void {
  let element = context.type(0);
  for (let index = 1; index < context.inputCount; index += 1) element = commonType(element, context.type(index));
  context.setType(0, sequenceOf(element));
}

function sequenceInsert(context: InferenceContext): void {
  const inserted = context.type(1);
  const sequence = context.type(0);
  const intoEmpty = sequence?.kind === 'sequence' && sequence.isEmpty;
  context.setType(0, sequenceOf(intoEmpty ? inserted : commonType(elementType(context, 0), inserted)));
}

function sequenceErase(context: InferenceContext): void {
  context.setType(0, sequenceOf(elementType(context, 0)));
}

function sequenceAt(context: InferenceContext): void {
  context.setType(0, elementType(context, 0));
}

function sequenceLength(context: InferenceContext): void {
  context.setTensor(0, 'int64', []);
}

/** `split` is a size for all parts, the last one taking the rest, or a size for each; without it, parts of 1. */
function splitToSequence(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setType(0, sequenceOf(tensorType(dtype)));
  if (shape === undefined) return;
  const axis = context.int('axis', 0);
  const at = axis < 0 ? axis + shape.length : axis;
  if (at < 0 || at >= shape.length) {
    context.fail('infer/axis', `axis ${axis} is none of a tensor of rank ${shape.length}`);
    return;
  }
  const keepsAxis = context.has(1) || context.int('keepdims', 1) !== 0;
  const part = keepsAxis ? [context.has(1) ? partSize(context, shape[at]) : 1] : [];
  context.setType(0, sequenceOf(tensorType(dtype, shape.toSpliced(at, 1, ...part))));
}

/** The size that all parts of a split have; undefined where they differ or nobody knows. */
function partSize(context: InferenceContext, whole: Dim | undefined): Dim | undefined {
  const split = context.content(1);
  const [first, ...others] = split?.elements ?? [];
  if (split === undefined || first === undefined) return undefined;
  const isSame = split.dims.length === 1 ? others.every((size) => dimEquals(size, first)) : mod(whole, first) === 0;
  return isSame ? asDim(first) : undefined;
}

/** Joins the elements along an axis they have, or with `new_axis` one of its own. */
function concatFromSequence(context: InferenceContext): void {
  const element = elementType(context, 0);
  if (element?.kind !== 'tensor') return;
  context.setTensor(0, element.dtype);
  const axis = context.int('axis', undefined);
  if (element.shape === undefined || axis === undefined) return;
  const stacks = context.int('new_axis', 0) !== 0;
  const rank = element.shape.length + (stacks ? 1 : 0);
  const at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) {
    context.fail('infer/axis', `axis ${axis} is none of a result of rank ${rank}`);
    return;
  }
  const shape: Shape = element.shape.toSpliced(at, stacks ? 0 : 1, undefined);
  context.setTensor(0, element.dtype, shape);
}

function optional(context: InferenceContext): void {
  const declared = context.attributes.get('type');
  const element = context.has(0) ? context.type(0) : declared?.kind === 'type' ? declared.value : undefined;
  context.setType(0, { kind: 'optional', element });
}

/** What is no optional has itself as its element (opset 18). */
function optionalGetElement(context: InferenceContext): void {
  const type = context.type(0);
  context.setType(0, type?.kind === 'optional' ? type.element : type);
  if (type?.kind === 'tensor') context.setContent(0, context.anyContent(0));
}

function optionalHasElement(context: InferenceContext): void {
  context.setTensor(0, 'bool', []);
  const type = context.type(0);
  if (!context.has(0)) context.setContent(0, content('bool', [], [0]));
  else if (type?.kind === 'tensor' || type?.kind === 'sequence') context.setContent(0, content('bool', [], [1]));
}

export const sequenceRules: InferenceRules = {
  SequenceEmpty: sequenceEmpty,
  SequenceConstruct: sequenceConstruct,
  SequenceInsert: sequenceInsert,
  SequenceErase: sequenceErase,
  SequenceAt: sequenceAt,
  SequenceLength: sequenceLength,
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  Optional: optional,
  OptionalGetElement: optionalGetElement,
  OptionalHasElement: optionalHasElement,
};
