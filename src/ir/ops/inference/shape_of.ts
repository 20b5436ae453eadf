import { constantNodeTensor } from '../../constant.js';
import { asDim, type Dim, product } from '../../dim.js';
import { content, shapeContent } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';

function inferShape(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, 'int64', [undefined]);
  if (shape === undefined) return;
  const clamp = (value: number) => Math.min(shape.length, Math.max(0, value < 0 ? value + shape.length : value));
  const part = shape.slice(clamp(context.int('start', 0)), clamp(context.int('end', shape.length)));
  context.setTensor(0, 'int64', [part.length]);
  context.setContent(0, shapeContent(part));
}

function inferSize(context: InferenceContext): void {
  context.setTensor(0, 'int64', []);
  const shape = context.shape(0);
  const size = shape && product(shape);
  if (size !== undefined) context.setContent(0, content('int64', [], [size]));
}

function inferConstant(context: InferenceContext): void {
  const tensor = constantNodeTensor(context.node);
  if (tensor !== undefined) context.setConstant(0, tensor);
}

/** The dimensions that a content names, as Reshape, Expand and ConstantOfShape read them. */
export const dimsOf = (elements: readonly Parameters<typeof asDim>[0][]): (Dim | undefined)[] => elements.map(asDim);

export const shapeOfRules: InferenceRules = { Shape: inferShape, Size: inferSize, Constant: inferConstant };
