// (x − mean) / (√variance + 1e-9) => MeanVarianceNormalization(x)
// Needs: mean and variance along the same axes, which stay as axes of size 1.
import { intsAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { meanOf } from '../../rewrite/reduction.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { isClose, scalarOperand } from '../../rewrite/scalar.js';
import { varianceNodes } from './normalized.js';

type Match = { readonly x: Value; readonly axes: readonly number[] };

const since = 9;

/** What the operator adds to the deviation. */
const epsilon = 1e-9;

export const fuseMeanVarianceNormalization = defineRewrite<Match>({
  name: 'fuse-mean-variance-normalization',
  summary: '(x − mean) / (√variance + 1e-9) => MeanVarianceNormalization(x)',
  licence: 'reassociates',
  opset: since,
  pattern: search('Div', (root, { inference }) => find(root, inference)),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'MeanVarianceNormalization', since, of: x }, context),
  rewrite: ({ x, axes }, build) => [
    build.op('MeanVarianceNormalization', [x], { attributes: [intsAttribute('axes', axes)] }),
  ],
});

function find(root: Node, inference: Inference): Finding<Match> | string {
  const centred = producerOf(root.inputs[0], 'Sub');
  const shifted = producerOf(root.inputs[1], 'Add');
  const [x = null, average = null] = centred?.inputs ?? [];
  const mean = meanOf(average, inference);
  if (centred === undefined || shifted === undefined || x === null || mean?.input !== x) return 'it is not centred';
  const deviation = shifted.inputs.map((input) => producerOf(input, 'Sqrt')).find((node) => node !== undefined);
  const other = shifted.inputs.find((input) => input !== deviation?.outputs[0]);
  const added = other == null ? undefined : scalarOperand(other, shifted, inference);
  if (deviation?.inputs[0] == null || added === undefined || !isClose(added, epsilon, 1e-6)) {
    return 'it is not divided by a deviation and 1e-9';
  }
  const nodes = varianceNodes(deviation.inputs[0], { x, mean, value: centred.outputs[0]! }, inference);
  if (nodes === undefined) return 'the deviation is another one';
  return { captures: { x, axes: mean.axes }, nodes: [centred, shifted, deviation, ...mean.nodes, ...nodes] };
}
