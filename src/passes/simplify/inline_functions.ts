// a call of one of the model's functions => the nodes of its body
// Needs: an operator that is not also one of the standard's (a runtime would choose), no recursion, operators in the
// body that mean the same under the opsets of the caller, and every input that is left out is optional where it is read.
import type { Attribute } from '../../ir/attribute.js';
import { calledFunction, type Graph, type ModelFunction, type Node, rootGraph, type Value } from '../../ir/graph.js';
import { operatorSchema, operatorVersions } from '../../ir/ops/operator_schema.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { definePass, type PassContext } from '../pass.js';
import { holdsPinned, inlineGraph } from './inline_graph.js';
import { NodeNames } from './node_names.js';
import { replaceValue } from './replace_value.js';

const name = 'inline-functions';

/** Calls inside calls are followed this deep. */
const maxDepth = 64;

/** A model whose functions call each other twice would double with every level. */
const maxNodes = 1_000_000;

export const inlineFunctions = definePass({
  name,
  summary: "a call of one of the model's functions => the nodes of its body",
  scope: 'model',
  run(graph, context) {
    if (context.model.functions.size === 0) return;
    const recursive = recursiveFunctions(context.model.functions.values());
    const pending = Array.from(callsIn(graph), (node) => ({ node, depth: 0 })).reverse();
    const names = new NodeNames();
    let nodes = 0;
    for (let call = pending.pop(); call !== undefined; call = pending.pop()) {
      const { node, depth } = call;
      const fn = calledFunction(node)!;
      const tooMany = depth >= maxDepth || nodes + fn.graph.nodes.size > maxNodes;
      const reason = tooMany ? 'calls are nested too deep or too often' : obstacle(node, fn, recursive);
      if (reason !== undefined) {
        context.decline({ rule: name, node, reason });
        continue;
      }
      nodes += fn.graph.nodes.size;
      context.fired(name, node);
      const inner = inline(node, fn, names, context).flatMap((copy) => [...callsWithin(copy)]);
      pending.push(...inner.map((copy) => ({ node: copy, depth: depth + 1 })).reverse());
    }
  },
});

function* callsIn(graph: Graph): Generator<Node> {
  for (const each of nestedGraphs(graph)) {
    for (const node of each.nodes) if (calledFunction(node) !== undefined) yield node;
  }
}

function* callsWithin(node: Node): Generator<Node> {
  if (calledFunction(node) !== undefined) yield node;
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'graph') yield* callsIn(attribute.value);
    else if (attribute.kind === 'graphs') for (const body of attribute.value) yield* callsIn(body);
  }
}

/** Functions that a call of theirs leads back to. */
function recursiveFunctions(functions: Iterable<ModelFunction>): ReadonlySet<ModelFunction> {
  const recursive = new Set<ModelFunction>();
  for (const fn of functions) {
    const reached = new Set<ModelFunction>();
    const pending = [fn];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const node of callsIn(next.graph)) {
        const called = calledFunction(node)!;
        if (!reached.has(called)) pending.push(called);
        reached.add(called);
      }
    }
    if (reached.has(fn)) recursive.add(fn);
  }
  return recursive;
}

function obstacle(node: Node, fn: ModelFunction, recursive: ReadonlySet<ModelFunction>): string | undefined {
  if (recursive.has(fn)) return 'the function calls itself';
  if (operatorVersions(node.domain, node.opType).length > 0) return 'an operator of the standard has the same name';
  if (holdsPinned(fn.graph) || node.outputs.some((output) => output?.pinned)) {
    return 'a kept part of the file names a value inside';
  }
  if (node.inputs.length > fn.graph.inputs.length || node.outputs.length > fn.graph.outputs.length) {
    return 'the call does not fit the function';
  }
  const boundGraph = [...node.attributes.values()].some(({ kind }) => kind === 'graph' || kind === 'graphs');
  if (boundGraph) return 'an attribute of the call is a graph';
  const omitted = omittedInputs(node, fn);
  for (const graph of nestedGraphs(fn.graph)) {
    if (graph.outputs.some(({ value }) => omitted.has(value))) return 'an input that is left out is given back';
    const reason = opsetObstacle(graph, node, fn);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** The opset a function reads its own nodes with has to give them the meaning that the caller's does. */
function opsetObstacle(graph: Graph, call: Node, fn: ModelFunction): string | undefined {
  const caller = rootGraph(call.graph).ownerFunction ?? fn.graph.model;
  for (const { domain, opType } of graph.nodes) {
    const own = importedVersion(fn, domain);
    const outer = importedVersion(caller, domain);
    if (own === outer || own === undefined || outer === undefined) continue;
    const schema = operatorSchema(domain, opType, own);
    if (schema === undefined || schema !== operatorSchema(domain, opType, outer)) {
      return `${opType} of opset ${own} is another operator in opset ${outer}`;
    }
  }
  return undefined;
}

type Importer = { readonly opsetImports: ReadonlyMap<string, number> };

const importedVersion = ({ opsetImports }: Importer, domain: string): number | undefined =>
  domain === '' || domain === 'ai.onnx'
    ? (opsetImports.get('') ?? opsetImports.get('ai.onnx'))
    : opsetImports.get(domain);

const omittedInputs = (node: Node, fn: ModelFunction): ReadonlySet<Value> =>
  new Set(fn.graph.inputs.filter((_, index) => node.inputs[index] == null));

function inline(node: Node, fn: ModelFunction, names: NodeNames, context: PassContext): readonly Node[] {
  const { editor } = context;
  const mapping = new Map<Value, Value>();
  for (const [index, input] of node.inputs.entries()) if (input !== null) mapping.set(fn.graph.inputs[index]!, input);
  const inlined = inlineGraph(editor, fn.graph, mapping, {
    before: node,
    names,
    rule: name,
    omitted: omittedInputs(node, fn),
    attribute: (attribute) => boundAttribute(attribute, node, fn),
    nodeName: (text) => (node.name === '' || text === '' ? text : `${node.name}/${text}`),
  });
  importDomains(inlined.nodes, fn, context);
  for (const [index, output] of node.outputs.entries()) {
    if (output !== null) replaceValue(output, inlined.valueOf(fn.graph.outputs[index]!), context, name);
  }
  editor.eraseNode(node);
  return inlined.nodes;
}

/** A reference becomes what the call gives, or the function's default, or nothing. */
function boundAttribute(attribute: Attribute, call: Node, fn: ModelFunction): Attribute | undefined {
  if (attribute.kind !== 'reference') return attribute;
  const bound = call.attributes.get(attribute.value) ?? fn.attributeDefaults.get(attribute.value);
  if (bound === undefined) return undefined;
  const { wire: _callerForm, ...value } = bound;
  return { ...value, name: attribute.name };
}

function importDomains(nodes: readonly Node[], fn: ModelFunction, { editor, model }: PassContext): void {
  for (const [domain, version] of fn.opsetImports) {
    const isUsed = nodes.length > 0 && importedVersion(model, domain) === undefined;
    if (isUsed) editor.setOpsetImport(domain, version);
  }
}
