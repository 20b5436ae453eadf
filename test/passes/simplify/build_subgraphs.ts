import { type Attribute, intAttribute } from '../../../src/ir/attribute.js';
import type { Editor } from '../../../src/ir/editor.js';
import { functionKey, type ModelFunction, type Node, type Value } from '../../../src/ir/graph.js';
import { ModelBuilder } from '../../build_model.js';

type Fill = (branch: ModelBuilder) => void;

function withSubgraphs(
  b: ModelBuilder,
  node: Node,
  bodies: Readonly<Record<string, Fill>>,
  attributes: readonly Attribute[] = [],
): Value[] {
  for (const [name, fill] of Object.entries(bodies)) {
    const graph = b.editor.createSubgraph(node, name);
    fill(new ModelBuilder(17, graph, b.editor));
    b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
  }
  for (const attribute of attributes) b.editor.setAttribute(node, attribute);
  b.editor.attach(node);
  return node.outputs.flatMap((output) => (output === null ? [] : [output]));
}

/** An If whose branches add their outputs; its results are named as given. */
export function addIf(b: ModelBuilder, condition: Value, taken: Fill, other: Fill, outputs = ['chosen']): Value[] {
  const specs = outputs.map((name) => ({ name }));
  const node = b.editor.draft({ graph: b.graph, opType: 'If', name: 'if', inputs: [condition], outputs: specs });
  return withSubgraphs(b, node, { then_branch: taken, else_branch: other });
}

/** A Loop; `fill` adds the inputs and outputs of its body, iteration number and condition first. */
export function addLoop(
  b: ModelBuilder,
  inputs: readonly (Value | null)[],
  fill: Fill,
  outputs: readonly string[],
): Value[] {
  const specs = outputs.map((name) => ({ name }));
  const node = b.editor.draft({ graph: b.graph, opType: 'Loop', name: 'loop', inputs, outputs: specs });
  return withSubgraphs(b, node, { body: fill });
}

export function addScan(
  b: ModelBuilder,
  inputs: readonly Value[],
  fill: Fill,
  outputs: readonly string[],
  attributes: readonly Attribute[] = [],
): Value[] {
  const specs = outputs.map((name) => ({ name }));
  const node = b.editor.draft({ graph: b.graph, opType: 'Scan', name: 'scan', inputs, outputs: specs });
  return withSubgraphs(b, node, { body: fill }, attributes);
}

export const scanInputs = (count: number): Attribute => intAttribute('num_scan_inputs', count);

type FunctionSpec = {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly attributeNames?: readonly string[];
  readonly attributeDefaults?: readonly Attribute[];
  readonly opset?: number;
};

/** A function of the domain `local`, with opset 17 unless told. `fill` gets its inputs and adds its outputs. */
export function addFunction(
  b: ModelBuilder,
  spec: FunctionSpec,
  fill: (body: ModelBuilder, inputs: readonly Value[]) => void,
): ModelFunction {
  const editor: Editor = b.editor;
  editor.setOpsetImport('local', 1);
  const fn = editor.addFunction({
    name: spec.name,
    domain: 'local',
    overload: '',
    attributeNames: spec.attributeNames ?? [],
    attributeDefaults: new Map((spec.attributeDefaults ?? []).map((attribute) => [attribute.name, attribute])),
  });
  editor.setOpsetImport('', spec.opset ?? 17, fn);
  editor.setOpsetImport('local', 1, fn);
  const body = new ModelBuilder(17, fn.graph, editor);
  fill(
    body,
    spec.inputs.map((name) => editor.addInput(fn.graph, name, undefined)),
  );
  return b.editor.model.functions.get(functionKey('local', spec.name, ''))!;
}
