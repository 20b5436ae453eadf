import type { Node } from '../../../ir/graph.js';
import type { StepContext } from './step_context.js';

/** Changes a node into its form on the other side of a version step, or says why there is none. */
export type Adapter = (node: Node, context: StepContext) => string | undefined;

/**
 * `same`: both versions mean the same by what they share; that the node uses nothing else is checked against the
 * schemas. A refusal says what differs.
 */
export type Move = 'same' | Adapter | { readonly refuse: string };

/** How nodes get over one version step of an operator. */
export type Step = {
  /** From the operator's version before this one. */
  readonly up: Move;
  /** To the version before; for an operator's first version, to other operators. Never asked up to opset 7. */
  readonly down: Move;
};

/** By the opset version that brought the new version of the operator. */
export type OperatorSteps = Readonly<Record<number, Step>>;

/** By operator type, of the default domain. */
export type StepTable = Readonly<Record<string, OperatorSteps>>;

export const same: Step = { up: 'same', down: 'same' };

/** `same` for each of these versions. */
export const sameAt = (...versions: readonly number[]): OperatorSteps =>
  Object.fromEntries(versions.map((version) => [version, same]));
