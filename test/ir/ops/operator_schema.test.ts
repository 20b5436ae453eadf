import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AttributeFact, type FormalFact, readFacts } from '../../../scripts/operator_table/facts.js';
import {
  defaultFactsFolder,
  generateOperatorTables,
  repositoryRoot,
} from '../../../scripts/operator_table/generate.js';
import { isDataType } from '../../../src/ir/data_type.js';
import {
  type AttributeSchema,
  allOperatorSchemas,
  allowedTypes,
  type FormalParameter,
  formalParameter,
  latestOpset,
  operatorSchema,
  operatorVersions,
  unbounded,
} from '../../../src/ir/ops/operator_schema.js';

const factsMissing = !existsSync(defaultFactsFolder);
if (factsMissing) {
  console.warn(
    `operator_schema.test.ts: ${defaultFactsFolder} is absent, so the tables are not held against the facts`,
  );
}

describe('operatorSchema', () => {
  it.each([
    ['BatchNormalization', 7, 7],
    ['BatchNormalization', 8, 7],
    ['BatchNormalization', 9, 9],
    ['BatchNormalization', 13, 9],
    ['BatchNormalization', 14, 14],
    ['BatchNormalization', 15, 15],
    ['BatchNormalization', 26, 15],
    ['Conv', 10, 1],
    ['Conv', 11, 11],
    ['Softmax', 12, 11],
    ['Softmax', 13, 13],
  ])('gives %s in opset %i as the version since %i', (opType, opset, since) => {
    expect(operatorSchema('', opType, opset)?.since).toBe(since);
  });

  it('takes ai.onnx for the default domain', () => {
    expect(operatorSchema('ai.onnx', 'Conv', 11)).toBe(operatorSchema('', 'Conv', 11));
  });

  it('knows the other domains', () => {
    expect(operatorSchema('ai.onnx.ml', 'Scaler', 3)?.since).toBe(1);
    expect(operatorSchema('com.microsoft', 'FusedMatMul', 1)).toMatchObject({ domain: 'com.microsoft', since: 1 });
  });

  it('gives undefined for what it does not know', () => {
    expect(operatorSchema('', 'Convolution', 17)).toBeUndefined();
    expect(operatorSchema('', 'constructor', 17)).toBeUndefined();
    expect(operatorSchema('com.example', 'Conv', 1)).toBeUndefined();
    expect(operatorSchema('com.microsoft', 'Conv', 1)).toBeUndefined();
  });

  it('gives undefined where the opset is older than the operator', () => {
    expect(operatorSchema('', 'Softmax', 0)).toBeUndefined();
    expect(operatorSchema('', 'LayerNormalization', 16)).toBeUndefined();
  });

  it('gives a deprecated schema, marked', () => {
    expect(operatorSchema('', 'Upsample', 9)?.deprecated).toBe(false);
    expect(operatorSchema('', 'Upsample', 17)).toMatchObject({ since: 10, deprecated: true });
  });

  it('gives the same object again', () => {
    expect(operatorSchema('', 'Gemm', 13)).toBe(operatorSchema('', 'Gemm', 17));
  });

  it('reads what a line leaves to the line above', () => {
    expect(operatorSchema('', 'Conv', 22)).toMatchObject({
      minInputs: 2,
      maxInputs: 3,
      inputs: [
        { name: 'X', type: 'T', option: 'single', homogeneous: true },
        { name: 'W', type: 'T', option: 'single', homogeneous: true },
        { name: 'B', type: 'T', option: 'optional', homogeneous: true },
      ],
      typeConstraints: { T: ['tensor(float)', 'tensor(float16)', 'tensor(double)', 'tensor(bfloat16)'] },
    });
    expect(operatorSchema('', 'Conv', 22)?.attributes.get('auto_pad')).toEqual({
      type: 'STRING',
      required: false,
      default: 'NOTSET',
    });
  });

  it('gives float defaults at 32 bits, the sign of zero included', () => {
    const defaultOf = (domain: string, opType: string, name: string) =>
      operatorVersions(domain, opType).at(-1)?.attributes.get(name)?.default;
    expect(defaultOf('', 'BatchNormalization', 'epsilon')).toBe(Math.fround(1e-5));
    expect(defaultOf('ai.onnx.ml', 'LabelEncoder', 'default_float')).toBe(-0);
  });

  it('tells no default from an unknown one', () => {
    expect(operatorSchema('', 'Conv', 11)?.attributes.get('kernel_shape')?.default).toBeNull();
    expect(operatorSchema('com.microsoft', 'FusedMatMul', 1)?.attributes.get('alpha')?.default).toBeUndefined();
    expect(operatorSchema('', 'Cast', 13)?.attributes.get('to')).toEqual({
      type: 'INT',
      required: true,
      default: null,
    });
  });

  it('counts the inputs of variadic operators', () => {
    expect(operatorSchema('', 'Concat', 13)).toMatchObject({ minInputs: 1, maxInputs: unbounded, minOutputs: 1 });
    expect(operatorSchema('', 'Loop', 11)).toMatchObject({ minInputs: 2, maxInputs: unbounded, minOutputs: 1 });
    expect(operatorSchema('', 'Loop', 11)?.inputs.at(-1)?.homogeneous).toBe(false);
    expect(operatorSchema('', 'Concat', 13)?.inputs[0]?.homogeneous).toBe(true);
  });
});

describe('operatorVersions', () => {
  it('gives every version, oldest first', () => {
    expect(operatorVersions('', 'BatchNormalization').map(({ since }) => since)).toEqual([1, 6, 7, 9, 14, 15]);
    expect(operatorVersions('', 'Convolution')).toEqual([]);
    expect(operatorVersions('com.example', 'Conv')).toEqual([]);
  });
});

describe('allOperatorSchemas', () => {
  it('counts operators and versions of each domain', () => {
    const schemas = allOperatorSchemas();
    const counts = [...new Set(schemas.map(({ domain }) => domain))].map((domain) => {
      const own = schemas.filter((schema) => schema.domain === domain);
      return [domain, [new Set(own.map(({ name }) => name)).size, own.length]];
    });
    expect(Object.fromEntries(counts)).toEqual({
      '': [203, 629],
      'ai.onnx.ml': [19, 25],
      'ai.onnx.preview': [1, 1],
      'ai.onnx.preview.training': [4, 4],
      'com.microsoft': [127, 127],
    });
  });

  it('names only element types that the program knows', () => {
    const types = allOperatorSchemas().flatMap((schema) => [
      ...Object.values(schema.typeConstraints).flat(),
      ...schema.inputs.flatMap((_, index) => allowedTypes(schema, 'input', index) ?? []),
      ...schema.outputs.flatMap((_, index) => allowedTypes(schema, 'output', index) ?? []),
    ]);
    expect(types.filter((type) => !isKnownType(type))).toEqual([]);
    expect(types).toContain('tensor(float6e2m3)');
    expect(types).toContain('seq(map(int64, float))');
    expect(types).toContain('sparse_tensor(double)');
    expect(types).toContain('optional(seq(tensor(uint4)))');
  });
});

describe('latestOpset', () => {
  it('is the newest version that changed the domain', () => {
    expect(latestOpset('')).toBe(28);
    expect(latestOpset('ai.onnx')).toBe(28);
    expect(latestOpset('ai.onnx.ml')).toBe(5);
    expect(latestOpset('com.microsoft')).toBe(1);
    expect(latestOpset('com.example')).toBeUndefined();
  });
});

describe('allowedTypes', () => {
  const gather = operatorSchema('', 'Gather', 13)!;
  const reshape = operatorSchema('', 'Reshape', 13)!;
  const concat = operatorSchema('', 'Concat', 13)!;

  it('gives the types of the parameter', () => {
    expect(allowedTypes(gather, 'input', 1)).toEqual(['tensor(int32)', 'tensor(int64)']);
  });

  it('gives the one type of an input that has no parameter', () => {
    expect(allowedTypes(reshape, 'input', 1)).toEqual(['tensor(int64)']);
  });

  it('lets a variadic parameter fill all that follow', () => {
    expect(formalParameter(concat, 'input', 7)?.name).toBe('inputs');
    expect(allowedTypes(concat, 'input', 7)).toBe(concat.typeConstraints['T']);
  });

  it('gives undefined where there is no such input or output', () => {
    expect(allowedTypes(gather, 'input', 2)).toBeUndefined();
    expect(allowedTypes(gather, 'output', 1)).toBeUndefined();
    expect(allowedTypes(concat, 'input', -1)).toBeUndefined();
  });
});

describe('the generated tables', () => {
  it.skipIf(factsMissing)('are what the generator makes of the facts, byte for byte', async () => {
    for (const { path, text } of await generateOperatorTables(defaultFactsFolder)) {
      expect(await readFile(join(repositoryRoot, path), 'utf8'), `${path}: npm run generate`).toBe(text);
    }
  });

  it.skipIf(factsMissing)('read back as the facts', async () => {
    const { onnx, contrib } = await readFacts(defaultFactsFolder);
    const facts = [...onnx.rows, ...contrib.rows];
    expect(allOperatorSchemas()).toHaveLength(facts.length);
    for (const fact of facts) {
      const schema = operatorVersions(fact.domain, fact.name).find(({ since }) => since === fact.since);
      expect(schema, `${fact.domain} ${fact.name} ${fact.since}`).toEqual({
        domain: fact.domain,
        name: fact.name,
        since: fact.since,
        deprecated: fact.deprecated,
        isFunction: fact.function,
        minInputs: fact.min_input,
        maxInputs: fact.max_input,
        minOutputs: fact.min_output,
        maxOutputs: fact.max_output,
        inputs: fact.inputs.map(formalOf),
        outputs: fact.outputs.map(formalOf),
        attributes: new Map(fact.attributes.map((attribute) => [attribute.name, attributeOf(attribute)])),
        typeConstraints: Object.fromEntries(
          Object.entries(fact.types).map(([name, types]) => [name, expect.toSatisfy(sameSet(types))]),
        ),
      });
    }
  });
});

const optionOf = { Single: 'single', Optional: 'optional', Variadic: 'variadic' } as const;

const formalOf = ({ name, type, option, homogeneous }: FormalFact): FormalParameter => ({
  name,
  type,
  option: optionOf[option],
  homogeneous: homogeneous ?? option !== 'Variadic',
});

const attributeOf = ({ type, required, default: value }: AttributeFact) => ({
  type,
  required,
  default: (required ? null : value) satisfies AttributeSchema['default'],
});

const sameSet = (expected: readonly string[]) => (actual: readonly string[]) =>
  actual.length === expected.length && expected.every((type) => actual.includes(type));

const isKnownType = (type: string): boolean =>
  (type.match(/\w+/g) ?? []).every(
    (word) => isDataType(word) || /^(tensor|sparse_tensor|seq|optional|map)$/.test(word),
  );
