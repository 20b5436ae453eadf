// Pad(Pad(x, p), q) => Pad(x, p + q)
// Needs: both fill with the same number, no pad is negative (which cuts), pads are constants for all axes, and nothing
// else reads the smaller one.
import { getString } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { Node, Value } from '../../../ir/graph.js';
import { int64Tensor, tensorIntegers } from '../../../ir/tensor.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';

type Match = { root: Node; inner: Node; x: Value };

const padsAreInput = 11;

export const mergePads = defineRewrite<Match>({
  name: 'merge-pads',
  summary: 'Pad(Pad(x, p), q) => Pad(x, p + q)',
  licence: 'exact',
  pattern: op('root', 'Pad', [op('inner', 'Pad', [any('x')], { moreInputs: true })], { moreInputs: true }),
  check({ root, inner }) {
    if (plainOperator(root) === undefined || plainOperator(inner) === undefined)
      return 'attributes are up to the caller';
    if (defaultOpset(root) < padsAreInput) return 'pads are attributes in this opset';
    if (inner.outputs[0]!.uses.size > 1) return 'the smaller one is read by others';
    if (![root, inner].every((node) => getString(node, 'mode', 'constant') === 'constant'))
      return 'mode is not constant';
    if (!isSameFill(root, inner)) return 'they fill with different numbers';
    return summedPads(root, inner) === undefined ? 'pads are not known for all axes, or negative' : undefined;
  },
  rewrite: ({ root, inner, x }, build) => [
    build.op('Pad', [x, build.constant(int64Tensor(summedPads(root, inner)!), 'pads'), ...root.inputs.slice(2, 3)], {
      attributes: [...root.attributes.values()],
    }),
  ],
});

function summedPads(root: Node, inner: Node): bigint[] | undefined {
  const [first, second] = [padsOf(inner), padsOf(root)];
  if (first === undefined || first.length !== second?.length) return undefined;
  return first.map((pad, index) => pad + second[index]!);
}

function padsOf(node: Node): bigint[] | undefined {
  const tensor = node.inputs[3] == null ? constantTensor(node.inputs[1]) : undefined;
  const pads = tensor && tensorIntegers(tensor);
  return pads?.every((pad) => pad >= 0n) ? pads : undefined;
}

/** Both leave the number out, or give the same bits. */
function isSameFill(root: Node, inner: Node): boolean {
  const [a, b] = [inner.inputs[2] ?? null, root.inputs[2] ?? null];
  if (a === b) return true;
  const [first, second] = [constantTensor(a), constantTensor(b)];
  if (first === undefined || second === undefined || first.dtype !== second.dtype) return false;
  if (first.dtype === 'string' || first.byteLength !== second.byteLength) return false;
  const other = second.storage.bytes();
  return first.storage.bytes().every((byte, index) => byte === other[index]);
}
