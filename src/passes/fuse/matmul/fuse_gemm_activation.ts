// activation(Gemm(a, b, c)) => FusedGemm(a, b, c), activation one of Relu, Sigmoid, Tanh, LeakyRelu, HardSigmoid
// Needs: a product that nothing else reads.
import type { Node, Value } from '../../../ir/graph.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { any, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import {
  type FusedActivation,
  fusedActivation,
  gemmActivationAttributes,
  gemmActivations,
} from '../convolution/fused_activation.js';

type Match = { root: Node; gemm: Node; a: Value; b: Value; c: Value | null };

export const fuseGemmActivation = defineRewrite<Match>({
  name: 'fuse-gemm-activation',
  summary: 'activation(Gemm(a, b, c)) => FusedGemm(a, b, c)',
  licence: 'assumes-finite',
  pattern: op('root', gemmActivations, [op('gemm', 'Gemm', [any('a'), any('b'), optional('c', any('c'))])]),
  check: ({ root, a }, context) =>
    offerObstacle(root, { opType: 'FusedGemm', domain: 'com.microsoft', of: a }, context),
  rewrite({ root, gemm, a, b, c }, build) {
    const activation = fusedActivation(root) as FusedActivation;
    const attributes = [...gemm.attributes.values(), ...gemmActivationAttributes(activation)];
    const inputs = c === null ? [a, b] : [a, b, c];
    return [build.op('FusedGemm', inputs, { domain: 'com.microsoft', attributes, name: gemm.name })];
  },
});
