// Loop or Scan of a known, small number of iterations => the nodes of each iteration, what they collect concatenated
// Needs: a condition that stays true; nothing random or unknown to us in a body that runs more than once; no more than
// `maxUnrolledNodes` nodes in all; and where there is no iteration, shapes known of what would have been collected.
import { getGraph, getInt, getInts } from '../../ir/attribute.js';
import { calledFunction, type Graph, type Node, opsetVersion, type Value } from '../../ir/graph.js';
import type { Content } from '../../ir/ops/inference/content.js';
import { containsOpaque } from '../../ir/ops/opaque.js';
import { allowedTypes, operatorSchema } from '../../ir/ops/operator_schema.js';
import { isRandom } from '../../ir/ops/traits.js';
import { int64Tensor, type Tensor, tensorFromBytes, tensorFromData, tensorFromStrings } from '../../ir/tensor.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { staticShape } from '../../ir/value_type.js';
import { definePass, type PassContext } from '../pass.js';
import { GraphWriter } from './graph_writer.js';
import { holdsPinned, type InlinedGraph, inlineGraph } from './inline_graph.js';
import { NodeNames } from './node_names.js';
import { replaceValue } from './replace_value.js';

const name = 'unroll-constant-loop';

/** Nodes that one loop may become. One iteration alone is always taken out, since that adds none. */
const maxUnrolledNodes = 256;

export const unrollConstantLoop = definePass({
  name,
  summary: 'Loop or Scan of a known, small number of iterations => the nodes of each iteration',
  scope: 'graphs',
  run(graph, context) {
    const names = new NodeNames();
    for (const node of graph.nodes) {
      if ((node.domain !== '' && node.domain !== 'ai.onnx') || calledFunction(node) !== undefined) continue;
      const plan =
        node.opType === 'Loop' ? planLoop(node, context) : node.opType === 'Scan' ? planScan(node, context) : undefined;
      if (plan === undefined) continue;
      const reason = obstacle(node, plan, context);
      if (reason !== undefined) context.decline({ rule: name, node, reason });
      else {
        context.fired(name, node);
        unroll(node, plan, names, context);
      }
    }
  },
});

/** How a node iterates. */
type Plan = {
  readonly body: Graph;
  readonly trips: number;
  /** Values that iterations hand on, as the first one gets them. */
  readonly start: readonly Value[];
  /** Which body inputs take what is handed on, and which body outputs give it. */
  readonly firstCarriedInput: number;
  readonly firstCarriedOutput: number;
  /** What is collected, behind what is carried. */
  readonly collected: readonly { readonly axis: number; readonly backwards: boolean }[];
  /** The other body inputs in one iteration. */
  inputs(iteration: number, writer: GraphWriter): readonly (readonly [Value, Value])[];
};

const scalarOf = (known: Content | undefined): number | undefined => {
  const element = known?.elements.length === 1 ? known.elements[0] : undefined;
  return typeof element === 'number' ? element : undefined;
};

/** undefined: not a loop of a known number of iterations. */
function planLoop(node: Node, { inference }: PassContext): Plan | undefined {
  const body = getGraph(node, 'body');
  const [limit, condition, ...start] = node.inputs;
  if (body === undefined || start.some((value) => value === null)) return undefined;
  if (body.inputs.length !== start.length + 2 || body.outputs.length !== node.outputs.length + 1) return undefined;
  if (node.outputs.length < start.length) return undefined;
  // Asking for a result infers the body.
  for (const output of node.outputs) if (output !== null) inference.typeOf(output);
  const first = condition == null ? 1 : scalarOf(inference.contentOf(condition));
  const most = limit == null ? undefined : scalarOf(inference.contentOf(limit));
  const goesOn = scalarOf(inference.contentOf(body.outputs[0]!.value));
  const trips = countTrips(most, first, goesOn);
  if (trips === undefined) return undefined;
  const [iterationInput, conditionInput] = body.inputs as [Value, Value];
  return {
    body,
    trips,
    start: start as Value[],
    firstCarriedInput: 2,
    firstCarriedOutput: 1,
    collected: node.outputs.slice(start.length).map(() => ({ axis: 0, backwards: false })),
    inputs: (iteration, writer) => [
      ...(iterationInput.uses.size > 0
        ? [
            [
              iterationInput,
              writer.constant(int64Tensor([iteration], scalarDims(iterationInput)), 'iteration'),
            ] as const,
          ]
        : []),
      ...(conditionInput.uses.size > 0
        ? [
            [
              conditionInput,
              writer.constant(tensorFromData('bool', scalarDims(conditionInput), Uint8Array.of(1)), 'true'),
            ] as const,
          ]
        : []),
    ],
  };
}

/** `most`: undefined where there is no limit, or none that is known; `goesOn`: what each iteration ends with. */
function countTrips(most: number | undefined, first: number | undefined, goesOn: number | undefined) {
  if (first === 0 || (most !== undefined && most <= 0)) return 0;
  if (first !== 1) return undefined;
  return goesOn === 1 ? most : undefined;
}

/** A body input that takes a scalar may be declared as a vector of one. */
const scalarDims = ({ type }: Value): number[] => (type?.kind === 'tensor' && type.shape?.length === 1 ? [1] : []);

const firstScanWithoutBatch = 9;

function planScan(node: Node, { inference }: PassContext): Plan | undefined {
  const body = getGraph(node, 'body');
  const scanned = getInt(node, 'num_scan_inputs', 0);
  const carried = node.inputs.length - scanned;
  if (body === undefined || (opsetVersion(node.graph, '') ?? 1) < firstScanWithoutBatch) return undefined;
  if (scanned < 1 || carried < 0 || node.inputs.some((value) => value === null)) return undefined;
  if (body.inputs.length !== node.inputs.length || body.outputs.length !== node.outputs.length) return undefined;
  if (node.outputs.length < carried) return undefined;
  const inputs = node.inputs as readonly Value[];
  const collectedCount = node.outputs.length - carried;
  const axes = normalizedAxes(getInts(node, 'scan_input_axes', undefined), inputs.slice(carried), inference);
  const elements = body.outputs.slice(carried).map(({ value }) => value);
  for (const output of node.outputs) if (output !== null) inference.typeOf(output);
  const outputAxes = normalizedAxes(getInts(node, 'scan_output_axes', undefined), elements, inference, 1);
  const backwards = getInts(node, 'scan_input_directions', undefined) ?? inputs.slice(carried).map(() => 0);
  const outputBackwards = getInts(node, 'scan_output_directions', undefined) ?? elements.map(() => 0);
  if (axes === undefined || outputAxes === undefined) return undefined;
  if (backwards.length !== scanned || outputBackwards.length !== collectedCount) return undefined;
  const lengths = inputs.slice(carried).map((value, index) => inference.shapeOf(value)?.[axes[index]!]);
  const [trips] = lengths;
  // Without an iteration a Scan has no result that could be told.
  if (typeof trips !== 'number' || trips < 1 || lengths.some((length) => length !== trips)) return undefined;
  return {
    body,
    trips,
    start: inputs.slice(0, carried),
    firstCarriedInput: 0,
    firstCarriedOutput: 0,
    collected: outputAxes.map((axis, index) => ({ axis, backwards: outputBackwards[index] !== 0 })),
    inputs: (iteration, writer) =>
      axes.map((axis, index) => {
        const at = backwards[index] !== 0 ? trips - 1 - iteration : iteration;
        return [body.inputs[carried + index]!, writer.pick(inputs[carried + index]!, axis, at)] as const;
      }),
  };
}

/** Axes counted from the front; `added` axes come on top of the values' own. undefined where a rank is not known. */
function normalizedAxes(
  axes: readonly number[] | undefined,
  values: readonly Value[],
  inference: PassContext['inference'],
  added = 0,
): readonly number[] | undefined {
  const given = axes ?? values.map(() => 0);
  if (given.length !== values.length) return undefined;
  const result: number[] = [];
  for (const [index, axis] of given.entries()) {
    const rank = inference.shapeOf(values[index]!)?.length;
    if (axis < 0 && rank === undefined) return undefined;
    const counted = axis < 0 ? axis + rank! + added : axis;
    if (counted < 0 || (rank !== undefined && counted >= rank + added)) return undefined;
    result.push(counted);
  }
  return result;
}

function obstacle(node: Node, plan: Plan, context: PassContext): string | undefined {
  const { body, trips, collected } = plan;
  if (holdsPinned(body) || node.outputs.some((output) => output?.pinned)) {
    return 'a kept part of the file names a value inside';
  }
  if (trips === 0) {
    const unread = node.outputs.slice(plan.start.length).map((output) => output === null || output.uses.size === 0);
    const known = collected.every((_, index) => unread[index] || emptyCollection(plan, index, context) !== undefined);
    if (!known) return 'the shape of what no iteration collects is not known';
    return containsOpaque(node) ? 'unknown operator' : undefined;
  }
  if (trips === 1) return collectable(node, plan, context);
  let nodes = 0;
  for (const graph of nestedGraphs(body)) nodes += graph.nodes.size;
  const perTrip = nodes + collected.length + (node.inputs.length - plan.start.length);
  if (trips * perTrip > maxUnrolledNodes) return `${trips} iterations of ${perTrip} nodes are too many`;
  for (const inner of body.nodes) {
    if (isRandom(inner)) return 'random numbers are drawn in each iteration';
    if (containsOpaque(inner)) return 'unknown operator';
  }
  return collectable(node, plan, context);
}

/** Concat of old opsets does not take every type. */
function collectable(node: Node, { body, start, collected, firstCarriedOutput }: Plan, { inference }: PassContext) {
  const concat = operatorSchema('', 'Concat', opsetVersion(node.graph, '') ?? 1);
  for (const index of collected.keys()) {
    const type = inference.typeOf(body.outputs[firstCarriedOutput + start.length + index]!.value);
    if (type?.kind !== 'tensor' || type.dtype === undefined) return 'the type of what is collected is not known';
    const types = concat && allowedTypes(concat, 'input', 0);
    if (!types?.includes(`tensor(${type.dtype})`)) return `Concat of this opset does not take ${type.dtype}`;
  }
  return undefined;
}

/** What a Loop without an iteration collects: nothing, of a shape whose other sizes are numbers. */
function emptyCollection({ body, start, firstCarriedOutput }: Plan, index: number, { inference }: PassContext) {
  const type = inference.typeOf(body.outputs[firstCarriedOutput + start.length + index]!.value);
  const dims = type?.kind === 'tensor' ? staticShape(type.shape) : undefined;
  if (type?.kind !== 'tensor' || type.dtype === undefined || dims === undefined) return undefined;
  return emptyTensor(type.dtype, [0, ...dims]);
}

const emptyTensor = (dtype: Tensor['dtype'], dims: readonly number[]): Tensor =>
  dtype === 'string' ? tensorFromStrings(dims, []) : tensorFromBytes(dtype, dims, new Uint8Array(0));

function unroll(node: Node, plan: Plan, names: NodeNames, context: PassContext): void {
  const { editor } = context;
  const { body, trips, start, collected, firstCarriedInput, firstCarriedOutput } = plan;
  const writer = new GraphWriter(editor, node, name);
  // Shared by all iterations.
  const constants = new Map<Value, Value>();
  for (const value of body.initializers) {
    if (!value.isInput && value.initializer !== null)
      constants.set(value, writer.constant(value.initializer, value.name));
  }
  let carried = start;
  const pieces: Value[][] = collected.map(() => []);
  let last: InlinedGraph | undefined;
  for (let iteration = 0; iteration < trips; iteration += 1) {
    const mapping = new Map([...constants, ...plan.inputs(iteration, writer)]);
    for (const [index, value] of carried.entries()) mapping.set(body.inputs[firstCarriedInput + index]!, value);
    const nodeName = (text: string) => (trips === 1 || text === '' ? text : `${text}_${iteration}`);
    const inlined = inlineGraph(editor, body, mapping, { before: node, names, rule: name, nodeName });
    const results = body.outputs.slice(firstCarriedOutput).map((slot) => inlined.valueOf(slot));
    carried = results.slice(0, start.length);
    for (const [index, parts] of pieces.entries()) parts.push(results[start.length + index]!);
    last = inlined;
  }
  for (const [index, output] of node.outputs.entries()) {
    if (output === null || output.uses.size === 0) continue;
    const parts = pieces[index - start.length];
    const result = parts === undefined ? carried[index]! : collect(parts, index - start.length, plan, writer, context);
    replaceValue(output, result, context, name);
  }
  editor.eraseNode(node);
  if (trips === 1) last?.takeNames();
}

function collect(parts: readonly Value[], index: number, plan: Plan, writer: GraphWriter, context: PassContext): Value {
  if (parts.length === 0) return writer.constant(emptyCollection(plan, index, context)!, 'none');
  const { axis, backwards } = plan.collected[index]!;
  const stretched = parts.map((part) => writer.unsqueeze(part, axis));
  if (backwards) stretched.reverse();
  return stretched.length === 1 ? stretched[0]! : writer.concat(stretched, axis);
}
