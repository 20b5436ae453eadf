import { calledFunction, type Node, opsetVersion } from '../../ir/graph.js';
import { operatorSchema, operatorVersions, schemaDomain } from '../../ir/ops/operator_schema.js';
import type { TargetProfile } from '../target_profile.js';

/** Why a target does not run a node as it stands, or undefined where nothing speaks against it. */
export function unfitReason(node: Node, target: TargetProfile): string | undefined {
  if (calledFunction(node) !== undefined) return undefined;
  const { opType } = node;
  const domain = schemaDomain(node.domain);
  if (domain !== '') {
    if (!target.domains.includes(domain)) return `${target.name} does not know the domain ${domain}`;
    return target.runs(domain, opType, 1) === false ? `${target.name} has no ${domain}.${opType}` : undefined;
  }
  if (Object.hasOwn(target.refuses, opType)) return target.refuses[opType];
  const opset = opsetVersion(node.graph, '') ?? target.opset.max;
  const [first] = operatorVersions('', opType);
  const runs = target.runs('', opType, opset);
  if (first === undefined && runs !== true)
    return `${target.name} is not known to run ${opType}, which is not standard`;
  if (first !== undefined && first.since > target.opset.max) {
    return `${opType} needs opset ${first.since}, and ${target.name} takes ${target.opset.max}`;
  }
  return runs === false ? `${target.name} has no ${opType}` : undefined;
}

/** Whether the standard defines the operator by others, which a runtime without it can put in its place. */
export const isFunction = ({ graph, domain, opType }: Node): boolean =>
  schemaDomain(domain) === '' && (operatorSchema('', opType, opsetVersion(graph, '') ?? 1)?.isFunction ?? false);
