import { getFloat } from '../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { isOperator } from './operator.js';
import { scalarOperand } from './scalar.js';

/** x held between two numbers, and the nodes that do it; none where the value is x itself. */
export type Clamp = {
  readonly x: Value;
  /** −∞ and ∞ where there is no bound. */
  readonly low: number;
  readonly high: number;
  readonly nodes: readonly Node[];
};

type Bounds = { readonly x: Value; readonly low: number; readonly high: number };

/** Takes Clip, Relu, Min and Max with constants together; up to a value that others read too. */
export function clampOf(value: Value, inference: Inference): Clamp {
  const nodes: Node[] = [];
  const steps: Bounds[] = [];
  let x = value;
  while (x === value || x.uses.size === 1) {
    const step = x.producer?.attached ? boundsOf(x.producer, inference) : undefined;
    if (step === undefined) break;
    nodes.push(x.producer!);
    steps.push(step);
    x = step.x;
  }
  // From the innermost on: each maps the interval so far, the upper bound last as Clip does.
  const apply = (step: Bounds, bound: number): number => Math.min(Math.max(bound, step.low), step.high);
  const low = steps.reduceRight((bound, step) => apply(step, bound), Number.NEGATIVE_INFINITY);
  const high = steps.reduceRight((bound, step) => apply(step, bound), Number.POSITIVE_INFINITY);
  return { x, low, high, nodes };
}

function boundsOf(node: Node, inference: Inference): Bounds | undefined {
  const [x = null, second = null, third = null] = node.inputs;
  const none = Number.POSITIVE_INFINITY;
  if (x === null) return undefined;
  if (isOperator(node, 'Relu')) return { x, low: 0, high: none };
  if (isOperator(node, 'Clip')) {
    if ((opsetVersion(node.graph, '') ?? 1) < 11) {
      return { x, low: getFloat(node, 'min', -none), high: getFloat(node, 'max', none) };
    }
    const low = second === null ? -none : scalarOperand(second, undefined, inference);
    const high = third === null ? none : scalarOperand(third, undefined, inference);
    return low === undefined || high === undefined ? undefined : { x, low, high };
  }
  const isMax = isOperator(node, 'Max');
  if ((!isMax && !isOperator(node, 'Min')) || second === null || node.inputs.length !== 2) return undefined;
  const behind = scalarOperand(second, node, inference);
  const bound = behind ?? scalarOperand(x, node, inference);
  if (bound === undefined || Number.isNaN(bound)) return undefined;
  const inner = behind === undefined ? second : x;
  return isMax ? { x: inner, low: bound, high: none } : { x: inner, low: -none, high: bound };
}
