import { InvariantError } from '../../ir/diagnostic.js';
import {
  lineParts,
  linesByName,
  type OperatorSchema,
  operatorSchema,
  parseConstraints,
  parseTypeLists,
  schemaDomain,
  type TypeLists,
  type TypeString,
} from '../../ir/ops/operator_schema.js';
import { cpuKernelTables, cpuKernelTypeLists } from './cpu_kernels.generated.js';

/** Kernels of ONNX Runtime's CPU execution provider that share a version range: one for each combination of types. */
export type CpuKernels = {
  /** The version of the operator that the kernels were written for. */
  readonly first: number;
  /** The last version they serve; undefined where the range is open. */
  readonly last: number | undefined;
  /**
   * By type parameter, or by the name of an input whose type is fixed. A parameter that is not listed takes every type
   * that the schema allows.
   */
  readonly types: Readonly<Record<string, readonly TypeString[]>>;
};

/**
 * Whether ONNX Runtime registers a CPU kernel for the operator that `opType` is in a model of this opset, at these types;
 * without `types`, for any types at all. Undefined for domains whose kernels are not recorded: all but ai.onnx and
 * com.microsoft, ai.onnx.ml included.
 *
 * `types` gives a type for each type parameter of the schema (`{ T: 'tensor(float)' }`) or each input or output by its
 * formal name; what it leaves out is free. A type that the schema itself refuses has no kernel, whatever is registered.
 *
 * A kernel registered for [first, last] serves the versions of the operator that came in that range: [7, 12] serves a
 * version since 9, and so a model of opset 9 to whatever opset brought the next version. A range without an end serves
 * the version since `first` alone, since nobody knows that it is right for the versions after: RoiAlign since 16 has a
 * kernel, RoiAlign since 22 has none (`KernelRegistry` in onnxruntime 1.30).
 *
 * No kernel does not mean that a model cannot run: the runtime inlines functions (`isFunction`), makes a Constant an
 * initializer, puts casts around nodes of float16, and its optimizer replaces some nodes. Nor does a kernel say that the
 * runtime loads models of that opset.
 * @throws InvariantError where `types` names neither a type parameter nor an input or output of the schema.
 */
export function hasCpuKernel(
  domain: string,
  opType: string,
  opsetVersion: number,
  types: Readonly<Record<string, TypeString>> = {},
): boolean | undefined {
  const kernels = cpuKernels(domain, opType, opsetVersion);
  if (kernels === undefined) return undefined;
  const schema = operatorSchema(domain, opType, opsetVersion);
  const asked = Object.entries(types).map(([name, type]) => ({
    type,
    ...(schema ? resolve(schema, name) : { names: [name] }),
  }));
  if (asked.some(({ type, allowed }) => allowed?.includes(type) === false)) return false;
  return kernels.some((kernel) =>
    asked.every(({ type, names }) => names.every((name) => kernel.types[name]?.includes(type) ?? true)),
  );
}

/**
 * The kernels that serve the operator that `opType` is in a model of this opset, by the rule of `hasCpuKernel`; none
 * where there is none, undefined where the domain's kernels are not recorded.
 */
export function cpuKernels(domain: string, opType: string, opsetVersion: number): readonly CpuKernels[] | undefined {
  const operators = table().get(schemaDomain(domain));
  if (operators === undefined) return undefined;
  // The runtime has schemas of its own in ai.onnx, all since version 1: SimplifiedLayerNormalization, which the standard
  // does not have, and LayerNormalization for opsets before 17, where the standard does not have it yet.
  const since = operatorSchema(domain, opType, opsetVersion)?.since ?? 1;
  return allKernels(operators, opType).filter(
    ({ first, last }) => first === since || (last !== undefined && first < since && since <= last),
  );
}

/** Every name under which a kernel may constrain what `name` stands for, and the types that the schema allows it. */
function resolve(schema: OperatorSchema, name: string): { names: readonly string[]; allowed?: readonly string[] } {
  const formals = [...schema.inputs, ...schema.outputs];
  const type = name in schema.typeConstraints ? name : formals.find((formal) => formal.name === name)?.type;
  if (type === undefined) {
    throw new InvariantError(`${schema.name}-${schema.since} has no type parameter, input or output named ${name}`);
  }
  const names = formals.filter((formal) => formal.type === type).map((formal) => formal.name);
  return { names: [type, ...names], allowed: schema.typeConstraints[type] ?? [type] };
}

type DomainTable = {
  readonly lines: ReadonlyMap<string, readonly string[]>;
  readonly parsed: Map<string, readonly CpuKernels[]>;
};

/** What has been read of the constant text so far: nothing before the first lookup, which keeps start-up fast. */
const read: { domains?: ReadonlyMap<string, DomainTable>; lists?: TypeLists } = {};

function table(): ReadonlyMap<string, DomainTable> {
  read.domains ??= new Map(
    Object.entries(cpuKernelTables).map(([domain, text]) => [domain, { lines: linesByName(text), parsed: new Map() }]),
  );
  return read.domains;
}

function allKernels(operators: DomainTable, opType: string): readonly CpuKernels[] {
  const kernels = operators.parsed.get(opType) ?? parseKernels(operators.lines.get(opType) ?? []);
  operators.parsed.set(opType, kernels);
  return kernels;
}

function parseKernels(lines: readonly string[]): readonly CpuKernels[] {
  read.lists ??= parseTypeLists(cpuKernelTypeLists);
  const lists = read.lists;
  return lineParts(lines).flatMap(([head, ...combinations]) => {
    const [, first, last] = /^\w+ (\d+)-(\d*)$/.exec(head!) ?? [];
    if (first === undefined) throw new InvariantError(`a kernel table line has no version range: ${head}`);
    const range = { first: Number(first), last: last ? Number(last) : undefined };
    return combinations.map((text) => ({ ...range, types: parseConstraints(text, lists) }));
  });
}
