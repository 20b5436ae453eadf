/** The recorded facts: JSON objects, one a line, after a line that names their source. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** What the facts write for "no maximum" and "no last version". */
export const unbounded = 2147483647;

const formal = z.object({
  name: z.string(),
  type: z.string(),
  option: z.enum(['Single', 'Optional', 'Variadic']),
  /** The com.microsoft facts do not say. */
  homogeneous: z.boolean().optional(),
});

const attribute = z.object({
  name: z.string(),
  type: z.string(),
  required: z.boolean(),
  /** null where there is none; the com.microsoft facts do not say. */
  default: z.union([z.number(), z.string(), z.array(z.number()), z.array(z.string()), z.null()]).optional(),
});

const types = z.record(z.string(), z.array(z.string()));

const operator = z.object({
  domain: z.string(),
  name: z.string(),
  since: z.int(),
  deprecated: z.boolean().default(false),
  function: z.boolean().default(false),
  min_input: z.int(),
  max_input: z.int(),
  min_output: z.int(),
  max_output: z.int(),
  inputs: z.array(formal),
  outputs: z.array(formal),
  attributes: z.array(attribute),
  types,
});

const kernels = z.object({
  domain: z.string(),
  name: z.string(),
  kernels: z.array(z.object({ versions: z.tuple([z.int(), z.int()]), types })),
});

export type FormalFact = z.infer<typeof formal>;
export type AttributeFact = z.infer<typeof attribute>;
export type OperatorFact = z.infer<typeof operator>;
export type KernelsFact = z.infer<typeof kernels>;

export type Recorded<T> = {
  /** Program and version the rows were read from, such as `onnx 1.23.1 operator schemas`. */
  readonly source: string;
  readonly rows: readonly T[];
};

export type Facts = {
  readonly onnx: Recorded<OperatorFact>;
  readonly contrib: Recorded<OperatorFact>;
  readonly cpuKernels: Recorded<KernelsFact>;
};

export async function readFacts(folder: string): Promise<Facts> {
  return {
    onnx: await readRecorded(join(folder, 'onnx-operator-schemas.jsonl'), operator),
    contrib: await readRecorded(join(folder, 'ort-contrib-schemas.jsonl'), operator),
    cpuKernels: await readRecorded(join(folder, 'ort-cpu-kernels.jsonl'), kernels),
  };
}

async function readRecorded<T>(path: string, row: z.ZodType<T>): Promise<Recorded<T>> {
  const [first, ...rest] = (await readFile(path, 'utf8')).trim().split('\n');
  const { source } = z.object({ source: z.string() }).parse(JSON.parse(first ?? 'null'));
  return { source: source.replace(/,.*$/s, ''), rows: rest.map((line) => row.parse(JSON.parse(line))) };
}
