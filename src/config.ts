import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { calibratorNames } from './calibrate/calibrators/calibrator.js';
import { DiagnosticError } from './ir/diagnostic.js';
import type { OptimizeOptions } from './optimize.js';

/** What `onnxopt.config.{ts,js,mjs,json}` may hold: the options of `optimize`, without the model and its output. */
export type Config = Omit<OptimizeOptions, 'model' | 'output' | 'onProgress' | 'target' | 'pipeline'> & {
  readonly target?: string;
};

/** Gives a configuration its type. */
export const defineConfig = (config: Config): Config => config;

const image = z.strictObject({
  size: z.tuple([z.number().int().positive(), z.number().int().positive()]).optional(),
  layout: z.enum(['nchw', 'nhwc']).optional(),
  mean: z.array(z.number()).optional(),
  std: z.array(z.number()).optional(),
  scale: z.number().optional(),
  color: z.enum(['rgb', 'bgr', 'gray']).optional(),
  fit: z.enum(['fill', 'cover', 'contain']).optional(),
});

/** Data are checked where they are opened: a path, or samples in any of the forms that `openSource` takes. */
const data = z.union([
  z.string(),
  z.custom<object>((value) => typeof value === 'object' || typeof value === 'function'),
]);

const reading = {
  data: data.optional(),
  cwd: z.string().optional(),
  limit: z.number().int().positive().optional(),
  split: z.union([z.boolean(), z.literal('auto')]).optional(),
  cast: z.boolean().optional(),
  image: image.optional(),
  random: z.looseObject({}).optional(),
  maxBytes: z.number().positive().optional(),
  maxPixels: z.number().positive().optional(),
};

/** A name, or a predicate in a configuration that is code. */
const selector = z.union([z.string(), z.custom<object>((value) => typeof value === 'function')]);

const calibrator = z.union([z.enum(calibratorNames), z.custom<object>((value) => typeof value === 'function')]);
/** A name, or in a configuration that is code a function, or a name with a function that scores all answers together. */
const metric = z.union([
  z.enum(['top1', 'top5']),
  z.custom<object>((value) => typeof value === 'function'),
  z.custom<object>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      'score' in value &&
      typeof value.score === 'function' &&
      'name' in value,
  ),
]);

const schema = z.strictObject({
  target: z.string().optional(),
  precision: z.enum(['fp32', 'int8', 'fp8', 'fp16', 'bf16', 'int8+fp16']).optional(),
  force: z.boolean().optional(),
  cpu: z.string().optional(),
  calibration: z
    .strictObject({
      ...reading,
      ranges: data.optional(),
      calibrator: calibrator.optional(),
      percentile: z.number().optional(),
    })
    .optional(),
  quantization: z
    .strictObject({
      format: z.enum(['qdq', 'qoperator']).optional(),
      weightScales: z.enum(['range', 'mse']).optional(),
      rounding: z.enum(['nearest', 'learned']).optional(),
      correctBias: z.boolean().optional(),
      activationBits: z.union([z.literal(8), z.literal(16)]).optional(),
      equalize: z.boolean().optional(),
      smooth: z.union([z.boolean(), z.number().min(0).max(1)]).optional(),
      insertMul: z.boolean().optional(),
      include: z.array(selector).optional(),
      exclude: z.array(selector).optional(),
      minSqnr: z.number().optional(),
      maxDrop: z.number().nonnegative().optional(),
      maxEvaluations: z.number().int().positive().optional(),
      samples: z.number().int().positive().optional(),
      labels: data.or(z.array(z.number())).optional(),
      metric: metric.optional(),
      metricOutput: z.string().optional(),
      floats: z.union([z.string(), z.map(z.string(), z.string())]).optional(),
      gate: z.enum(['latency', 'none']).optional(),
      gateSeconds: z.number().positive().optional(),
      tensors: z
        .array(
          z.strictObject({
            match: selector,
            range: z.strictObject({ min: z.number(), max: z.number() }).optional(),
            dtype: z.enum(['uint8', 'int8', 'uint16', 'int16', 'float8e4m3fn']).optional(),
            skip: z.boolean().optional(),
            calibrator: calibrator.optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  half: z
    .strictObject({
      norms: z.enum(['fp32', 'fp16', 'bf16']).optional(),
      keepIoTypes: z.union([z.literal(true), z.array(z.string())]).optional(),
      include: z.array(selector).optional(),
      exclude: z.array(selector).optional(),
      plan: z.union([z.string(), z.looseObject({})]).optional(),
      savePlan: z.string().optional(),
      headroom: z.number().optional(),
      maxError: z.number().optional(),
      maxEvaluations: z.number().int().positive().optional(),
    })
    .optional(),
  check: z
    .union([z.literal(false), z.strictObject({ ...reading, tolerance: z.looseObject({}).optional() })])
    .optional(),
  save: z.strictObject({ externalData: z.enum(['keep', 'always', 'never']).optional() }).optional(),
  fpContract: z.enum(['strict', 'default']).optional(),
  maxGrowthBytes: z.number().nonnegative().optional(),
  verifyTypes: z.boolean().optional(),
});

const names = ['onnxopt.config.ts', 'onnxopt.config.mjs', 'onnxopt.config.js', 'onnxopt.config.json'];

/** The configuration file in `folder`, or undefined. */
export const findConfig = (folder: string): string | undefined =>
  names.map((name) => path.join(folder, name)).find((file) => fs.existsSync(file));

/**
 * Reads a configuration. Modules are run, as configuration files are.
 * @throws DiagnosticError `config/unreadable`, `config/invalid`.
 */
export async function loadConfig(file: string): Promise<Config> {
  let content: unknown;
  try {
    content = file.endsWith('.json') ? JSON.parse(fs.readFileSync(file, 'utf8')) : await importModule(file);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new DiagnosticError({ code: 'config/unreadable', message: `"${file}": ${message}` }, { cause });
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) {
    const message = z.prettifyError(parsed.error).replaceAll('\n', ' ');
    throw new DiagnosticError({ code: 'config/invalid', message: `"${file}": ${message}` });
  }
  return parsed.data as Config;
}

async function importModule(file: string): Promise<unknown> {
  const { createJiti } = await import('jiti');
  return createJiti(import.meta.url).import(path.resolve(file), { default: true });
}
