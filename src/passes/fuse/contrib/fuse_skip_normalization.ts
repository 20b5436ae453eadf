// LayerNormalization(input + skip [+ bias]) => com.microsoft.SkipLayerNormalization(input, skip)
// RMSNormalization(input + skip [+ bias]) => com.microsoft.SkipSimplifiedLayerNormalization(input, skip)
// Needs: [batch, length, hidden], normalized along the last axis. The sum may be read by others: it is an output as well.
import { floatAttribute, getFloat, getInt } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { shapesEqual } from '../../../ir/value_type.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { isAlongLastAxis } from './fuse_bias_gelu.js';

type Match = {
  readonly norm: Node;
  readonly sum: Value;
  readonly input: Value;
  readonly skip: Value;
  readonly bias: Value | null;
};

const domain = 'com.microsoft';

export const fuseSkipNormalization = defineRewrite<Match>({
  name: 'fuse-skip-normalization',
  summary: 'LayerNormalization(input + skip) => com.microsoft.SkipLayerNormalization(input, skip)',
  licence: 'reassociates',
  pattern: search(['LayerNormalization', 'RMSNormalization'], (root, { inference }): Finding<Match> | string => {
    const add = producerOf(root.inputs[0], 'Add');
    const [left = null, right = null] = add?.inputs ?? [];
    if (add === undefined || left === null || right === null) return 'it normalizes no sum';
    const sum = add.outputs[0]!;
    for (const [value, skip] of [
      [left, right],
      [right, left],
    ] as const) {
      const biased = value.uses.size === 1 ? producerOf(value, 'Add') : undefined;
      const found = biased && biasOf(biased, inference);
      if (found) return { captures: { norm: root, sum, skip, ...found }, nodes: [add, biased] };
    }
    return { captures: { norm: root, sum, input: left, skip: right, bias: null }, nodes: [add] };
  }),
  replacesInner: ({ norm, sum }) =>
    [...sum.uses].some((use) => use.kind === 'output' || use.user !== norm) ? [sum] : [],
  check({ norm, input, skip }, context, root) {
    const { inference } = context;
    const shape = inference.shapeOf(input);
    if (shape?.length !== 3 || !shapesEqual(shape, inference.shapeOf(skip))) {
      return 'its operands are not known to be [batch, length, hidden] both';
    }
    const axis = getInt(norm, 'axis', -1);
    if (axis !== -1 && axis !== 2) return 'it is not along the last axis';
    if (getInt(norm, 'stash_type', 1) !== 1) return 'its statistics are not float';
    if (norm.outputs.slice(1).some((output) => output !== null)) return 'its statistics are asked for';
    const isVector = norm.inputs.slice(1).every((value) => value === null || isAlongLastAxis(value, input, inference));
    if (!isVector) return 'scale and bias are not known to lie along the last axis';
    return offerObstacle(root, { domain, opType: operatorFor(norm), of: input }, context);
  },
  rewrite({ norm, sum, input, skip, bias }, build) {
    const isRead = [...sum.uses].some((use) => use.kind === 'output' || use.user !== norm);
    const [, scale = null, shift = null] = norm.inputs;
    const operands = norm.opType === 'LayerNormalization' ? [scale, shift] : [scale];
    const inputs = [input, skip, ...operands, bias];
    while (inputs.at(-1) === null) inputs.pop();
    const node = build.node(operatorFor(norm), inputs, {
      domain,
      attributes: [floatAttribute('epsilon', getFloat(norm, 'epsilon', 1e-5))],
      outputs: isRead ? [{}, null, null, {}] : [{}],
    });
    return isRead ? [node.outputs[0]!, node.outputs[3]!] : [node.outputs[0]!];
  },
});

const operatorFor = ({ opType }: Node): string =>
  opType === 'LayerNormalization' ? 'SkipLayerNormalization' : 'SkipSimplifiedLayerNormalization';

function biasOf({ inputs }: Node, inference: Inference): { readonly input: Value; readonly bias: Value } | undefined {
  const [left = null, right = null] = inputs;
  if (left === null || right === null) return undefined;
  if (isAlongLastAxis(right, left, inference)) return { input: left, bias: right };
  return isAlongLastAxis(left, right, inference) ? { input: right, bias: left } : undefined;
}
