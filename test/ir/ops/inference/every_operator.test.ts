import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../../../src/ir/attribute.js';
import { type DataType, dataTypes, isDataType } from '../../../../src/ir/data_type.js';
import { evaluate, symbol } from '../../../../src/ir/dim.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Value } from '../../../../src/ir/graph.js';
import { costMetrics, type NodeCost } from '../../../../src/ir/ops/cost/cost.js';
import { nodeCost } from '../../../../src/ir/ops/cost/node_cost.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { inferenceRule } from '../../../../src/ir/ops/inference/rules.js';
import {
  allOperatorSchemas,
  formalParameter,
  type OperatorSchema,
  operatorVersions,
  type SchemaAttributeType,
  unbounded,
} from '../../../../src/ir/ops/operator_schema.js';
import { elementCount, int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { formatType, type Shape, tensorType, type ValueType } from '../../../../src/ir/value_type.js';

type Input =
  | { readonly kind: 'omitted' | 'untyped' }
  | { readonly kind: 'tensor'; readonly dtype: DataType; readonly dims: readonly number[]; readonly named: boolean[] }
  | {
      readonly kind: 'integers';
      readonly dtype: DataType;
      readonly dims: readonly number[];
      readonly values: bigint[];
    };

type Case = {
  readonly schema: OperatorSchema;
  readonly inputs: readonly Input[];
  readonly outputs: number;
  readonly attributes: readonly Attribute[];
};

const extremes = [2n ** 31n, -(2n ** 31n), 2n ** 40n, 2n ** 62n, -(2n ** 63n), 2n ** 63n - 1n];
const integer = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt({ min: -3n, max: 8n }) },
  { weight: 1, arbitrary: fc.constantFrom(...extremes) },
);
const words = [
  '',
  'SAME_UPPER',
  'VALID',
  'nearest',
  'cubic',
  'constant',
  'constructor',
  'reverse',
  'ij,jk->ik',
  '...i->',
  'add',
];
const bytes = fc.constantFrom(...words).map((word) => new TextEncoder().encode(word));
const float = fc.constantFrom(0, 1, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY);
const few = { maxLength: 5 };

function attributeOf(name: string, type: SchemaAttributeType): fc.Arbitrary<Attribute> {
  const kinds: Partial<Record<SchemaAttributeType, fc.Arbitrary<Attribute>>> = {
    INT: integer.map((value) => ({ name, kind: 'int', value })),
    INTS: fc.array(integer, few).map((value) => ({ name, kind: 'ints', value })),
    FLOAT: float.map((value) => ({ name, kind: 'float', value })),
    FLOATS: fc.array(float, few).map((value) => ({ name, kind: 'floats', value })),
    STRING: bytes.map((value) => ({ name, kind: 'string', value })),
    STRINGS: fc.array(bytes, few).map((value) => ({ name, kind: 'strings', value })),
    TENSOR: fc.array(integer, few).map((values) => ({ name, kind: 'tensor', value: int64Tensor(values) })),
  };
  const right = kinds[type];
  const wrong = fc.oneof(...Object.values(kinds));
  return right === undefined ? wrong : fc.oneof({ weight: 9, arbitrary: right }, { weight: 1, arbitrary: wrong });
}

const size = fc.constantFrom(1, 2, 3, 4, 6, 8, 0);
const shape = fc.array(size, { maxLength: 5 });

function inputOf(schema: OperatorSchema, index: number, common: readonly number[]): fc.Arbitrary<Input> {
  const formal = formalParameter(schema, 'input', index);
  const names = (formal && (schema.typeConstraints[formal.type] ?? [formal.type])) ?? [];
  const dtypes = names.map((name) => name.slice('tensor('.length, -1)).filter(isDataType);
  const dtype = fc.constantFrom(...(dtypes.length > 0 ? dtypes : dataTypes));
  const dims = fc.oneof({ weight: 2, arbitrary: fc.constant(common) }, { weight: 1, arbitrary: shape });
  const named = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
  const isBool = dtypes.length > 0 && dtypes.every((each) => each === 'bool');
  const tensor = fc
    .tuple(dtype, dims, named)
    .map(([dtype, dims, named]): Input => ({ kind: 'tensor', dtype, dims, named }));
  const integers = fc
    .oneof(
      fc.constant<number[]>([]),
      fc.nat(5).map((length) => [length]),
    )
    .chain((dims) => {
      const values = fc.array(integer, { minLength: elementCount(dims), maxLength: elementCount(dims) });
      return values.map((values): Input => ({ kind: 'integers', dtype: isBool ? 'bool' : 'int64', dims, values }));
    });
  return fc.oneof(
    { weight: 12, arbitrary: tensor },
    { weight: isBool || dtypes.includes('int64') ? 8 : 1, arbitrary: integers },
    { weight: formal?.option === 'optional' ? 6 : 1, arbitrary: fc.constant<Input>({ kind: 'omitted' }) },
    { weight: 1, arbitrary: fc.constant<Input>({ kind: 'untyped' }) },
  );
}

const caseOf = (schema: OperatorSchema): fc.Arbitrary<Case> =>
  fc.tuple(shape, fc.nat(4), fc.nat(4)).chain(([common, moreInputs, moreOutputs]) => {
    const inputs = Math.min(schema.minInputs + moreInputs, schema.maxInputs === unbounded ? 6 : schema.maxInputs + 1);
    const attributes = [...schema.attributes].map(([name, { type, required }]) =>
      fc.option(attributeOf(name, type), { nil: undefined, freq: required ? 10 : 1 }),
    );
    return fc.record({
      schema: fc.constant(schema),
      inputs: fc.tuple(...Array.from({ length: inputs }, (_, index) => inputOf(schema, index, common))),
      outputs: fc.constant(Math.max(1, Math.min(schema.minOutputs + moreOutputs, schema.maxOutputs, 6))),
      attributes: fc.tuple(...attributes).map((all) => all.filter((each) => each !== undefined)),
    });
  });

type Result = {
  readonly types: readonly (ValueType | undefined)[];
  readonly cost: NodeCost;
  readonly clean: boolean;
};

/** Infers a case with its sizes as numbers, as symbols that `bindings` remembers, or unknown. */
function infer(
  { schema, inputs, outputs, attributes }: Case,
  mode: 'numbers' | 'unknown' | Map<string, number>,
): Result {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport(schema.domain, schema.since);
  const sizeOf = (dim: number, index: number, axis: number): Shape[number] => {
    if (mode === 'numbers') return dim;
    if (mode === 'unknown') return undefined;
    mode.set(`s${index}_${axis}`, dim);
    return symbol(`s${index}_${axis}`);
  };
  const addInput = (input: Input, index: number): Value | null => {
    const name = `x${index}`;
    switch (input.kind) {
      case 'omitted':
        return null;
      case 'untyped':
        return editor.addInput(graph, name, undefined);
      case 'tensor': {
        const sizes = input.dims.map((dim, axis) => (input.named[axis] ? sizeOf(dim, index, axis) : dim));
        return editor.addInput(graph, name, tensorType(input.dtype, sizes));
      }
      case 'integers': {
        const bits = Uint8Array.from(input.values, (value) => (value > 0n ? 1 : 0));
        const isBool = input.dtype === 'bool';
        const tensor = isBool ? tensorFromData('bool', input.dims, bits) : int64Tensor(input.values, input.dims);
        return editor.addInitializer(graph, tensor, name);
      }
    }
  };
  const { domain, name: opType } = schema;
  const node = editor.insertNode({ graph, domain, opType, inputs: inputs.map(addInput), outputs, attributes });
  const inference = new Inference(editor.model);
  const types = node.outputs.map((output) => inference.typeOf(output!));
  const clean = inference.diagnostics.length === 0;
  return { types, cost: nodeCost(node, inference), clean };
}

const isNegative = (type: ValueType | undefined): boolean =>
  type?.kind === 'tensor' && (type.shape ?? []).some((dim) => typeof dim === 'number' && dim < 0);

/** Whether two results can be true at once, the symbols of the first standing for what `bindings` says. */
function agree(a: ValueType | undefined, b: ValueType | undefined, bindings: ReadonlyMap<string, number>): boolean {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor') return a === undefined || b === undefined || a.kind === b.kind;
  if (a.dtype !== undefined && b.dtype !== undefined && a.dtype !== b.dtype) return false;
  if (a.shape === undefined || b.shape === undefined) return true;
  if (a.shape.length !== b.shape.length) return false;
  return a.shape.every((dim, axis) => {
    const other = b.shape![axis];
    const value = dim === undefined ? undefined : evaluate(dim, bindings);
    return value === undefined || typeof other !== 'number' || value === other;
  });
}

const names = [...new Set(allOperatorSchemas().map(({ domain, name }) => `${domain}:${name}`))];
const known = names
  .map((label) => label.split(':') as [string, string])
  .filter(([domain, name]) => inferenceRule(domain, name) !== undefined);

describe('every operator', () => {
  it('of the default domain and of ai.onnx.ml has a rule', () => {
    const missing = allOperatorSchemas()
      .filter(({ domain }) => domain === '' || domain === 'ai.onnx.ml')
      .filter(({ domain, name }) => inferenceRule(domain, name) === undefined);
    expect([...new Set(missing.map(({ name }) => name))]).toEqual([]);
  });

  it('of com.microsoft has a rule, but for those that hold what one device compiled', () => {
    const missing = allOperatorSchemas()
      .filter(({ domain }) => domain === 'com.microsoft')
      .filter(({ domain, name }) => inferenceRule(domain, name) === undefined);
    expect([...new Set(missing.map(({ name }) => name))].sort()).toEqual(['EPContext', 'Snpe']);
  });

  it.each(known)('%s:%s never throws, and says the same of sizes and costs under any name', (domain, opType) => {
    const anyCase = fc.constantFrom(...operatorVersions(domain, opType)).chain(caseOf);
    const property = fc.property(anyCase, (given) => {
      const bindings = new Map<string, number>();
      const numbers = infer(given, 'numbers');
      const symbols = infer(given, bindings);
      const unknown = infer(given, 'unknown');
      if (!numbers.clean) return;
      for (const [index, type] of numbers.types.entries()) {
        expect(isNegative(type), formatType(type)).toBe(false);
        for (const other of [symbols, unknown]) {
          const both = `${formatType(other.types[index])} and ${formatType(type)}`;
          expect(agree(other.types[index], type, bindings), both).toBe(true);
        }
      }
      for (const metric of costMetrics) {
        const count = numbers.cost[metric];
        if (count !== undefined) expect(count, metric).toBeGreaterThanOrEqual(0);
        for (const { cost } of [symbols, unknown]) {
          const value = cost[metric] === undefined ? undefined : evaluate(cost[metric], bindings);
          if (value !== undefined && count !== undefined) expect(value, metric).toBe(count);
        }
      }
    });
    fc.assert(property, { numRuns: 60, seed: 1 });
  });
});
