import { type DataType, dataTypes } from '../../../ir/data_type.js';
import { opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { allowedTypes, formalParameter, operatorSchema } from '../../../ir/ops/operator_schema.js';

/**
 * The element type of a tensor: inferred or declared; else what the schema of its producer leaves it: its only type, or
 * that of an input of the same type parameter.
 */
export function elementType(value: Value, inference: Inference): DataType | undefined {
  const pending = [value];
  const seen = new Set<Value>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const type = inference.typeOf(next);
    if (type !== undefined && type.kind !== 'tensor') return undefined;
    if (type?.dtype !== undefined) return type.dtype;
    const { producer } = next;
    if (producer === null) continue;
    const version = opsetVersion(producer.graph, producer.domain);
    const schema = version === undefined ? undefined : operatorSchema(producer.domain, producer.opType, version);
    if (schema === undefined) continue;
    const only = allowedTypes(schema, 'output', next.index);
    if (only?.length === 1) return dataTypes.find((dtype) => only[0] === `tensor(${dtype})`);
    const formal = formalParameter(schema, 'output', next.index);
    for (const [index, input] of producer.inputs.entries()) {
      const given = formalParameter(schema, 'input', index);
      if (input !== null && given?.homogeneous && given.type === formal?.type) pending.push(input);
    }
  }
  return undefined;
}
