import { intAttribute, tensorAttribute } from '../ir/attribute.js';
import { cloneModel } from '../ir/clone.js';
import { type DataType, dataTypeCode } from '../ir/data_type.js';
import { Editor } from '../ir/editor.js';
import { calledFunction, type Graph, type Model, type Node, type Use, type Value } from '../ir/graph.js';
import { decodeHalf } from '../ir/half_float.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { schemaDomain } from '../ir/ops/operator_schema.js';
import { outputTypeAttribute } from '../ir/ops/output_type.js';
import { tensorData, tensorFromData } from '../ir/tensor.js';
import { nestedGraphs } from '../ir/topological_order.js';
import { tensorType, type ValueType } from '../ir/value_type.js';

/**
 * A copy of a model that computes in float32 whatever it computes in 16-bit floats, and rounds all that such a node
 * makes: what the 16-bit types mean, for a runtime without kernels for them, or one that leaves roundings out between
 * nodes that it widens. Inputs and outputs of the main graph are float32 and rounded inside.
 */
export function spellRounding(source: Model): Model {
  const model = cloneModel(source);
  new Spelling(model).run();
  return model;
}

/** They only hand values on, or name types that their graphs have as well. */
const handsOn: ReadonlySet<string> = new Set(['Cast', 'Constant', 'If', 'Loop', 'Scan', 'SequenceMap']);

class Spelling {
  private readonly editor: Editor;
  private readonly halves = new Map<Value, DataType>();
  private readonly widened = new Map<Value, Value>();

  constructor(private readonly model: Model) {
    this.editor = new Editor(model);
  }

  run(): void {
    const { model, editor, halves } = this;
    const inference = new Inference(model);
    const graphs = [...nestedGraphs(model.graph)];
    for (const graph of graphs) {
      for (const value of graph.values.values()) {
        const dtype = inference.dtypeOf(value);
        if (dtype === 'float16' || dtype === 'bfloat16') halves.set(value, dtype);
      }
    }
    const nodes = graphs.flatMap((graph) => [...graph.nodes]);
    for (const node of nodes) this.widenNode(node);
    for (const input of model.graph.inputs) {
      const half = halves.get(input);
      if (half === undefined || input.initializer !== null) continue;
      const uses = [...input.uses];
      editor.setType(input, withType(input.type, 'float'));
      const narrowed = this.cast(model.graph, input, half, model.graph.nodes.first);
      for (const use of uses) redirect(editor, use, narrowed);
    }
    for (const slot of model.graph.outputs) {
      if (!halves.has(slot.value)) continue;
      editor.setOutputValue(slot, this.cast(model.graph, slot.value, 'float', null));
      editor.setOutputType(slot, withType(slot.type, 'float'));
    }
  }

  private widenNode(node: Node): void {
    const { editor, halves } = this;
    if (calledFunction(node) !== undefined || (schemaDomain(node.domain) === '' && handsOn.has(node.opType))) return;
    for (const [index, input] of node.inputs.entries()) {
      if (input !== null && halves.has(input)) editor.setInput(node, index, this.floatOf(input));
    }
    for (const output of node.outputs) {
      const half = output === null ? undefined : halves.get(output);
      if (half === undefined || output === null) continue;
      const uses = [...output.uses];
      editor.setType(output, withType(output.type, 'float'));
      const narrowed = this.cast(node.graph, output, half, node.graph.nodes.after(node));
      for (const use of uses) redirect(editor, use, narrowed);
      halves.delete(output);
      halves.set(narrowed, half);
      widenAttribute(editor, node);
    }
  }

  /** One Cast a value, where all that see the value see it. */
  private floatOf(value: Value): Value {
    const { graph, producer } = value;
    const known = this.widened.get(value);
    if (known !== undefined) return known;
    const cast = this.cast(graph, value, 'float', producer === null ? graph.nodes.first : graph.nodes.after(producer));
    this.widened.set(value, cast);
    return cast;
  }

  private cast(graph: Graph, value: Value, to: DataType, before: Node | null): Value {
    const attributes = [intAttribute('to', dataTypeCode(to))];
    return this.editor.insertNode({ graph, opType: 'Cast', inputs: [value], outputs: 1, attributes }, before)
      .outputs[0]!;
  }
}

function widenAttribute(editor: Editor, node: Node): void {
  const stated = outputTypeAttribute(node);
  const given = stated === undefined ? undefined : node.attributes.get(stated.name);
  if (stated === undefined || given === undefined) return;
  if (given.kind === 'int' && given.value !== 0n) {
    editor.setAttribute(node, intAttribute(stated.name, dataTypeCode('float')));
  }
  if (given.kind !== 'tensor' || (given.value.dtype !== 'float16' && given.value.dtype !== 'bfloat16')) return;
  const floats = decodeHalf(given.value.dtype, tensorData(given.value) as Uint16Array);
  editor.setAttribute(node, tensorAttribute(stated.name, tensorFromData('float', given.value.dims, floats)));
}

function redirect(editor: Editor, use: Use, value: Value): void {
  if (use.kind === 'node') editor.setInput(use.user, use.index, value);
  else editor.setOutputValue(use.user, value);
}

const withType = (type: ValueType | undefined, dtype: DataType): ValueType | undefined =>
  type?.kind === 'tensor' ? tensorType(dtype, type.shape) : type;
