import type { Attribute } from '../../attribute.js';
import { constantNodeTensor } from '../../constant.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromStrings } from '../../tensor.js';
import type { Shape } from '../../value_type.js';
import { content, shapeContent } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { shapeSize } from './shape_size.js';

/** Operators that give a shape or a constant. */
export const shapeOfRules: InferenceRules = { Shape: inferShape, Size: inferSize, Constant: inferConstant };

/** Since 15 of the axes from `start` to `end`, which are counted from the end where negative, and clamped. */
function inferShape(context: InferenceContext): void {
  context.setTensor(0, 'int64', [undefined]);
  const shape = context.shape(0);
  if (shape === undefined) return;
  const part = context.opset < 15 ? shape : partOf(context, shape);
  context.setTensor(0, 'int64', [part.length]);
  context.setContent(0, shapeContent(part));
}

function partOf(context: InferenceContext, shape: Shape): Shape {
  const clamp = (value: number) => Math.min(shape.length, Math.max(0, value < 0 ? value + shape.length : value));
  return shape.slice(clamp(context.int('start', 0)), clamp(context.int('end', shape.length)));
}

function inferSize(context: InferenceContext): void {
  context.setTensor(0, 'int64', []);
  const shape = context.shape(0);
  const size = shape && shapeSize(shape);
  if (size !== undefined) context.setContent(0, content('int64', [], [size]));
}

function inferConstant(context: InferenceContext): void {
  const tensor = constantNodeTensor(context.node) ?? resolvedTensor(context);
  const sparse = context.attributes.get('sparse_value');
  if (tensor !== undefined) context.setConstant(0, tensor);
  else if (sparse?.kind === 'sparse') context.setTensor(0, sparse.value.dtype, sparse.value.dims);
}

/** What a Constant inside a function holds whose attribute is the function's own. */
function resolvedTensor(context: InferenceContext): Tensor | undefined {
  for (const [name, attribute] of context.attributes) {
    const tensor = context.node.attributes.get(name)?.kind === 'reference' ? tensorOf(attribute) : undefined;
    if (tensor !== undefined) return tensor;
  }
  return undefined;
}

function tensorOf(attribute: Attribute): Tensor | undefined {
  switch (attribute.kind) {
    case 'tensor':
      return attribute.value;
    case 'float':
      return floatTensor([attribute.value], []);
    case 'floats':
      return floatTensor(attribute.value);
    case 'int':
      return int64Tensor([attribute.value], []);
    case 'ints':
      return int64Tensor(attribute.value);
    case 'string':
      return tensorFromStrings([], [attribute.value]);
    case 'strings':
      return tensorFromStrings([attribute.value.length], attribute.value);
    default:
      return undefined;
  }
}
