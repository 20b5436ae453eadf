import { z } from 'zod';
import { graphsOf } from '../../ir/attribute.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { describeNode, type Graph, type Model, type Node } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { isMainInput } from './cast_sites.js';
import { constantFits } from './constant_fit.js';
import { touchesFloat } from './decide_wishes.js';
import { halfSlots } from './half_slots.js';
import { constantObstacle } from './node_wishes.js';
import type { NodePrecision, PrecisionPlan } from './precision_plan.js';

/** Characters of a plan that is read: some hundred for each node. */
const longestFile = 1 << 28;

const name = z.string().max(1 << 16);

const entry = z.strictObject({
  /** Of each node around, outermost first, its name and the attribute that holds the graph; empty for the main graph. */
  graph: z.array(name).max(128),
  node: name,
  /** The first output, which is what a node is found by. */
  output: name,
  opType: name,
  type: z.enum(['float', 'half']),
  reason: z.string().max(1 << 12),
});

const schema = z.strictObject({
  format: z.literal('onnxopt-precision-plan'),
  version: z.literal(1),
  half: z.enum(['float16', 'bfloat16']),
  inputs: z.array(name),
  outputs: z.array(name),
  nodes: z.array(entry),
});

/** JSON, one line a node in the order of the model: the same plan gives the same text. */
export function formatPlan(plan: PrecisionPlan, model: Model): string {
  const entries: z.infer<typeof entry>[] = [];
  for (const graph of nestedGraphs(model.graph)) {
    const path = pathOf(graph);
    for (const node of graph.nodes) {
      const decided = plan.nodes.get(node);
      if (decided === undefined) continue;
      const { type, reason } = decided;
      entries.push({ graph: path, node: node.name, output: firstOutput(node), opType: node.opType, type, reason });
    }
  }
  const inputs = model.graph.inputs.filter((input) => plan.inputs.has(input)).map((input) => input.name);
  const outputs = model.graph.outputs.filter((output) => plan.outputs.has(output)).map((output) => output.name);
  const head = { format: 'onnxopt-precision-plan', version: 1, half: plan.half, inputs, outputs };
  const lines = entries.map((each) => `    ${JSON.stringify(each)}`);
  const open = JSON.stringify(head, null, 2).replace(/\n}$/, ',\n  "nodes": [');
  return `${open}${lines.length === 0 ? '' : '\n'}${lines.join(',\n')}\n  ]\n}\n`;
}

/**
 * A saved plan for a model, which must be the one it was made for, as far as names and operators tell.
 * @throws DiagnosticError `cast/bad-plan-file` where the text is no plan; `cast/plan-does-not-fit` where it names what the
 * model does not have, leaves out a node that reads or writes float32, or wants half where that cannot be.
 */
export function parsePlan(text: string, model: Model, inference: Inference): PrecisionPlan {
  const file = readFile(text);
  const nodes = new Map<Node, NodePrecision>();
  const present = nodesByKey(model);
  const { half } = file;
  const fitOf = constantFits(half);
  for (const { graph, node: name, output, opType, type, reason } of file.nodes) {
    const label = [...graph, name || output].join(' > ');
    const node = present.get(keyOf(graph, output === '' ? name : output));
    if (node === undefined) throw misfit(`the model has no node "${label}"`);
    if (node.opType !== opType) throw misfit(`"${label}" is ${node.opType}, and the plan says ${opType}`);
    if (nodes.has(node)) throw misfit(`"${label}" stands in it twice`);
    if (type === 'half') {
      const slots = halfSlots(node, half, inference);
      if (slots === undefined) throw misfit(`"${label}" (${opType}) has no ${half} form`);
      const obstacle = constantObstacle(node, slots, { half, fitOf });
      if (obstacle?.wants === 'float' && obstacle.firm) throw misfit(`"${label}": ${obstacle.reason}`);
    }
    nodes.set(node, { type, reason });
  }
  for (const node of present.values()) {
    if (touchesFloat(node, inference) && !nodes.has(node)) throw misfit(`it leaves out ${describeNode(node)}`);
  }
  const inputs = portsNamed(file.inputs, model.graph.inputs, 'input');
  const outputs = portsNamed(file.outputs, model.graph.outputs, 'output');
  for (const value of [...inputs, ...[...outputs].map((output) => output.value)]) {
    const isFixed = value.isInput && !isMainInput(value, model);
    if (isFixed || inference.dtypeOf(value) !== 'float') throw misfit(`"${value.name}" cannot change its type`);
  }
  return { half, nodes, inputs, outputs };
}

function readFile(text: string): z.infer<typeof schema> {
  const fail = (message: string, cause?: unknown) =>
    new DiagnosticError({ code: 'cast/bad-plan-file', message }, { cause });
  if (text.length > longestFile) throw fail(`it is longer than ${longestFile} characters`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw fail('it is not JSON', cause);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw fail(z.prettifyError(parsed.error).replaceAll('\n', '; '));
  return parsed.data;
}

const misfit = (message: string): DiagnosticError =>
  new DiagnosticError({
    code: 'cast/plan-does-not-fit',
    message,
    help: 'A plan is for the model it was made from, simplified in the same way; make it anew',
  });

const firstOutput = (node: Node): string => node.outputs.find((output) => output !== null)?.name ?? '';

const keyOf = (path: readonly string[], name: string): string => JSON.stringify([path, name]);

function nodesByKey(model: Model): ReadonlyMap<string, Node> {
  const byKey = new Map<string, Node>();
  for (const graph of nestedGraphs(model.graph)) {
    const path = pathOf(graph);
    for (const node of graph.nodes) byKey.set(keyOf(path, firstOutput(node) || node.name), node);
  }
  return byKey;
}

/** Of each node around a graph, outermost first, its first output and the attribute that holds the graph. */
function pathOf(graph: Graph): string[] {
  const path: string[] = [];
  for (let inner = graph; inner.owner !== null; inner = inner.owner.graph) {
    const { owner } = inner;
    for (const [attributeName, attribute] of owner.attributes) {
      const at = graphsOf(attribute).indexOf(inner);
      if (at < 0) continue;
      const place = attribute.kind === 'graphs' ? `${attributeName}[${at}]` : attributeName;
      path.unshift(firstOutput(owner) || owner.name, place);
    }
  }
  return path;
}

function portsNamed<T extends { readonly name: string }>(
  names: readonly string[],
  ports: readonly T[],
  kind: 'input' | 'output',
): ReadonlySet<T> {
  return new Set(
    names.map((wanted) => {
      const port = ports.find((each) => each.name === wanted);
      if (port === undefined) throw misfit(`the model has no ${kind} "${wanted}"`);
      return port;
    }),
  );
}
