import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../../src/ir/attribute.js';
import { type DataType, dataTypes, isDataType } from '../../../src/ir/data_type.js';
import { symbol } from '../../../src/ir/dim.js';
import { Editor } from '../../../src/ir/editor.js';
import { describeNode } from '../../../src/ir/graph.js';
import { maxContentElements } from '../../../src/ir/ops/inference/content.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import {
  allOperatorSchemas,
  allowedTypes,
  latestOpset,
  type OperatorSchema,
  operatorVersions,
  type SchemaAttributeType,
} from '../../../src/ir/ops/operator_schema.js';
import { int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { formatType, type Shape, tensorType, type ValueType } from '../../../src/ir/value_type.js';

type Given = ValueType | Tensor | null;

type Malformed = { readonly inputs: readonly Given[]; readonly attributes: readonly Attribute[] };

/** What came out; `types` as text. */
type Outcome = { readonly types: readonly string[]; readonly codes: readonly string[] };

/** Infers one node, and holds what must be so whatever the node is. */
function infer(schema: OperatorSchema, { inputs, attributes }: Malformed, outputs = schema.minOutputs || 1): Outcome {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport(schema.domain, schema.since);
  const values = inputs.map((given, index) => {
    if (given === null) return null;
    return given.kind === 'dense'
      ? editor.addInitializer(graph, given, `x${index}`)
      : editor.addInput(graph, `x${index}`, given);
  });
  const { domain, name: opType } = schema;
  const node = editor.insertNode({ graph, domain, opType, name: 'it', inputs: values, outputs, attributes });
  const inference = new Inference(editor.model);
  inference.inferAll();
  expect(inference.inferredNodes).toBe(1);
  const where = describeNode(node);
  for (const diagnostic of inference.diagnostics) expect(diagnostic).toMatchObject({ where, severity: 'warning' });
  for (const output of node.outputs) {
    const content = inference.contentOf(output!);
    expect(content?.elements.length ?? 0).toBeLessThanOrEqual(maxContentElements);
    const shape = inference.shapeOf(output!);
    const wrong = shape?.filter((dim) => typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0));
    if (wrong !== undefined && wrong.length > 0) expect(formatType(inference.typeOf(output!))).toBe('sizes');
  }
  return {
    types: node.outputs.map((output) => formatType(inference.typeOf(output!))),
    codes: inference.diagnostics.map(({ code }) => code),
  };
}

// --- nodes as the schema wants them ---

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function typeOf(text: string, shape: Shape | undefined): ValueType {
  const [, kind, inner] = /^(\w+)\((.*)\)$/.exec(text)!;
  switch (kind) {
    case 'seq':
      return { kind: 'sequence', element: typeOf(inner!, shape) };
    case 'optional':
      return { kind: 'optional', element: typeOf(inner!, shape) };
    case 'sparse_tensor':
      return { kind: 'sparse', dtype: 'float', shape };
    case 'map':
      return { kind: 'map', key: 'int64', value: tensorType('float', shape) };
    default:
      return tensorType(isDataType(inner!) ? inner : 'float', shape);
  }
}

const inputCount = (schema: OperatorSchema): number => Math.max(schema.minInputs, Math.min(schema.inputs.length, 8));

const inputsOf = (schema: OperatorSchema, shape: Shape | undefined, count = inputCount(schema)): Given[] =>
  Array.from({ length: count }, (_, index) => typeOf(allowedTypes(schema, 'input', index)![0]!, shape));

function attributeWith(name: string, type: SchemaAttributeType, value: bigint, length = 2): Attribute | undefined {
  switch (type) {
    case 'INT':
      return { name, kind: 'int', value };
    case 'INTS':
      return { name, kind: 'ints', value: new Array<bigint>(length).fill(value) };
    case 'FLOAT':
      return { name, kind: 'float', value: Number(value) };
    case 'FLOATS':
      return { name, kind: 'floats', value: new Array<number>(length).fill(Number(value)) };
    case 'STRING':
      return { name, kind: 'string', value: bytes('nonsense') };
    case 'STRINGS':
      return { name, kind: 'strings', value: [bytes('')] };
    case 'TENSOR':
      return { name, kind: 'tensor', value: int64Tensor([value]) };
    case 'TYPE_PROTO':
      return { name, kind: 'type', value: undefined };
    case 'GRAPH':
    case 'SPARSE_TENSOR':
      return undefined;
  }
}

const attributesOf = (schema: OperatorSchema, value = 1n, length = 2): Attribute[] =>
  Array.from(schema.attributes, ([name, { type }]) => attributeWith(name, type, value, length)).filter(
    (attribute) => attribute !== undefined,
  );

const takesIntegers = (schema: OperatorSchema, index: number): boolean =>
  allowedTypes(schema, 'input', index)?.includes('tensor(int64)') ?? false;

// --- sizes and numbers that nobody expects ---

const largestSize = Number.MAX_SAFE_INTEGER;
const shapes: readonly (Shape | undefined)[] = [
  undefined,
  [],
  [0],
  [1],
  [0, 0, 0, 0],
  [2, 3],
  [2, 3, 4],
  [1, 3, 8, 8],
  [undefined, symbol('n'), 4, 4],
  [1, 2, 3, 4, 5],
  new Array<number>(40).fill(2),
  new Array<number>(40).fill(largestSize),
  [largestSize, largestSize],
  [1, 1, largestSize, largestSize],
  [2 ** 31, 2 ** 31, 2 ** 31],
];
const numbers = [0n, -1n, 1n, 40n, 2n ** 24n, 2n ** 31n, 2n ** 40n, 2n ** 53n, 2n ** 62n, -(2n ** 63n), 2n ** 63n - 1n];
const manyInts = new Array<bigint>(1_000_000).fill(3n);

const names = [...new Set(allOperatorSchemas().map(({ domain, name }) => `${domain}:${name}`))];
const operators = names.map((label) => label.split(':') as [string, string]);

/** The rules of the schema hold: it is in force, and no newer opset than the schemas know. */
const isInForce = (schema: OperatorSchema): boolean =>
  !schema.deprecated && schema.since <= (latestOpset(schema.domain) ?? 0);

/** The versions that differ in what they allow are many; a node of the oldest and the newest is tried everywhere. */
const ends = (domain: string, opType: string): OperatorSchema[] => {
  const versions = operatorVersions(domain, opType);
  return versions.length > 1 ? [versions[0]!, versions.at(-1)!] : [...versions];
};

/** Operands of one shape need no axis to be broadcast along, one scale for all none to be spread along. */
const ignoresAxis = ({ name, attributes }: OperatorSchema): boolean =>
  attributes.has('broadcast') || name === 'QuantizeLinear' || name === 'DequantizeLinear';

describe.each(operators)('%s:%s', (domain, opType) => {
  const versions = operatorVersions(domain, opType);

  it('is told of too few inputs, too many, and needed ones left out', () => {
    for (const schema of versions.filter(isInForce)) {
      const unknown = new Array<string>(schema.minOutputs || 1).fill('?');
      const told = (inputs: readonly Given[]) =>
        expect(infer(schema, { inputs, attributes: [] }), `version ${schema.since}`).toEqual({
          types: unknown,
          codes: ['infer/wrong-arity'],
        });
      if (schema.minInputs > 0) told([]);
      if (schema.minInputs > 1) told(inputsOf(schema, [2, 3], schema.minInputs - 1));
      const { length } = schema.inputs;
      if (schema.inputs.at(-1)?.option !== 'variadic') told([...inputsOf(schema, [2], length), tensorType('float')]);
      for (const [index, { option }] of schema.inputs.entries()) {
        if (option === 'single') told(inputsOf(schema, [2, 3]).with(index, null));
      }
      if (schema.maxOutputs < 100) {
        const inputs = inputsOf(schema, [2, 3], schema.minInputs);
        expect(infer(schema, { inputs, attributes: [] }, schema.maxOutputs + 1).codes).toEqual(['infer/wrong-arity']);
      }
    }
  });

  it('is told of an element type that it does not take', () => {
    for (const schema of versions.filter(isInForce)) {
      for (let index = 0; index < inputCount(schema); index += 1) {
        const allowed = allowedTypes(schema, 'input', index)!;
        const isAllowed = (dtype: DataType) => allowed.some((each) => each.endsWith(`tensor(${dtype})`));
        const refused = dataTypes.filter((dtype) => !isAllowed(dtype)).slice(0, 3);
        for (const dtype of refused) {
          const inputs = inputsOf(schema, [2, 3]).with(index, tensorType(dtype, [2, 3]));
          const { types, codes } = infer(schema, { inputs, attributes: [] });
          expect({ codes, types }, `${dtype} at ${index}`).toEqual({
            codes: ['infer/wrong-type'],
            types: types.map(() => '?'),
          });
        }
      }
    }
  });

  it('is told of an attribute of the wrong kind', () => {
    for (const schema of versions.filter(isInForce)) {
      const inputs = inputsOf(schema, [2, 3, 4], schema.minInputs);
      for (const [name, { type }] of schema.attributes) {
        const wrong: Attribute =
          type === 'STRING' ? { name, kind: 'ints', value: [] } : { name, kind: 'string', value: bytes('1') };
        const { types, codes } = infer(schema, { inputs, attributes: [wrong] });
        expect({ codes, types }, name).toEqual({ codes: ['infer/wrong-attribute'], types: types.map(() => '?') });
      }
    }
  });

  it('is told of an axis that there is none of, or says nothing of what depends on it', () => {
    for (const schema of versions) {
      if (schema.attributes.get('axis')?.type !== 'INT' || ignoresAxis(schema)) continue;
      for (const axis of [40n, -41n]) {
        const others = attributesOf(schema).filter(({ name }) => name !== 'axis');
        const inputs = inputsOf(schema, [1, 4, 6, 6], schema.minInputs);
        const given = { inputs, attributes: [...others, { name: 'axis', kind: 'int', value: axis } as const] };
        const { codes, types } = infer(schema, given);
        if (codes.length === 0)
          expect(
            types.filter((type) => /^\w+\[\d.*\]$/.test(type)),
            `version ${schema.since}`,
          ).toEqual([]);
      }
    }
  });

  it('bears inputs of any rank and size', () => {
    for (const schema of versions) {
      for (const shape of shapes) {
        infer(schema, { inputs: inputsOf(schema, shape), attributes: [] });
        infer(schema, { inputs: inputsOf(schema, shape, schema.minInputs), attributes: attributesOf(schema) });
        for (let index = 0; index < inputCount(schema); index += 1) {
          const type = typeOf(allowedTypes(schema, 'input', index)![0]!, shape);
          infer(schema, { inputs: inputsOf(schema, [1, 4, 6, 6]).with(index, type), attributes: attributesOf(schema) });
        }
      }
    }
  });

  it('bears any number in its attributes, at any length, and allocates for none of them', () => {
    for (const schema of ends(domain, opType)) {
      const inputs = inputsOf(schema, [1, 3, 8, 8], schema.minInputs);
      for (const value of numbers) {
        for (const length of [0, 1, 2, 4, 40])
          infer(schema, { inputs, attributes: attributesOf(schema, value, length) });
        for (const [name, { type }] of schema.attributes) {
          const attribute = attributeWith(name, type, value);
          if (attribute === undefined) continue;
          const others = attributesOf(schema).filter((each) => each.name !== name);
          infer(schema, { inputs, attributes: [attribute] });
          infer(schema, { inputs, attributes: [...others, attribute] });
        }
      }
      for (const [name, { type }] of schema.attributes) {
        if (type === 'INTS') infer(schema, { inputs, attributes: [{ name, kind: 'ints', value: manyInts }] });
      }
    }
  });

  it('bears any number in its integer inputs, and allocates for none of them', () => {
    for (const schema of ends(domain, opType)) {
      for (let index = 0; index < inputCount(schema); index += 1) {
        if (!takesIntegers(schema, index)) continue;
        for (const value of numbers) {
          for (const length of [undefined, 0, 1, 2, 4, 8, 300]) {
            const tensor =
              length === undefined ? int64Tensor([value], []) : int64Tensor(new Array<bigint>(length).fill(value));
            for (const shape of [[1, 3, 8, 8], [2, 3], undefined]) {
              infer(schema, { inputs: inputsOf(schema, shape).with(index, tensor), attributes: [] });
            }
          }
        }
        infer(schema, { inputs: inputsOf(schema, [2, 3]).with(index, longTensor), attributes: attributesOf(schema) });
      }
    }
  });
});

const longTensor = tensorFromData('int64', [1_000_000], new BigInt64Array(1_000_000).fill(2n));

describe('operators with everything mixed', () => {
  it('bear it', () => {
    const dim = fc.oneof(
      { weight: 6, arbitrary: fc.nat(9) },
      { weight: 1, arbitrary: fc.constantFrom(2 ** 31, 2 ** 40, largestSize) },
      { weight: 1, arbitrary: fc.constantFrom(undefined, symbol('n'), symbol('m')) },
    );
    const shape = fc.oneof(
      { weight: 8, arbitrary: fc.array(dim, { maxLength: 6 }) },
      { weight: 1, arbitrary: fc.array(dim, { minLength: 30, maxLength: 40 }) },
    );
    const integer = fc.oneof(fc.bigInt({ min: -9n, max: 9n }), fc.constantFrom(...numbers));
    const input: fc.Arbitrary<Given> = fc
      .oneof(
        { weight: 5, arbitrary: fc.tuple(fc.constantFrom<DataType>('float', 'int64', 'uint8', 'bool'), shape) },
        { weight: 2, arbitrary: fc.array(integer, { maxLength: 9 }) },
        { weight: 1, arbitrary: fc.constant(null) },
      )
      .map((given): Given => {
        if (given === null) return null;
        const [first, second] = given as [DataType, Shape] | bigint[];
        return typeof first === 'string' ? tensorType(first, second as Shape) : int64Tensor(given as bigint[]);
      });
    const attribute = (name: string, type: SchemaAttributeType): fc.Arbitrary<Attribute | undefined> =>
      fc.option(
        fc
          .tuple(integer, fc.nat(6), fc.array(integer, { maxLength: 8 }))
          .map(([value, length, values]) =>
            type === 'INTS'
              ? ({ name, kind: 'ints', value: values } as const)
              : attributeWith(name, type, value, length),
          ),
        { nil: undefined },
      );
    const anything = fc.constantFrom(...allOperatorSchemas()).chain((schema) =>
      fc.record({
        schema: fc.constant(schema),
        given: fc.array(fc.option(input, { nil: undefined }), { maxLength: 9 }),
        sizes: shape,
        attributes: fc.tuple(...Array.from(schema.attributes, ([name, { type }]) => attribute(name, type))),
        outputs: fc.integer({ min: 1, max: 5 }),
      }),
    );
    const property = fc.property(anything, ({ schema, given, sizes, attributes, outputs }) => {
      const fitting: Given[] = inputsOf(schema, sizes);
      const inputs = fitting.map((type, index) => {
        const other = given[index];
        if (other === undefined) return type;
        return other?.kind !== 'dense' || takesIntegers(schema, index) ? other : type;
      });
      const known = attributes.filter((each) => each !== undefined);
      infer(schema, { inputs, attributes: known }, Math.min(outputs, schema.maxOutputs));
    });
    // A failure prints its seed, which goes in here to see it again.
    fc.assert(property, { numRuns: 5000 });
  });
});
