import { expect } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import type { Attribute } from '../../../../src/ir/attribute.js';
import type { DataType } from '../../../../src/ir/data_type.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { legalizeForTarget } from '../../../../src/passes/legalize/legalize_for_target.js';
import type { TargetProfile } from '../../../../src/passes/target_profile.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf } from '../../../build_model.js';

/** An input of a node: fed each time, or a constant; null: left out. */
export type Operand = Tensor | { readonly constant: Tensor } | null;

export type Single = {
  readonly opset?: number;
  readonly domain?: string;
  readonly opType: string;
  readonly inputs: readonly Operand[];
  readonly attributes?: readonly Attribute[];
  /** Outputs by name; null: left out; `unread`: not an output of the model. */
  readonly outputs?: readonly (string | null)[];
  readonly result?: DataType;
  /** Sizes that the model does not state: their first ones are the names `B0`, `B1`, … */
  readonly open?: boolean;
};

/** A model of one node, and what it is fed. */
export function single(node: Single): { readonly model: Model; readonly feeds: Record<string, Tensor> } {
  const { domain = 'com.microsoft', opset = 17, outputs = ['y'] } = node;
  const b = new ModelBuilder(opset);
  if (domain !== '') b.editor.setOpsetImport(domain, 1);
  const feeds: Record<string, Tensor> = {};
  const values = node.inputs.map((operand, index): Value | null => {
    if (operand === null) return null;
    if ('constant' in operand) return b.constant(`c${index}`, operand.constant);
    feeds[`x${index}`] = operand;
    const dims = operand.dims.map((dim, axis) => (node.open && axis === 0 ? `B${index}` : dim));
    return b.input(`x${index}`, dims, operand.dtype);
  });
  const results = b.ops(node.opType, values, { domain, attributes: node.attributes ?? [], outputs });
  for (const value of results) if (value.name !== 'unread') b.output(value, value.name, node.result ?? 'float');
  return { model: b.build(), feeds };
}

/** A target that takes the standard operators of the model's opset and nothing else of the kind that is tested. */
export const without = (...opTypes: readonly string[]): TargetProfile => ({
  ...findTarget('portable'),
  name: 'bare',
  refuses: Object.fromEntries(opTypes.map((opType) => [opType, `bare has no ${opType}`])),
});

/** Un-fuses, and holds that both compute the same up to `tolerance` (absolute); gives the operators that stand there. */
export async function unfuses(node: Single, tolerance: number, target = findTarget('portable')): Promise<string[]> {
  const { model, feeds } = single(node);
  const { model: result, report } = await applyPass(model, legalizeForTarget, { target });
  expect(report.diagnostics).toEqual([]);
  expect([...result.graph.nodes].map(({ domain }) => domain)).not.toContain('com.microsoft');
  const difference = await largestDifference(model, result, feeds);
  expect(difference).toBeLessThanOrEqual(tolerance);
  return operatorsOf(result);
}

/** Holds that the node stays and is reported; gives the report. */
export async function keeps(node: Single, target = findTarget('portable')): Promise<string> {
  const { model } = single(node);
  const { model: result, report } = await applyPass(model, legalizeForTarget, { target });
  expect(operatorsOf(result)).toEqual([node.opType]);
  const [diagnostic, ...more] = report.diagnostics;
  expect(more).toEqual([]);
  expect(diagnostic?.code).toBe('legalize/not-supported');
  expect(diagnostic?.where).toContain(node.opType);
  return diagnostic!.message;
}

export const int32 = (values: readonly number[], dims: readonly number[]): Tensor =>
  tensorFromData('int32', dims, Int32Array.from(values));
