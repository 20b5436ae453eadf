import type { OutputSlot, Value } from '../../ir/graph.js';
import { typesEqual } from '../../ir/value_type.js';
import type { PassContext } from '../pass.js';

/**
 * Every reader of `output` reads `replacement` from now on. A graph output that `replacement` cannot give its name to
 * (see `canFeed`) reads it through an Identity, as the file would have to say it anyway.
 */
export function replaceValue(output: Value, replacement: Value, context: PassContext, rule: string): void {
  const { editor, inference } = context;
  const knewLess =
    !typesEqual(inference.typeOf(output), inference.typeOf(replacement)) ||
    (inference.contentOf(output) === undefined && inference.contentOf(replacement) !== undefined);
  const readers = [...output.uses].map((use) => (use.kind === 'node' ? use.user : use.user.graph.owner));
  if (replacement.type === undefined && replacement.producer !== null) editor.setType(replacement, output.type);
  for (const use of [...output.uses]) {
    if (use.kind !== 'output') continue;
    if (canFeed(replacement, use.user)) editor.setOutputValue(use.user, replacement);
    else editor.setOutputValue(use.user, insertIdentity(use.user, output, replacement, context, rule));
  }
  editor.replaceAllUses(output, replacement);
  if (!knewLess) return;
  for (const reader of readers) {
    for (let node = reader; node !== null; node = node.graph.owner) inference.invalidate(node);
  }
}

/** Whether a graph output can read `value` under its own name without an Identity in the file. */
export function canFeed(value: Value, slot: OutputSlot): boolean {
  if (value.pinned || value.graph !== slot.graph || value.isInput) return false;
  if ([...value.uses].some((use) => use.kind === 'output' && use.user.graph === slot.graph)) return false;
  return value.producer !== null || (value.graph.owner === null && value.graph.ownerFunction === null);
}

function insertIdentity(
  slot: OutputSlot,
  output: Value,
  replacement: Value,
  { editor }: PassContext,
  rule: string,
): Value {
  const before = output.producer?.graph === slot.graph ? output.producer : null;
  const identity = editor.insertNode(
    {
      graph: slot.graph,
      opType: 'Identity',
      inputs: [replacement],
      outputs: [{ name: slot.name, type: output.type }],
      provenance: [rule],
    },
    before,
  );
  return identity.outputs[0]!;
}
