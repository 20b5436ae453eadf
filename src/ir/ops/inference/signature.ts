import type { ValueType } from '../../value_type.js';
import {
  allowedTypes,
  attributeKinds,
  formalParameter,
  latestOpset,
  type OperatorSchema,
  operatorSchema,
  unbounded,
} from '../operator_schema.js';
import type { InferenceContext } from './context.js';

/**
 * Whether a node is made as the schema of its operator says: how many inputs, how many outputs at most, which types,
 * which kinds of attributes. A node that is not is reported, and its rule does not run. What no schema describes passes, and so does
 * every operator of an opset newer than the schemas, which may allow more.
 */
export function fitsSchema(context: InferenceContext): boolean {
  const { domain, opType } = context.node;
  const schema = operatorSchema(domain, opType, context.opset);
  if (schema === undefined || schema.deprecated || context.opset > newestOpset(domain)) return true;
  return fitsArity(context, schema) && fitsTypes(context, schema) && fitsAttributes(context, schema);
}

/** By domain; found once. */
const newest = new Map<string, number>();

export function newestOpset(domain: string): number {
  const known = newest.get(domain) ?? latestOpset(domain) ?? 0;
  newest.set(domain, known);
  return known;
}

function fitsArity(context: InferenceContext, schema: OperatorSchema): boolean {
  const { inputs, outputs } = context.node;
  // Inputs left out at the end may be spelled out or not.
  const given = inputs.findLastIndex((input) => input !== null) + 1;
  const report = (message: string): false => {
    context.fail('infer/wrong-arity', message);
    return false;
  };
  if (inputs.length < schema.minInputs || given > schema.maxInputs) {
    return report(`${schema.name} takes ${range(schema.minInputs, schema.maxInputs)} inputs, given ${given}`);
  }
  for (const [index, input] of inputs.entries()) {
    const formal = formalParameter(schema, 'input', index);
    if (input === null && formal?.option === 'single') return report(`input ${formal.name} is left out`);
  }
  if (outputs.length > schema.maxOutputs) {
    return report(`${schema.name} has ${schema.maxOutputs} outputs at most, not ${outputs.length}`);
  }
  return true;
}

function fitsTypes(context: InferenceContext, schema: OperatorSchema): boolean {
  for (let index = 0; index < context.inputCount; index += 1) {
    const type = context.type(index);
    const allowed = allowedTypes(schema, 'input', index);
    if (type === undefined || allowed === undefined || isAllowed(type, allowed)) continue;
    const name = formalParameter(schema, 'input', index)?.name;
    context.fail('infer/wrong-type', `input ${name} is ${typeName(type)}, which ${schema.name} does not take there`);
    return false;
  }
  return true;
}

function isAllowed(type: ValueType, allowed: readonly string[]): boolean {
  switch (type.kind) {
    case 'tensor':
      // A sparse constant has a tensor's type.
      if (type.dtype === undefined || allowed.includes(`tensor(${type.dtype})`)) return true;
      return allowed.includes(`sparse_tensor(${type.dtype})`);
    case 'sequence':
      return allowed.some((each) => each.startsWith('seq('));
    case 'optional':
      return allowed.some((each) => each.startsWith('optional('));
    case 'map':
      return allowed.some((each) => each.includes('map('));
    // The runtime gives the readers of a sparse constant a tensor.
    case 'sparse':
    case 'opaque':
      return true;
  }
}

const typeName = (type: ValueType): string =>
  type.kind === 'tensor' ? `a tensor of ${type.dtype}` : `${type.kind === 'optional' ? 'an' : 'a'} ${type.kind}`;

function fitsAttributes(context: InferenceContext, schema: OperatorSchema): boolean {
  for (const [name, attribute] of context.attributes) {
    const wanted = schema.attributes.get(name)?.type;
    if (wanted === undefined || attributeKinds[wanted] === attribute.kind) continue;
    context.fail(
      'infer/wrong-attribute',
      `attribute ${name} is of kind ${attribute.kind}, not ${attributeKinds[wanted]}`,
    );
    return false;
  }
  return true;
}

function range(least: number, most: number): string {
  if (most === unbounded) return `at least ${least}`;
  return least === most ? String(least) : `${least} to ${most}`;
}
