// a model => the same model, every inferred type stated in value_info and outputs
import type { Diagnostic } from '../../ir/diagnostic.js';
import { Editor } from '../../ir/editor.js';
import { describeNode, type Graph, type Model, type OutputSlot, type Value } from '../../ir/graph.js';
import { Inference } from '../../ir/ops/inference/inference.js';
import { mergeTypes } from '../../ir/ops/inference/merge.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { tensorType, type ValueType } from '../../ir/value_type.js';
import { inputSizeNames, isStatable, type WriteRules, writtenType } from './written_type.js';

export type TypedValue = {
  readonly name: string;
  readonly role: 'input' | 'initializer' | 'value' | 'output';
  readonly type: ValueType | undefined;
  /** `declared`: as the file said it; `inferred`: with something that inference added or put right. */
  readonly source: 'declared' | 'inferred' | 'unknown';
};

export type TypedGraph = {
  /** The graph's place: the names of the graph and of the nodes that lead to it. */
  readonly graph: string;
  readonly values: readonly TypedValue[];
};

export type TypeDeclaration = {
  /** The main graph and its subgraphs, parents first; function bodies have no types of their own. */
  readonly graphs: readonly TypedGraph[];
  /** Contradictions: of nodes within themselves, and of what was inferred with what the file declares. */
  readonly diagnostics: readonly Diagnostic[];
};

/**
 * States the types of all node results and outputs, in place, subgraphs included. Inputs, initializers and function
 * bodies stay as they are. Where the file contradicts what was inferred, a node result is given the inferred type and
 * an output keeps the declared one, which is the model's contract.
 */
export function declareInferredTypes(model: Model): TypeDeclaration {
  const inference = new Inference(model);
  inference.inferAll();
  const run: Run = { editor: new Editor(model), inference, inputNames: inputSizeNames(model), found: new Map() };
  for (const diagnostic of inference.diagnostics) note(run, diagnostic);
  const graphs = Array.from(nestedGraphs(model.graph), (graph) => declareGraph(graph, run));
  // Asking for types may have found more.
  for (const diagnostic of inference.diagnostics) note(run, diagnostic);
  return { graphs, diagnostics: [...run.found.values()] };
}

type Run = {
  readonly editor: Editor;
  readonly inference: Inference;
  readonly inputNames: ReadonlySet<string>;
  readonly found: Map<string, Diagnostic>;
};

function declareGraph(graph: Graph, run: Run): TypedGraph {
  const values: TypedValue[] = [];
  for (const input of graph.inputs) values.push(describeInput(input, run));
  for (const value of graph.initializers) {
    if (value.isInput) continue;
    reportInitializer(value, run);
    values.push({ name: value.name, role: 'initializer', type: value.type, source: 'declared' });
  }
  const own = new Set(graph.outputs.map(({ value }) => value));
  for (const node of graph.nodes) {
    for (const value of node.outputs) {
      if (value === null) continue;
      const typed = declareResult(value, own.has(value), run);
      if (!own.has(value)) values.push(typed);
    }
  }
  for (const slot of graph.outputs) values.push(declareOutput(slot, run));
  return { graph: graphPath(graph), values };
}

/** Inputs are stated by the file alone; those of subgraphs are reported with what their owner feeds them. */
function describeInput(input: Value, run: Run): TypedValue {
  const { name, type, initializer } = input;
  if (initializer !== null) reportInitializer(input, run);
  if (input.graph.owner === null) return { name, role: 'input', type, source: type ? 'declared' : 'unknown' };
  const rules: WriteRules = { inputNames: run.inputNames, keepsNumbers: true };
  const written = writtenType(run.inference.typeOf(input), type, rules);
  return { name, role: 'input', type: written, source: sourceOf(written, type) };
}

/** An output's own type is stated by its slot, not in value_info as well. */
function declareResult(value: Value, isOutput: boolean, { editor, inference, inputNames }: Run): TypedValue {
  const { name, type: declared } = value;
  const type = writtenType(inference.typeOf(value), declared, { inputNames, keepsNumbers: false });
  const source = sourceOf(type, declared);
  if (type !== declared && isStatable(type)) editor.setType(value, type);
  if (!isOutput && !value.graph.declared.has(value) && isStatable(type)) editor.setDeclared(value, true);
  return { name, role: 'value', type, source };
}

function declareOutput(slot: OutputSlot, run: Run): TypedValue {
  const { name, type: declared, value } = slot;
  const inferred = run.inference.typeOf(value);
  const { conflict } = mergeTypes(inferred, declared);
  if (conflict !== undefined) {
    const where = value.producer === null ? graphPath(slot.graph) : describeNode(value.producer);
    note(run, {
      code: 'infer/contradiction',
      severity: 'warning',
      message: `output "${name}": ${conflict}`,
      where,
    });
    return { name, role: 'output', type: declared, source: 'declared' };
  }
  const type = writtenType(inferred, declared, { inputNames: run.inputNames, keepsNumbers: true });
  if (type !== declared && isStatable(type)) run.editor.setOutputType(slot, type);
  return { name, role: 'output', type, source: sourceOf(type, declared) };
}

/** An initializer that value_info or an input states another type for. */
function reportInitializer({ graph, name, type, initializer }: Value, run: Run): void {
  if (initializer === null) return;
  const { conflict } = mergeTypes(tensorType(initializer.dtype, initializer.dims), type);
  if (initializer.kind === 'sparse' || conflict === undefined) return;
  note(run, {
    code: 'infer/contradiction',
    severity: 'warning',
    message: `initializer "${name}": ${conflict}`,
    where: graphPath(graph),
  });
}

function sourceOf(type: ValueType | undefined, declared: ValueType | undefined): TypedValue['source'] {
  if (type === undefined) return 'unknown';
  return type === declared ? 'declared' : 'inferred';
}

const note = ({ found }: Run, diagnostic: Diagnostic): void => {
  found.set(`${diagnostic.code} ${diagnostic.where} ${diagnostic.message}`, diagnostic);
};

function graphPath(graph: Graph): string {
  if (graph.owner === null) return graph.name || 'graph';
  const attribute = [...graph.owner.attributes.values()].find(
    ({ kind, value }) => (kind === 'graph' && value === graph) || (kind === 'graphs' && value.includes(graph)),
  );
  return `${describeNode(graph.owner)} > ${attribute?.name ?? graph.name}`;
}
