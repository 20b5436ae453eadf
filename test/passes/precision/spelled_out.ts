import type { RunningModel } from '../../../src/calibrate/runner.js';
import { intAttribute, tensorAttribute } from '../../../src/ir/attribute.js';
import { cloneModel } from '../../../src/ir/clone.js';
import { type DataType, dataTypeCode } from '../../../src/ir/data_type.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Graph, Model, Node, Use, Value } from '../../../src/ir/graph.js';
import { decodeHalf } from '../../../src/ir/half_float.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { outputTypeAttribute } from '../../../src/ir/ops/output_type.js';
import { tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { nestedGraphs } from '../../../src/ir/topological_order.js';
import { tensorType, type ValueType } from '../../../src/ir/value_type.js';
import { halfSlots } from '../../../src/passes/precision/half_slots.js';
import type { PrecisionPlan } from '../../../src/passes/precision/precision_plan.js';
import { answerOf, answerWithRoom, type Feeds, isRuntimeFault, openPlain } from '../../same_answers.js';

/**
 * What a plan means, with no thought of cost: every node computes in float32 as it did, and what a node of the half
 * type reads and makes is rounded on the way. Changes the model.
 */
export function roundAsPlanned(model: Model, plan: PrecisionPlan): void {
  const editor = new Editor(model);
  const inference = new Inference(model);
  const halfNodes = Array.from(plan.nodes).flatMap(([node, { type }]) => {
    const slots = type === 'half' ? halfSlots(node, plan.half, inference) : undefined;
    return slots === undefined ? [] : [{ node, slots }];
  });
  const round = (value: Value, graph: Graph, before: Node | null): Value =>
    cast(editor, graph, cast(editor, graph, value, plan.half, before), 'float', before);
  for (const { node, slots } of halfNodes) {
    for (const [index, input] of node.inputs.entries()) {
      // A Cast reads what is there, rounded or not.
      if (input === null || !slots.inputs[index] || node.opType === 'Cast') continue;
      editor.setInput(node, index, round(input, node.graph, node));
    }
    for (const [index, output] of node.outputs.entries()) {
      if (output === null || !slots.outputs[index]) continue;
      const uses = [...output.uses];
      const rounded = round(output, node.graph, node.graph.nodes.after(node));
      for (const use of uses) redirect(editor, use, rounded);
    }
  }
  for (const input of plan.inputs) {
    const uses = [...input.uses];
    editor.setType(input, withType(input.type, plan.half));
    const float = cast(editor, model.graph, input, 'float', model.graph.nodes.first);
    for (const use of uses) redirect(editor, use, float);
  }
  for (const slot of plan.outputs) {
    editor.setOutputValue(slot, cast(editor, model.graph, slot.value, plan.half, null));
    editor.setOutputType(slot, withType(slot.type, plan.half));
  }
}

/**
 * Every node that reads or makes 16-bit floats computes in float32 instead, with a Cast of its own around each. Left to
 * itself the runtime does the same where it has no kernel, but does not round between two such nodes. Changes the model.
 */
export function widenNodes(model: Model): void {
  const editor = new Editor(model);
  const inference = new Inference(model);
  inference.inferAll();
  const halfOf = (value: Value | null): DataType | undefined => {
    const dtype = value === null ? undefined : inference.dtypeOf(value);
    return dtype === 'float16' || dtype === 'bfloat16' ? dtype : undefined;
  };
  for (const graph of [...nestedGraphs(model.graph)]) {
    for (const node of [...graph.nodes]) {
      if (['Cast', 'Constant', 'If', 'Loop', 'Scan'].includes(node.opType)) continue;
      const inputs = node.inputs.map(halfOf);
      const outputs = node.outputs.map(halfOf);
      for (const [index, input] of node.inputs.entries()) {
        if (inputs[index] !== undefined) editor.setInput(node, index, cast(editor, graph, input!, 'float', node));
      }
      for (const [index, output] of node.outputs.entries()) {
        const half = outputs[index];
        if (half === undefined || output === null) continue;
        const uses = [...output.uses];
        editor.setType(output, withType(output.type, 'float'));
        const narrowed = cast(editor, graph, output, half, graph.nodes.after(node));
        for (const use of uses) redirect(editor, use, narrowed);
        widenAttribute(editor, node);
      }
    }
  }
}

function widenAttribute(editor: Editor, node: Node): void {
  const stated = outputTypeAttribute(node);
  const given = stated === undefined ? undefined : node.attributes.get(stated.name);
  if (stated === undefined || given === undefined) return;
  if (given.kind === 'int') editor.setAttribute(node, intAttribute(stated.name, dataTypeCode('float')));
  if (given.kind !== 'tensor' || (given.value.dtype !== 'float16' && given.value.dtype !== 'bfloat16')) return;
  const floats = decodeHalf(given.value.dtype, tensorData(given.value) as Uint16Array);
  editor.setAttribute(node, tensorAttribute(stated.name, tensorFromData('float', given.value.dims, floats)));
}

const cast = (editor: Editor, graph: Graph, value: Value, to: DataType, before: Node | null): Value =>
  editor.insertNode(
    { graph, opType: 'Cast', inputs: [value], outputs: 1, attributes: [intAttribute('to', dataTypeCode(to))] },
    before,
  ).outputs[0]!;

function redirect(editor: Editor, use: Use, value: Value): void {
  if (use.kind === 'node') editor.setInput(use.user, use.index, value);
  else editor.setOutputValue(use.user, value);
}

const withType = (type: ValueType | undefined, dtype: DataType): ValueType | undefined =>
  type?.kind === 'tensor' ? tensorType(dtype, type.shape) : type;

/** What a model answers; with its casts spelled out where the runtime refuses to place those that it puts in itself. */
export async function answerOfHalves(session: RunningModel, model: Model, feeds: Feeds) {
  const answer = await answerOf(session, feeds);
  if (!isRuntimeFault(answer)) return answer;
  const copy = cloneModel(model);
  widenNodes(copy);
  const spelled = await openPlain(copy);
  try {
    return await answerWithRoom(spelled, copy, feeds);
  } finally {
    await spelled.close();
  }
}
