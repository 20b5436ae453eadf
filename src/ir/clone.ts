import { type Attribute, graphsOf } from './attribute.js';
import { Editor } from './editor.js';
import type { Graph, Model, Node, Value } from './graph.js';

export function cloneModel(model: Model): Model {
  const editor = new Editor(undefined, { keepNames: true });
  const { irVersion, producerName, producerVersion, domain, modelVersion } = model;
  editor.setModelProperties({ irVersion, producerName, producerVersion, domain, modelVersion });
  describe(editor, editor.model, model);
  for (const [name, version] of model.opsetImports) editor.setOpsetImport(name, version);
  const functions = [...model.functions.values()].map((source) => {
    const fn = editor.addFunction(source);
    describe(editor, fn, source);
    for (const [name, version] of source.opsetImports) editor.setOpsetImport(name, version, fn);
    return { fn, source };
  });
  copyGraph(editor, model.graph, editor.model.graph, new Map());
  for (const { fn, source } of functions) copyGraph(editor, source.graph, fn.graph, new Map());
  return editor.model;
}

type Part = Parameters<Editor['describe']>[0];
function describe(editor: Editor, to: Part, from: Part): void {
  editor.describe(to, { docString: from.docString, metadata: from.metadata, wire: from.wire });
}

function copyGraph(editor: Editor, source: Graph, target: Graph, mapping: Map<Value, Value>): void {
  editor.setGraphName(target, source.name);
  describe(editor, target, source);
  const note = (from: Value, to: Value) => {
    mapping.set(from, to);
    describe(editor, to, from);
    if (from.pinned) editor.pin(to);
  };
  for (const input of source.inputs) {
    const copy = editor.addInput(target, input.name, input.type);
    note(input, copy);
  }
  for (const value of source.initializers) {
    if (value.isInput) editor.setInitializer(mapping.get(value)!, value.initializer);
    else {
      const copy = editor.addInitializer(target, value.initializer!, value.name, value.type);
      note(value, copy);
    }
  }
  for (const node of source.nodes) copyNode(editor, node, target, mapping, note);
  for (const slot of source.outputs) {
    const copy = editor.addOutput(target, mapping.get(slot.value)!, slot.name, slot.type);
    editor.setOutputType(copy, slot.type);
    describe(editor, copy, slot);
  }
  for (const value of source.declared) editor.setDeclared(mapping.get(value)!, true);
}

function copyNode(
  editor: Editor,
  node: Node,
  target: Graph,
  mapping: Map<Value, Value>,
  note: (a: Value, b: Value) => void,
): void {
  const copy = editor.draft({
    graph: target,
    opType: node.opType,
    domain: node.domain,
    overload: node.overload,
    name: node.name,
    provenance: node.provenance,
    inputs: node.inputs.map((input) => (input === null ? null : mapping.get(input)!)),
    outputs: node.outputs.map((output) => (output === null ? null : { name: output.name, type: output.type })),
  });
  for (const attribute of node.attributes.values()) {
    const graphs = graphsOf(attribute).map((graph) => {
      const sub = editor.createSubgraph(copy, graph.name);
      copyGraph(editor, graph, sub, mapping);
      return sub;
    });
    editor.setAttribute(copy, withGraphs(attribute, graphs));
  }
  editor.attach(copy);
  describe(editor, copy, node);
  for (const [index, output] of node.outputs.entries()) if (output !== null) note(output, copy.outputs[index]!);
}

function withGraphs(attribute: Attribute, graphs: readonly Graph[]): Attribute {
  if (attribute.kind === 'graph') return { ...attribute, value: graphs[0]! };
  if (attribute.kind === 'graphs') return { ...attribute, value: graphs };
  return attribute;
}
