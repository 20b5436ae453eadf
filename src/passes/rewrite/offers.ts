import { product, upperBound } from '../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import type { SlowKernel } from '../target_profile.js';
import type { CheckContext } from './rewrite.js';

export type Offer = {
  readonly opType: string;
  readonly domain?: string;
  /** The opset of the default domain that first had the operator; raised to where the model is older. */
  readonly since?: number;
  /** Its first input. */
  readonly of: Value;
  /** What the target may tell apart: `inner axis`, along one that is not the last; `unmasked` attention. */
  readonly form?: string | undefined;
};

/** Why the target is better not given an operator in place of `root`, or undefined where it runs it. */
export function offerObstacle(
  root: Node,
  { opType, domain = '', since = 1, of, form }: Offer,
  { target, inference }: CheckContext,
): string | undefined {
  const name = domain === '' ? opType : `${domain}.${opType}`;
  if (domain !== '' && !target.domains.includes(domain)) return `${target.name} does not know ${name}`;
  if (domain !== '' && !target.prefers.includes(`${domain}:${opType}`))
    return `${target.name} gains nothing by ${name}`;
  const isTaken = [...root.graph.model.functions.values()].some((fn) => fn.name === opType && fn.domain === domain);
  if (isTaken) return `the model has a function of its own named ${name}`;
  if (since > target.opset.max) return `${name} needs opset ${since}, and ${target.name} takes ${target.opset.max}`;
  const refused = domain === '' ? target.refuses[opType] : undefined;
  if (refused !== undefined) return refused;
  const opset = domain === '' ? Math.max(opsetVersion(root.graph, '') ?? since, since) : 1;
  const runs = target.runs(domain, opType, opset, inference.dtypeOf(of));
  if (runs === false) return `${target.name} has no ${name} of its own`;
  const slow = domain === '' ? target.slow[opType] : undefined;
  if (slow === undefined || (slow.where !== undefined && slow.where !== form)) return undefined;
  return isAtMost(slow, of, inference) ? undefined : `${target.name} computes ${slow.instead} faster than ${name}`;
}

function isAtMost({ above }: SlowKernel, of: Value, inference: Inference): boolean {
  const count = product(inference.shapeOf(of) ?? [undefined]);
  const most = upperBound(count);
  return most !== undefined && most <= above;
}
