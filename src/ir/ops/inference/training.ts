import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';

/**
 * One step of an optimizer: the learning rate, the count of updates, then as many tensors, gradients and states as
 * there are tensors => the tensors, then their states. `states` counts those of one tensor.
 */
function optimizer(states: number): InferenceRule {
  return (context) => {
    const count = (context.inputCount - 2) / (2 + states);
    if (!Number.isInteger(count) || count < 1 || context.outputCount > count * (1 + states)) {
      context.fail('infer/optimizer', 'the inputs are not as many gradients and states as there are tensors');
      return;
    }
    for (let index = 0; index < context.outputCount; index += 1) {
      // The gradients, which come behind the tensors, have no output.
      const input = 2 + (index < count ? index : index + count);
      context.setType(index, context.type(input));
    }
  };
}

/** The derivative of `y` by each tensor of `xs`, whose values are the first inputs. */
function inferGradient(context: InferenceContext): void {
  const names = context.attributes.get('xs');
  const count = names?.kind === 'strings' ? names.value.length : 0;
  for (let index = 0; index < Math.min(count, context.outputCount); index += 1) {
    context.setTensor(index, context.dtype(index), context.shape(index));
  }
}

export const trainingRules: InferenceRules = {
  'ai.onnx.preview.training:Adagrad': optimizer(1),
  'ai.onnx.preview.training:Adam': optimizer(2),
  'ai.onnx.preview.training:Momentum': optimizer(1),
  'ai.onnx.preview.training:Gradient': inferGradient,
};
