import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { isOperator } from './operator.js';
import { scalarOperand } from './scalar.js';

/** factor · x + offset, and the nodes that compute it; none where the value is x itself. */
export type Affine = {
  readonly x: Value;
  readonly factor: number;
  readonly offset: number;
  readonly nodes: readonly Node[];
};

/** Takes Add, Sub, Mul and Div by constants of one element, and Neg, together; up to a value that others read too. */
export function affineOf(value: Value, inference: Inference, whole: ReadonlySet<Value> = new Set()): Affine {
  let x = value;
  let factor = 1;
  let offset = 0;
  const nodes: Node[] = [];
  while (!whole.has(x) && (x === value || x.uses.size === 1)) {
    const step = x.producer?.attached ? stepOf(x.producer, inference) : undefined;
    if (step === undefined) break;
    nodes.push(x.producer!);
    offset += factor * step.offset;
    factor *= step.factor;
    x = step.x;
  }
  return { x, factor, offset, nodes };
}

type Step = Omit<Affine, 'nodes'>;

function stepOf(node: Node, inference: Inference): Step | undefined {
  const [left = null, right = null] = node.inputs;
  if (left === null) return undefined;
  if (isOperator(node, 'Neg')) return { x: left, factor: -1, offset: 0 };
  if (right === null || !['Add', 'Sub', 'Mul', 'Div'].some((opType) => isOperator(node, opType))) return undefined;
  const behind = scalarOperand(right, node, inference);
  const front = behind === undefined ? scalarOperand(left, node, inference) : undefined;
  const number = behind ?? front;
  if (number === undefined) return undefined;
  const x = behind === undefined ? right : left;
  switch (node.opType) {
    case 'Add':
      return { x, factor: 1, offset: number };
    case 'Sub':
      return behind === undefined ? { x, factor: -1, offset: number } : { x, factor: 1, offset: -number };
    case 'Mul':
      return { x, factor: number, offset: 0 };
    default:
      return behind === undefined ? undefined : { x, factor: 1 / number, offset: 0 };
  }
}
