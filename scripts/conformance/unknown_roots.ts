import { subgraphs } from '../../src/ir/attribute.js';
import type { Node, Value } from '../../src/ir/graph.js';
import type { Inference } from '../../src/ir/ops/inference/inference.js';
import type { ValueType } from '../../src/ir/value_type.js';

/** Whether element type, rank and every dimension are known. */
export function isFullyKnown(type: ValueType | undefined): boolean {
  switch (type?.kind) {
    case undefined:
      return false;
    case 'tensor':
    case 'sparse':
      return type.dtype !== undefined && type.shape?.every((dim) => dim !== undefined) === true;
    case 'sequence':
    case 'optional':
      return isFullyKnown(type.element);
    default:
      return true;
  }
}

/** The operators at which the unknown in a value's type begins: all their inputs are known, their outputs are not. */
export function unknownRoots(inference: Inference, value: Value): string[] {
  const roots = new Set<string>();
  const seen = new Set<Node>();
  const visit = (open: Value) => {
    const node = open.producer;
    if (node === null) {
      roots.add(open.graph.owner === null ? 'an open input' : open.graph.owner.opType);
      return;
    }
    if (seen.has(node)) return;
    seen.add(node);
    const inner = subgraphs(node).flatMap((graph) => graph.outputs.map((slot) => slot.value));
    const unknown = [...node.inputs, ...inner].filter((each) => each !== null && !isFullyKnown(inference.typeOf(each)));
    if (unknown.length === 0) roots.add(node.opType);
    for (const each of unknown) visit(each!);
  };
  visit(value);
  return [...roots];
}
