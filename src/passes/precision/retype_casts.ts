import { type Attribute, intAttribute, stringAttribute } from '../../ir/attribute.js';
import { type DataType, dataTypeCode } from '../../ir/data_type.js';
import type { Editor } from '../../ir/editor.js';
import { type Graph, type Node, opsetVersion, type Use, type Value } from '../../ir/graph.js';
import { castType, isCast } from './retype_survey.js';
import { readInstead, retyped } from './retype_value.js';

/** One Cast right behind what makes `value`, read by all `readers`. */
export function insertCast(value: Value, to: DataType, readers: readonly Use[], editor: Editor): void {
  const { graph, producer, type } = value;
  const label = `${value.name}_${to}`;
  const cast = editor.insertNode(
    {
      graph,
      opType: 'Cast',
      name: label,
      inputs: [value],
      outputs: [{ name: label, type: retyped(type, to) }],
      attributes: [toAttribute(graph, to)],
      provenance: ['cast-to-half'],
    },
    producer === null ? graph.nodes.first : graph.nodes.after(producer),
  );
  for (const use of readers) readInstead(use, cast.outputs[0]!, editor);
}

/** Before opset 6 the type is spelled out. */
const toAttribute = (graph: Graph, to: DataType): Attribute =>
  (opsetVersion(graph, '') ?? 1) < 6 ? stringAttribute('to', to.toUpperCase()) : intAttribute('to', dataTypeCode(to));

/** Casts of a value to the type it has by now => the value. */
export function removeIdleCasts(value: Value, type: DataType, editor: Editor): void {
  // What read a Cast may be one itself.
  for (let removed = true; removed; ) {
    removed = castsOf(value, type)
      .map((cast) => replaceCast(cast, value, editor))
      .includes(true);
  }
}

/** Casts of a value to one type => the first of them in the value's own graph. */
export function mergeCasts(value: Value, to: DataType, editor: Editor): void {
  const casts = castsOf(value, to);
  const [first] = casts.filter(({ graph }) => graph === value.graph).sort((a, b) => a.order - b.order);
  if (first === undefined) return;
  for (const cast of casts) if (cast !== first) replaceCast(cast, first.outputs[0]!, editor);
}

const castsOf = (value: Value, to: DataType): Node[] =>
  Array.from(value.uses).flatMap((use) =>
    use.kind === 'node' && isCast(use.user) && castType(use.user) === to && use.user.outputs[0] != null
      ? [use.user]
      : [],
  );

/** False where its output cannot go. */
function replaceCast(cast: Node, value: Value, editor: Editor): boolean {
  const output = cast.outputs[0]!;
  if (output.pinned) return false;
  editor.replaceAllUses(output, value);
  editor.eraseNode(cast);
  return true;
}
