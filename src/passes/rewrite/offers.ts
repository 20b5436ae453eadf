import type { DataType } from '../../ir/data_type.js';
import { type Node, opsetVersion } from '../../ir/graph.js';
import type { CheckContext } from './rewrite.js';

export type Offer = {
  readonly opType: string;
  readonly domain?: string;
  /** The opset of the default domain that first had the operator; raised to where the model is older. */
  readonly since?: number;
  /** Of its first input. */
  readonly dtype?: DataType | undefined;
};

/** Why the target is better not given an operator in place of `root`, or undefined where it runs it. */
export function offerObstacle(
  root: Node,
  { opType, domain = '', since = 1, dtype }: Offer,
  { target }: CheckContext,
): string | undefined {
  const name = domain === '' ? opType : `${domain}.${opType}`;
  if (domain !== '' && !target.domains.includes(domain)) return `${target.name} does not know ${name}`;
  if (since > target.opset.max) return `${name} needs opset ${since}, and ${target.name} takes ${target.opset.max}`;
  const refused = domain === '' ? target.refuses[opType] : undefined;
  if (refused !== undefined) return refused;
  const opset = domain === '' ? Math.max(opsetVersion(root.graph, '') ?? since, since) : 1;
  return target.runs(domain, opType, opset, dtype) === false ? `${target.name} has no ${name} of its own` : undefined;
}
