import { type Attribute, intAttribute, stringAttribute, tensorAttribute } from '../../ir/attribute.js';
import { type DataType, dataTypeCode } from '../../ir/data_type.js';
import type { Editor } from '../../ir/editor.js';
import { describeNode, type Node, opsetVersion } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import { halfTensor } from '../../ir/half_tensor.js';
import { operatorSchema } from '../../ir/ops/operator_schema.js';
import { type OutputTypeAttribute, outputTypeAttribute } from '../../ir/ops/output_type.js';
import { floatTensor } from '../../ir/tensor.js';
import type { HalfSlots } from './half_slots.js';

/** Makes the attribute that names the type of a node's outputs say what its slots say. */
export function retypeAttributes(node: Node, slots: HalfSlots, half: HalfType, editor: Editor): void {
  const stated = outputTypeAttribute(node);
  const schema = operatorSchema(node.domain, node.opType, opsetVersion(node.graph, node.domain) ?? 1);
  if (stated === undefined || stated.isPrecision || !schema?.attributes.has(stated.name)) return;
  const given = node.attributes.get(stated.name);
  const isGiven = given !== undefined && !(given.kind === 'int' && given.value === 0n);
  const becomesHalf = stated.outputs.some((index) => slots.outputs[index]);
  if (stated.together && !isGiven) return;
  // Without the attribute the outputs would follow an input that changes.
  const wouldFollow = !isGiven && stated.follows !== undefined && slots.inputs[stated.follows];
  if (!becomesHalf && !wouldFollow) return;
  editor.setAttribute(node, restated(node, stated, becomesHalf ? half : 'float', half));
}

function restated(node: Node, { name, form }: OutputTypeAttribute, type: DataType, half: HalfType): Attribute {
  const given = node.attributes.get(name);
  if (form === 'tensor') {
    const filled = given?.kind === 'tensor' ? given.value : floatTensor([0]);
    return tensorAttribute(name, halfTensor(filled, half, describeNode(node)));
  }
  return given?.kind === 'string' ? stringAttribute(name, type.toUpperCase()) : intAttribute(name, dataTypeCode(type));
}
