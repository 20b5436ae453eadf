import type { Attribute } from '../attribute.js';
import { InvariantError } from '../diagnostic.js';
import { operatorTables, typeLists } from './operator_table.generated.js';

/** A type as the schemas spell it. */
export type TypeString = `${'tensor' | 'sparse_tensor' | 'seq' | 'optional' | 'map'}(${string})`;

export type FormalParameter = {
  readonly name: string;
  /** A key of `typeConstraints`, or a type such as `tensor(int64)` where only that one is allowed. */
  readonly type: string;
  readonly option: 'single' | 'optional' | 'variadic';
  /** False where the values of a variadic parameter may have different types, or nobody says that they may not. */
  readonly homogeneous: boolean;
};

const attributeTypes = [
  'INT',
  'FLOAT',
  'STRING',
  'TENSOR',
  'SPARSE_TENSOR',
  'GRAPH',
  'TYPE_PROTO',
  'INTS',
  'FLOATS',
  'STRINGS',
] as const;

export type SchemaAttributeType = (typeof attributeTypes)[number];

/** The kind under which the graph holds an attribute of each type. */
export const attributeKinds = {
  INT: 'int',
  FLOAT: 'float',
  STRING: 'string',
  TENSOR: 'tensor',
  SPARSE_TENSOR: 'sparse',
  GRAPH: 'graph',
  TYPE_PROTO: 'type',
  INTS: 'ints',
  FLOATS: 'floats',
  STRINGS: 'strings',
} as const satisfies Record<SchemaAttributeType, Attribute['kind']>;

export type AttributeSchema = {
  readonly type: SchemaAttributeType;
  readonly required: boolean;
  /** null where the operator has none; undefined where the source does not tell, which is so for com.microsoft. */
  readonly default: number | string | readonly number[] | readonly string[] | null | undefined;
};

/** One version of an operator. Counts of inputs and outputs include optional ones; the maximum may be `unbounded`. */
export type OperatorSchema = {
  /** '' for ai.onnx. */
  readonly domain: string;
  readonly name: string;
  /** The opset version that brought this version of the operator. */
  readonly since: number;
  readonly deprecated: boolean;
  /** The standard defines it by other operators. False for all of com.microsoft, whose source does not tell. */
  readonly isFunction: boolean;
  readonly minInputs: number;
  readonly maxInputs: number;
  readonly minOutputs: number;
  readonly maxOutputs: number;
  readonly inputs: readonly FormalParameter[];
  readonly outputs: readonly FormalParameter[];
  readonly attributes: ReadonlyMap<string, AttributeSchema>;
  /** By type parameter. The lists are ordered by `TensorProto.DataType`, tensors first. */
  readonly typeConstraints: Readonly<Record<string, readonly TypeString[]>>;
};

/** The maximum of a variadic operator's inputs or outputs. */
export const unbounded = 2147483647;

/**
 * The schema that a model importing `opsetVersion` of `domain` means: the newest that is no newer than the opset.
 * A deprecated schema is given as it stands. 'ai.onnx' is another name of ''; com.microsoft has one version, 1.
 * Undefined where the domain, the operator, or the operator in so old an opset is not known.
 */
export const operatorSchema = (domain: string, opType: string, opsetVersion: number): OperatorSchema | undefined =>
  operatorVersions(domain, opType).findLast(({ since }) => since <= opsetVersion);

/** All versions of an operator, oldest first; none where it is not known. */
export function operatorVersions(domain: string, opType: string): readonly OperatorSchema[] {
  const operators = table().get(schemaDomain(domain));
  const lines = operators?.lines.get(opType);
  if (operators === undefined || lines === undefined) return [];
  const versions = operators.parsed.get(opType) ?? parseVersions(schemaDomain(domain), lines);
  operators.parsed.set(opType, versions);
  return versions;
}

/** Every version of every operator, by domain, name and version. Parses the whole table: some ten milliseconds. */
export const allOperatorSchemas = (): readonly OperatorSchema[] =>
  [...table()].flatMap(([domain, { lines }]) =>
    [...lines.keys()].flatMap((opType) => operatorVersions(domain, opType)),
  );

/** The newest opset version that changed an operator of this domain; undefined where the domain is not known. */
export function latestOpset(domain: string): number | undefined {
  const operators = table().get(schemaDomain(domain));
  if (operators === undefined) return undefined;
  return Math.max(...[...operators.lines.values()].flat().map((line) => Number(line.split(' ', 2)[1])));
}

/** The parameter that the input or output at `index` fills; a variadic one fills all that follow it. */
export function formalParameter(
  schema: OperatorSchema,
  direction: 'input' | 'output',
  index: number,
): FormalParameter | undefined {
  const formals = direction === 'input' ? schema.inputs : schema.outputs;
  const last = formals.at(-1);
  return formals[index] ?? (index >= 0 && last?.option === 'variadic' ? last : undefined);
}

/** The types allowed at an input or output; undefined where the operator has none at this index. */
export function allowedTypes(
  schema: OperatorSchema,
  direction: 'input' | 'output',
  index: number,
): readonly TypeString[] | undefined {
  const formal = formalParameter(schema, direction, index);
  return formal && (schema.typeConstraints[formal.type] ?? [typeString(formal.type)]);
}

/** The domain under the name the schemas use: '' for 'ai.onnx'. */
export const schemaDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** The lines of a generated table under the operator's name that they begin with. */
export function linesByName(text: string): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, string[]>();
  for (const line of text.trim().split('\n')) {
    const name = line.slice(0, line.indexOf(' '));
    const lines = byName.get(name);
    if (lines) lines.push(line);
    else byName.set(name, [line]);
  }
  return byName;
}

/** The parts of one operator's lines, with what stands for a part of the line above replaced by that part. */
export function lineParts(lines: readonly string[]): readonly (readonly string[])[] {
  let above: readonly string[] = [];
  return lines.map((line) => {
    above = line.split(' ; ').map((part, column) => (part === '"' ? above[column]! : part));
    return above;
  });
}

/** The named lists of a generated table. */
export type TypeLists = ReadonlyMap<string, readonly TypeString[]>;

/** Reads `name=type|type` lines. */
export const parseTypeLists = (text: string): TypeLists =>
  new Map(
    text
      .trim()
      .split('\n')
      .map((line) => splitAt(line, '='))
      .map(([name, types]) => [name, parseTypes(types)]),
  );

/** Type constraints of a generated table: `T=float|double T1=$1f2e`, the named lists looked up in the table's own. */
export const parseConstraints = (text: string, lists: TypeLists): Readonly<Record<string, readonly TypeString[]>> =>
  Object.fromEntries(
    items(text)
      .map((item) => splitAt(item, '='))
      .map(([parameter, types]) => [parameter, lists.get(types) ?? parseTypes(types)]),
  );

type DomainTable = {
  readonly lines: ReadonlyMap<string, readonly string[]>;
  readonly parsed: Map<string, readonly OperatorSchema[]>;
};

/** What has been read of the constant text so far: nothing before the first lookup, which keeps start-up fast. */
const read: { domains?: ReadonlyMap<string, DomainTable>; lists?: TypeLists } = {};

function table(): ReadonlyMap<string, DomainTable> {
  read.domains ??= new Map(
    Object.entries(operatorTables).map(([domain, text]) => [domain, { lines: linesByName(text), parsed: new Map() }]),
  );
  return read.domains;
}

function parseVersions(domain: string, lines: readonly string[]): readonly OperatorSchema[] {
  read.lists ??= parseTypeLists(typeLists);
  const lists = read.lists;
  return lineParts(lines).map((parts) => parseVersion(domain, parts, lists));
}

function parseVersion(domain: string, parts: readonly string[], lists: TypeLists): OperatorSchema {
  const [head, inputs, outputs, attributes, constraints] = parts;
  if (constraints === undefined) throw new InvariantError(`an operator table line is cut short: ${head}`);
  const [name, since, ...flags] = head!.split(' ');
  const [minInputs, maxInputs, inputFormals] = parseFormals(inputs!);
  const [minOutputs, maxOutputs, outputFormals] = parseFormals(outputs!);
  return {
    domain,
    name: name!,
    since: Number(since),
    deprecated: flags.includes('deprecated'),
    isFunction: flags.includes('function'),
    minInputs,
    maxInputs,
    minOutputs,
    maxOutputs,
    inputs: inputFormals,
    outputs: outputFormals,
    attributes: new Map(items(attributes!).map(parseAttribute)),
    typeConstraints: parseConstraints(constraints, lists),
  };
}

function parseFormals(text: string): [min: number, max: number, formals: readonly FormalParameter[]] {
  const all = items(text);
  const stated = all[0]?.endsWith('+') ? Number.parseInt(all[0], 10) : undefined;
  const formals = (stated === undefined ? all : all.slice(1)).map(parseFormal);
  const needed = formals.findLastIndex(({ option }) => option === 'single') + 1;
  return [stated ?? needed, formals.at(-1)?.option === 'variadic' ? unbounded : formals.length, formals];
}

function parseFormal(item: string): FormalParameter {
  const [name, marked] = splitAt(item, ':');
  const type = marked.replace(/[?*]+$/, '');
  switch (marked.slice(type.length)) {
    case '?':
      return { name, type, option: 'optional', homogeneous: true };
    case '*':
      return { name, type, option: 'variadic', homogeneous: true };
    case '**':
      return { name, type, option: 'variadic', homogeneous: false };
    default:
      return { name, type, option: 'single', homogeneous: true };
  }
}

function parseAttribute(item: string): [name: string, schema: AttributeSchema] {
  const [name, rest] = splitAt(item, ':');
  const [, word, mark, json] = /^(\w+)([!?=]?)(.*)$/.exec(rest) ?? [];
  const type = attributeTypes.find((known) => known === word);
  if (type === undefined) throw new InvariantError(`the operator table has an attribute of unknown type: ${item}`);
  return [name, { type, required: mark === '!', default: mark === '?' ? undefined : parseDefault(type, json!) }];
}

function parseDefault(type: SchemaAttributeType, json: string): AttributeSchema['default'] {
  if (json === '') return null;
  return type === 'FLOAT' ? Math.fround(Number(json)) : JSON.parse(json);
}

const items = (text: string): readonly string[] => (text === '-' ? [] : text.split(' '));

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

const parseTypes = (text: string): readonly TypeString[] => text.split('|').map(typeString);

/** A type as the tables write it, in full: `float` is `tensor(float)`, `map(int64,float)` gets its space back. */
function typeString(token: string): TypeString {
  const text = token.replaceAll(',', ', ');
  return isTypeString(text) ? text : `tensor(${text})`;
}

const isTypeString = (text: string): text is TypeString => /^(tensor|sparse_tensor|seq|optional|map)\(.*\)$/.test(text);
