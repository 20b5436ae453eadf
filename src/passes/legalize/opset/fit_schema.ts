import { type Attribute, floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import {
  type AttributeSchema,
  allowedTypes,
  attributeKinds,
  formalParameter,
  type OperatorSchema,
  type SchemaAttributeType,
} from '../../../ir/ops/operator_schema.js';
import type { StepContext } from './step_context.js';

/**
 * Brings a node that means the same under two versions of its operator into the form of `to`: attributes that `to`
 * lacks go where they hold their default, and defaults that differ are spelled out. Returns what `to` cannot express.
 */
export function fitSchema(
  node: Node,
  from: OperatorSchema,
  to: OperatorSchema,
  context: StepContext,
): string | undefined {
  return (
    fitAttributes(node, from, to, context) ??
    fitArity(node, to, context) ??
    fitTypes(node, from, to, context) ??
    fitSharedTypes(node, from, to, context)
  );
}

function fitAttributes(node: Node, from: OperatorSchema, to: OperatorSchema, context: StepContext): string | undefined {
  for (const attribute of [...node.attributes.values()]) {
    const wanted = to.attributes.get(attribute.name);
    const given = from.attributes.get(attribute.name);
    if (wanted === undefined) {
      if (given === undefined || !isDefault(attribute, given.default)) {
        return `attribute "${attribute.name}" does not exist there`;
      }
      context.removeAttribute(node, attribute.name);
    } else if (attribute.kind !== 'reference' && attribute.kind !== attributeKinds[wanted.type]) {
      return `attribute "${attribute.name}" has another type there`;
    }
  }
  for (const [name, wanted] of to.attributes) {
    if (node.attributes.has(name)) continue;
    const given = from.attributes.get(name);
    const meant = given?.default ?? null;
    if (meant !== null && !sameDefault(meant, wanted.default)) {
      context.setAttribute(node, makeAttribute(name, wanted.type, meant));
    } else if (wanted.required) {
      return `attribute "${name}" is required there`;
    }
  }
  return undefined;
}

function fitArity(node: Node, to: OperatorSchema, context: StepContext): string | undefined {
  let count = node.inputs.length;
  while (count > 0 && node.inputs[count - 1] === null && count > to.minInputs) count -= 1;
  context.editor.truncateInputs(node, count);
  if (count < to.minInputs) return `it takes at least ${to.minInputs} inputs there`;
  for (let index = 0; index < count; index += 1) {
    const formal = formalParameter(to, 'input', index);
    if (formal === undefined) return `it takes ${to.maxInputs} inputs there`;
    if (node.inputs[index] === null && formal.option === 'single') return `input "${formal.name}" is required there`;
  }
  for (const output of node.outputs.slice(to.maxOutputs).reverse()) {
    if (output === null) continue;
    if (output.uses.size > 0 || output.pinned) return `it has ${to.maxOutputs} outputs there`;
    context.editor.omitOutput(output);
  }
  return undefined;
}

function fitTypes(node: Node, from: OperatorSchema, to: OperatorSchema, context: StepContext): string | undefined {
  for (const direction of ['input', 'output'] as const) {
    const values = direction === 'input' ? node.inputs : node.outputs;
    for (const [index, value] of values.entries()) {
      if (value === null) continue;
      const wanted = allowedTypes(to, direction, index) ?? [];
      const given = allowedTypes(from, direction, index);
      if (given?.every((type) => wanted.includes(type))) continue;
      const type = context.typeText(value);
      if (type === undefined) return `the type of ${direction} "${value.name}" is not known`;
      if (!wanted.some((each) => each === type)) return `it does not take ${type} there`;
    }
  }
  return undefined;
}

/** Inputs that may differ in type here, and may not there. */
function fitSharedTypes(
  node: Node,
  from: OperatorSchema,
  to: OperatorSchema,
  context: StepContext,
): string | undefined {
  const groups = new Map<string, { readonly value: Value; readonly parameter: string | undefined }[]>();
  for (const [index, value] of node.inputs.entries()) {
    const formal = formalParameter(to, 'input', index);
    if (value === null || !formal?.homogeneous || to.typeConstraints[formal.type] === undefined) continue;
    const group = groups.get(formal.type) ?? [];
    groups.set(formal.type, group);
    group.push({ value, parameter: formalParameter(from, 'input', index)?.type });
  }
  for (const group of groups.values()) {
    if (new Set(group.map(({ parameter }) => parameter)).size === 1 && group[0]?.parameter !== undefined) continue;
    const types = new Set(group.map(({ value }) => context.typeText(value)));
    if (group.length > 1 && types.has(undefined)) return 'the types of its inputs are not known to be the same';
    if (types.size > 1) return 'its inputs must have the same type there';
  }
  return undefined;
}

type Default = NonNullable<AttributeSchema['default']>;

const sameDefault = (a: Default, b: AttributeSchema['default']): boolean => JSON.stringify(a) === JSON.stringify(b);

function isDefault(attribute: Attribute, meant: AttributeSchema['default']): boolean {
  if (meant == null) return false;
  switch (attribute.kind) {
    case 'int':
      return typeof meant === 'number' && attribute.value === BigInt(meant);
    case 'float':
      return attribute.value === meant;
    case 'string':
      return new TextDecoder().decode(attribute.value) === meant;
    case 'ints':
      return sameDefault(attribute.value.map(Number), meant);
    default:
      return false;
  }
}

function makeAttribute(name: string, type: SchemaAttributeType, value: Default): Attribute {
  if (typeof value === 'string') return stringAttribute(name, value);
  if (typeof value === 'number') return type === 'FLOAT' ? floatAttribute(name, value) : intAttribute(name, value);
  const numbers = value.filter((each) => typeof each === 'number');
  return type === 'FLOATS' ? { name, kind: 'floats', value: numbers } : intsAttribute(name, numbers);
}
