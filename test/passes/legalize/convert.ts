import { expect } from 'vitest';
import type { Attribute } from '../../../src/ir/attribute.js';
import { cloneModel } from '../../../src/ir/clone.js';
import type { DataType } from '../../../src/ir/data_type.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import type { Model } from '../../../src/ir/graph.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import type { Tensor } from '../../../src/ir/tensor.js';
import { convertOpset, opsetObstacles } from '../../../src/passes/legalize/convert_opset.js';
import { applyPass, largestDifference, ModelBuilder } from '../../build_model.js';

type Feeds = Readonly<Record<string, Tensor>>;

export type Build = (builder: ModelBuilder) => void;

/** A model of this opset. */
export function modelOf(opset: number, build: Build): Model {
  const builder = new ModelBuilder(opset);
  build(builder);
  return builder.build();
}

/** Converts, and holds that both compute the same in ONNX Runtime; gives the converted model. */
export async function convertsTo(to: number, model: Model, feeds: Feeds, tolerance = 0): Promise<Model> {
  const { model: converted } = await applyPass(model, convertOpset(to));
  expect(converted.opsetImports.get('')).toBe(to);
  expect(await largestDifference(model, converted, feeds)).toBeLessThanOrEqual(tolerance);
  return converted;
}

/** Why a model is not converted. Holds that it stays as it is, and that the pass says the same. */
export async function refusal(to: number, model: Model): Promise<string> {
  const before = encodeModel(model);
  const reasons = opsetObstacles(model, to).map(({ reason }) => reason);
  expect(reasons).not.toEqual([]);
  const copy = cloneModel(model);
  const error = await applyPass(copy, convertOpset(to)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DiagnosticError);
  expect((error as DiagnosticError).diagnostic.code).toBe('convert/no-equivalent');
  expect(Buffer.compare(encodeModel(model), before)).toBe(0);
  expect(Buffer.compare(encodeModel(copy), before)).toBe(0);
  return reasons[0] ?? '';
}

/** The shape of the first input, unless told. */
export const nodeDims = [1, 2, 4, 6];

/** What a single node has beside its first input. */
export type More = {
  readonly constants?: readonly (Tensor | null)[];
  readonly dims?: readonly (number | string)[];
  readonly result?: DataType;
  readonly outputs?: number;
};

/** One node that reads `x` and constants, and gives `y`. */
export const singleNode = (
  opset: number,
  opType: string,
  attributes: readonly Attribute[] = [],
  more: More = {},
): Model =>
  modelOf(opset, (b) => {
    const constants = (more.constants ?? []).map((tensor, index) => tensor && b.constant(`c${index}`, tensor));
    const outputs = b.ops(opType, [b.input('x', more.dims ?? nodeDims), ...constants], {
      attributes,
      outputs: more.outputs ?? 1,
    });
    for (const [index, output] of outputs.entries()) b.output(output, `y${index}`, more.result ?? 'float');
  });
