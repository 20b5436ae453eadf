import { type Attribute, graphsOf } from './attribute.js';
import { InvariantError } from './diagnostic.js';
import { Editor } from './editor.js';
import type { Described, Graph, Model, Node, OutputSlot, Value } from './graph.js';

/**
 * A model of its own that says the same: names, order, declared types, descriptions and pins included. Tensors,
 * attributes and wire forms are immutable and shared.
 */
export function cloneModel(model: Model): Model {
  const editor = new Editor(undefined, { keepNames: true });
  const { irVersion, producerName, producerVersion, domain, modelVersion } = model;
  editor.setModelProperties({ irVersion, producerName, producerVersion, domain, modelVersion });
  editor.describe(editor.model, descriptionOf(model));
  for (const [name, version] of model.opsetImports) editor.setOpsetImport(name, version);
  const graphs: GraphCopy[] = [{ source: model.graph, target: editor.model.graph }];
  for (const source of model.functions.values()) {
    const fn = editor.addFunction(source);
    editor.describe(fn, descriptionOf(source));
    for (const [name, version] of source.opsetImports) editor.setOpsetImport(name, version, fn);
    graphs.push({ source: source.graph, target: fn.graph });
  }
  copyGraphs(graphs, { editor, values: new Map(), isModel: true });
  return editor.model;
}

export type CloneGraphOptions = {
  /** The node of the target graph that the copies stand before; null: at its end. */
  readonly before?: Node | null;
  /** Added to the provenance of the copies. */
  readonly rule?: string;
  /**
   * What becomes of an attribute that holds no graph, at any depth; undefined leaves it out. A function's body gets
   * the caller's attributes in the place of its references this way.
   */
  readonly attribute?: (attribute: Attribute) => Attribute | undefined;
  /** Inputs of `source` that nothing stands for: the copies leave them out where they read them. */
  readonly omitted?: ReadonlySet<Value>;
};

/**
 * Copies the initializers and nodes of `source`, with the subgraphs below them, into another graph of the model under
 * fresh names. Inputs and outputs of `source` are left to the caller: `mapping` says what stands for each input, and
 * for a value from around `source` where it shall be another; an input with a default that is not mapped becomes an
 * initializer.
 * @returns what each value became, `mapping` included: the outputs' values are looked up there.
 * @throws InvariantError where `target` is `source` or below it, or cannot see a value that the copies read.
 */
export function cloneGraphInto(
  editor: Editor,
  source: Graph,
  target: Graph,
  mapping: ReadonlyMap<Value, Value>,
  options: CloneGraphOptions = {},
): Map<Value, Value> {
  for (let scope: Graph | undefined = target; scope !== undefined; scope = scope.owner?.graph) {
    if (scope === source) throw new InvariantError(`graph "${source.name}" cannot be copied into itself`);
  }
  const context: Context = { ...options, editor, values: new Map(mapping), isModel: false };
  for (const value of source.initializers) if (!mapping.has(value)) copyInitializer(value, target, context);
  const subgraphs = copyNodes({ source, target }, context, options.before ?? null);
  copyGraphs(subgraphs, context);
  for (const value of source.declared) {
    const copy = mapping.has(value) ? undefined : context.values.get(value);
    if (copy !== undefined) editor.setDeclared(copy, true);
  }
  return context.values;
}

type GraphCopy = { readonly source: Graph; readonly target: Graph };

type Context = Pick<CloneGraphOptions, 'rule' | 'attribute' | 'omitted'> & {
  readonly editor: Editor;
  readonly values: Map<Value, Value>;
  /** Into a model of its own, where every name stays. */
  readonly isModel: boolean;
};

const descriptionOf = ({ docString, metadata, wire }: Described) => ({ docString, metadata, wire });

/** A graph is copied before those below it, so that what they capture is there; a list takes the place of recursion. */
function copyGraphs(graphs: readonly GraphCopy[], context: Context): void {
  const { editor, values } = context;
  const pending = [...graphs];
  for (const copy of pending) {
    const { source, target } = copy;
    editor.setGraphName(target, source.name);
    editor.describe(target, descriptionOf(source));
    for (const input of source.inputs) note(input, editor.addInput(target, input.name, input.type), context);
    for (const value of source.initializers) {
      if (value.isInput) editor.setInitializer(values.get(value)!, value.initializer);
      else copyInitializer(value, target, context);
    }
    pending.push(...copyNodes(copy, context, null));
    for (const slot of source.outputs) copyOutput(slot, target, context);
    for (const value of source.declared) editor.setDeclared(values.get(value)!, true);
  }
}

function copyInitializer(value: Value, target: Graph, context: Context): void {
  note(value, context.editor.addInitializer(target, value.initializer!, value.name), context);
}

/** Returns the subgraphs of the copies, which are still empty. */
function copyNodes({ source, target }: GraphCopy, context: Context, before: Node | null): GraphCopy[] {
  const { editor, values, rule, omitted } = context;
  const subgraphs: GraphCopy[] = [];
  for (const node of source.nodes) {
    const copy = editor.insertNode(
      {
        graph: target,
        opType: node.opType,
        domain: node.domain,
        overload: node.overload,
        name: node.name,
        provenance: rule === undefined ? node.provenance : [...node.provenance, rule],
        inputs: node.inputs.map((input) =>
          input === null || omitted?.has(input) ? null : (values.get(input) ?? input),
        ),
        outputs: node.outputs.map((output) => (output === null ? null : { name: output.name })),
      },
      before,
    );
    editor.describe(copy, descriptionOf(node));
    for (const [index, output] of node.outputs.entries()) {
      if (output !== null) note(output, copy.outputs[index]!, context);
    }
    for (const attribute of node.attributes.values()) subgraphs.push(...copyAttribute(attribute, copy, context));
  }
  return subgraphs;
}

function copyAttribute(attribute: Attribute, owner: Node, { editor, ...context }: Context): GraphCopy[] {
  const copies = graphsOf(attribute).map((source) => ({ source, target: editor.createSubgraph(owner, source.name) }));
  const targets = copies.map(({ target }) => target);
  if (attribute.kind === 'graph') editor.setAttribute(owner, { ...attribute, value: targets[0]! });
  else if (attribute.kind === 'graphs') editor.setAttribute(owner, { ...attribute, value: targets });
  else {
    const changed = context.attribute === undefined ? attribute : context.attribute(attribute);
    if (changed !== undefined) editor.setAttribute(owner, changed);
  }
  return copies;
}

function copyOutput(slot: OutputSlot, target: Graph, { editor, values, isModel }: Context): void {
  const value = values.get(slot.value) ?? slot.value;
  const followsValue = slot.name === slot.value.name && value.graph === target;
  const copy = editor.addOutput(
    target,
    value,
    isModel ? slot.name : followsValue ? value.name : editor.freshName(slot.name),
  );
  editor.setOutputType(copy, slot.type);
  editor.describe(copy, descriptionOf(slot));
}

function note(from: Value, to: Value, { editor, values, isModel }: Context): void {
  values.set(from, to);
  editor.setType(to, from.type);
  editor.describe(to, descriptionOf(from));
  if (isModel && from.pinned) editor.pin(to);
}
