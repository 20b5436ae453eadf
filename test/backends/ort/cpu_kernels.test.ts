import { existsSync } from 'node:fs';
import onnxProto from 'onnx-proto';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { readFacts } from '../../../scripts/operator_table/facts.js';
import { defaultFactsFolder } from '../../../scripts/operator_table/generate.js';
import { cpuKernels, hasCpuKernel } from '../../../src/backends/ort/cpu_kernels.js';
import { dataTypeCode, isDataType } from '../../../src/ir/data_type.js';
import { allowedTypes, operatorSchema, type TypeString } from '../../../src/ir/ops/operator_schema.js';

const factsMissing = !existsSync(defaultFactsFolder);
if (factsMissing) {
  console.warn(`cpu_kernels.test.ts: ${defaultFactsFolder} is absent, so the table is not held against the facts`);
}

describe('hasCpuKernel', () => {
  it('looks at the version of the operator that the opset means', () => {
    expect(hasCpuKernel('', 'Add', 6, { T: 'tensor(float)' })).toBe(false);
    expect(hasCpuKernel('', 'Add', 7, { T: 'tensor(float)' })).toBe(true);
    expect(hasCpuKernel('', 'Add', 13, { T: 'tensor(int8)' })).toBe(false);
    expect(hasCpuKernel('', 'Add', 14, { T: 'tensor(int8)' })).toBe(true);
    expect(hasCpuKernel('', 'Add', 22, { T: 'tensor(int8)' })).toBe(true);
  });

  it('lets a range with an end serve the versions inside it', () => {
    expect(cpuKernels('', 'Conv', 10)).toEqual([{ first: 1, last: 10, types: { T: ['tensor(float)'] } }]);
    expect(cpuKernels('', 'BatchNormalization', 9)?.[0]).toMatchObject({ first: 9, last: 13 });
    expect(cpuKernels('', 'Cast', 9)?.[0]).toMatchObject({ first: 6, last: 12 });
  });

  it('lets a range without an end serve the version it begins with alone', () => {
    expect(hasCpuKernel('', 'RoiAlign', 21)).toBe(true);
    expect(hasCpuKernel('', 'RoiAlign', 22)).toBe(false);
  });

  it('knows that Conv has no kernel for float16', () => {
    expect(hasCpuKernel('', 'Conv', 17)).toBe(true);
    expect(hasCpuKernel('', 'Conv', 17, { T: 'tensor(float16)' })).toBe(false);
  });

  it('keeps types that vary together apart', () => {
    expect(hasCpuKernel('', 'QLinearConv', 10, { T1: 'tensor(uint8)', T2: 'tensor(int8)' })).toBe(true);
    expect(hasCpuKernel('', 'QLinearConv', 10, { T1: 'tensor(int8)', T2: 'tensor(uint8)' })).toBe(false);
    expect(hasCpuKernel('', 'QLinearConv', 10, { T2: 'tensor(uint8)' })).toBe(true);
  });

  it('takes the formal names of inputs and outputs for their types', () => {
    expect(hasCpuKernel('', 'QLinearConv', 10, { x: 'tensor(int8)', w: 'tensor(uint8)' })).toBe(false);
    expect(hasCpuKernel('', 'Reshape', 13, { shape: 'tensor(int64)' })).toBe(true);
    expect(hasCpuKernel('', 'Reshape', 13, { shape: 'tensor(int32)' })).toBe(false);
  });

  it('takes every type of the schema where the kernel constrains none, and no other', () => {
    expect(hasCpuKernel('com.microsoft', 'QLinearConcat', 1, { TV: 'tensor(uint8)' })).toBe(true);
    expect(hasCpuKernel('com.microsoft', 'QLinearConcat', 1, { TV: 'tensor(string)' })).toBe(false);
  });

  it('refuses a type that a kernel takes and the schema does not', () => {
    expect(hasCpuKernel('', 'Concat', 11, { T: 'tensor(bfloat16)' })).toBe(false);
    expect(hasCpuKernel('', 'Concat', 13, { T: 'tensor(bfloat16)' })).toBe(true);
  });

  it('knows the operators that only the runtime has', () => {
    expect(hasCpuKernel('', 'SimplifiedLayerNormalization', 17, { T: 'tensor(float)' })).toBe(true);
    expect(hasCpuKernel('', 'LayerNormalization', 12, { T: 'tensor(float)' })).toBe(true);
    expect(hasCpuKernel('com.microsoft', 'FusedConv', 1, { T: 'tensor(float)' })).toBe(true);
  });

  it('is false for an unknown operator, undefined for a domain it has no record of', () => {
    expect(hasCpuKernel('', 'Convolution', 17)).toBe(false);
    expect(hasCpuKernel('ai.onnx', 'Conv', 17)).toBe(true);
    expect(hasCpuKernel('ai.onnx.ml', 'Scaler', 3)).toBeUndefined();
    expect(cpuKernels('com.example', 'Conv', 1)).toBeUndefined();
  });

  it('throws where a name is none of the schema', () => {
    expect(() => hasCpuKernel('', 'Conv', 17, { T1: 'tensor(float)' })).toThrow(/Conv-11 has no type parameter/);
  });
});

describe('the kernel table', () => {
  it.skipIf(factsMissing)('admits the combinations of types that are registered, and no others', async () => {
    const { rows } = (await readFacts(defaultFactsFolder)).cpuKernels;
    for (const { domain, name, kernels } of rows) {
      for (const [first, last] of kernels.map(({ versions }) => versions)) {
        const registered = kernels.filter(({ versions }) => versions[0] === first && versions[1] === last);
        const read = cpuKernels(domain, name, domain === '' ? first : 1)?.filter((kernel) => kernel.first === first);
        expect(combinations(read?.map(({ types }) => types) ?? []), `${domain} ${name} ${first}`).toEqual(
          combinations(registered.map(({ types }) => types)),
        );
      }
    }
  });

  it.each([
    ['Add', 14, 'tensor(int8)'],
    ['Add', 14, 'tensor(bool)'],
    ['Sin', 7, 'tensor(double)'],
    ['Acos', 22, 'tensor(double)'],
    ['Acos', 22, 'tensor(float)'],
    ['GlobalLpPool', 21, 'tensor(float)'],
    ['GlobalLpPool', 22, 'tensor(float)'],
    ['RandomUniformLike', 21, 'tensor(float)'],
    ['RandomUniformLike', 22, 'tensor(float)'],
    ['RoiAlign', 21, 'tensor(float)'],
    ['RoiAlign', 22, 'tensor(float)'],
  ] as const)('says of %s in opset %i at %s what the runtime says', async (opType, opset, type) => {
    const parameter = operatorSchema('', opType, opset)!.inputs[0]!.type;
    const message = await sessionError(opType, opset, type);
    const recorded = hasCpuKernel('', opType, opset, { [parameter]: type });
    if (recorded) expect(message).toBeUndefined();
    else expect(message).toMatch(/Could not find an implementation|is invalid/);
  });
});

/** Every combination of types that some entry admits, each as one text, sorted. */
function combinations(entries: readonly Readonly<Record<string, readonly string[]>>[]): readonly string[] {
  const all = entries.flatMap((types) =>
    Object.keys(types)
      .sort()
      .reduce<string[]>(
        (texts, name) => texts.flatMap((text) => types[name]!.map((type) => `${text} ${name}=${type}`)),
        [''],
      ),
  );
  return [...new Set(all)].sort();
}

/** Why the runtime makes no session of one node with the inputs it must have, the first of them of `type`. */
async function sessionError(opType: string, opset: number, type: TypeString): Promise<string | undefined> {
  const schema = operatorSchema('', opType, opset)!;
  const input = Array.from({ length: schema.minInputs }, (_, index) => {
    const own =
      schema.inputs[index]!.type === schema.inputs[0]!.type ? type : allowedTypes(schema, 'input', index)![0]!;
    const dtype = own.slice('tensor('.length, -1);
    return { name: `input${index}`, type: { tensorType: { elemType: isDataType(dtype) ? dataTypeCode(dtype) : 0 } } };
  });
  const { ModelProto } = onnxProto.onnx;
  const model = ModelProto.encode(
    ModelProto.fromObject({
      irVersion: 10,
      opsetImport: [{ domain: '', version: opset }],
      graph: {
        name: 'one-node',
        node: [{ opType, input: input.map(({ name }) => name), output: ['output'] }],
        input,
        output: [{ name: 'output' }],
      },
    }),
  ).finish();
  try {
    const session = await InferenceSession.create(model, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 });
    await session.release();
    return undefined;
  } catch (error) {
    return String(error);
  }
}
