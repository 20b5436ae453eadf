import { subgraphs } from '../../src/ir/attribute.js';
import type { Node, Value } from '../../src/ir/graph.js';
import type { Inference } from '../../src/ir/ops/inference/inference.js';
import type { ValueType } from '../../src/ir/value_type.js';

/** What is asked of a type: the rank, or every dimension with it; the element type goes with either. */
export type Part = 'type' | 'rank' | 'dimension';

export function isKnown(type: ValueType | undefined, part: Part): boolean {
  switch (type?.kind) {
    case undefined:
      return false;
    case 'tensor':
    case 'sparse':
      if (type.dtype === undefined || type.shape === undefined) return part === 'type' && type.dtype !== undefined;
      return part !== 'dimension' || type.shape.every((dim) => dim !== undefined);
    case 'sequence':
    case 'optional':
      return isKnown(type.element, part);
    default:
      return true;
  }
}

/** A small integer vector or scalar that is computed, and not all of its elements known. */
function isOpenOperand(inference: Inference, value: Value): boolean {
  const type = inference.typeOf(value);
  if (value.producer === null || type?.kind !== 'tensor' || type.dtype !== 'int64' || type.shape === undefined)
    return false;
  const known = inference.contentOf(value);
  return type.shape.length < 2 && (known === undefined || known.elements.includes(undefined));
}

/** The operators at which the unknown in a value's type begins: of all their inputs this part is known. */
export function unknownRoots(inference: Inference, value: Value, part: Part): string[] {
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
    const read = [...node.inputs, ...inner].filter((each) => each !== null);
    const ofType = read.filter((each) => !isKnown(inference.typeOf(each), part));
    // Where all types are known, an operand may still not be: a shape that was computed from something unknown.
    const unknown = ofType.length > 0 ? ofType : read.filter((each) => isOpenOperand(inference, each));
    if (unknown.length === 0) roots.add(node.opType);
    for (const each of unknown) visit(each);
  };
  visit(value);
  return [...roots];
}
