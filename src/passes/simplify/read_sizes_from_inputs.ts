// Gather(Shape(y), i) => Gather(Shape(x), j), x a graph input that has the same size along axis j
// Needs: everything that is read of Shape(y) is a run of sizes that an input has as well, so that Shape(y) goes away and
// y loses a reader, which fusions would have to respect. At most one Shape a graph input is added, and one such node
// for each that goes. Only in the main graph: others would capture the input.
import { type Attribute, intAttribute } from '../../ir/attribute.js';
import { dimEquals, dimKey } from '../../ir/dim.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import type { Content } from '../../ir/ops/inference/content.js';
import { isOverridable } from '../../ir/overridable.js';
import { int64Tensor } from '../../ir/tensor.js';
import { definePass, type PassContext } from '../pass.js';
import { defaultOpset, plainOperator } from './plain_operator.js';

const name = 'read-sizes-from-inputs';

const shapeHasBounds = 15;

export const readSizesFromInputs = definePass({
  name,
  summary: 'Gather(Shape(y), i) => Gather(Shape(x), j), x a graph input of the same size',
  scope: 'graphs',
  run(graph, context) {
    if (graph.owner !== null || graph.ownerFunction !== null) return;
    const run: Run = { graph, shapes: existingShapes(graph), sizes: inputSizes(graph, context), context };
    for (const node of graph.nodes) {
      const source = plainOperator(node) === 'Shape' ? node.inputs[0] : null;
      if (source != null && source.producer !== null) moveReaders(node, run);
    }
  },
});

type Run = {
  readonly graph: Graph;
  /** Values that hold the whole shape of a graph input. */
  readonly shapes: Map<Value, Value>;
  readonly sizes: ReadonlyMap<string, readonly { readonly input: Value; readonly axis: number }[]>;
  readonly context: PassContext;
};

function existingShapes(graph: Graph): Map<Value, Value> {
  const shapes = new Map<Value, Value>();
  for (const node of graph.nodes) {
    const [source] = node.inputs;
    if (plainOperator(node) !== 'Shape' || source == null || !source.isInput || isOverridable(source)) continue;
    const isWhole = !node.attributes.has('start') && !node.attributes.has('end');
    if (isWhole && !shapes.has(source)) shapes.set(source, node.outputs[0]!);
  }
  return shapes;
}

/** A run of sizes of a graph input. */
type Place = { readonly input: Value; readonly axis: number; readonly length: number };

function moveReaders(shape: Node, run: Run): void {
  const { editor, inference, decline } = run.context;
  const output = shape.outputs[0]!;
  if (output.pinned || output.uses.size === 0) return;
  const whole = placeOf(inference.contentOf(output), run);
  if (whole !== undefined && readsAxes(whole, shape, editor)) return;
  const moves: { value: Value; place: Place }[] = [];
  for (const use of output.uses) {
    const reader = use.kind === 'node' && picksOne(use.user) ? use.user : undefined;
    const value = reader?.outputs[0];
    const place = value == null || value.pinned ? undefined : placeOf(inference.contentOf(value), run);
    if (reader?.graph !== run.graph || value == null || place === undefined || feedsOutput(value)) {
      decline({ rule: name, node: shape, reason: 'a size that no graph input has is read as well' });
      return;
    }
    moves.push({ value, place });
  }
  for (const { value, place } of moves) replace(value, place, run);
  editor.eraseNode(shape);
}

const feedsOutput = (value: Value): boolean => [...value.uses].some(({ kind }) => kind === 'output');

/** Gather and Slice of a vector, which give elements of it. */
const picksOne = (node: Node): boolean => ['Gather', 'Slice'].includes(plainOperator(node) ?? '');

/** Where a graph input has these sizes next to each other; one of them has to be more than a number. */
function placeOf(known: Content | undefined, { sizes, context }: Run): Place | undefined {
  const elements = known?.elements ?? [];
  const [first] = elements;
  if (known === undefined || known.dims.length > 1 || first === undefined) return undefined;
  if (!elements.some((element) => typeof element === 'object')) return undefined;
  for (const { input, axis } of sizes.get(dimKey(first)) ?? []) {
    const shape = context.inference.shapeOf(input)!;
    if (elements.every((element, index) => dimEquals(element, shape[axis + index]))) {
      return { input, axis, length: elements.length };
    }
  }
  return undefined;
}

/** Sizes of the graph inputs, by what they are. */
function inputSizes(graph: Graph, { inference }: PassContext): Map<string, { input: Value; axis: number }[]> {
  const sizes = new Map<string, { input: Value; axis: number }[]>();
  for (const input of graph.inputs) {
    const shape = isOverridable(input) ? undefined : inference.shapeOf(input);
    for (const [axis, size] of shape?.entries() ?? []) {
      if (size === undefined) continue;
      const places = sizes.get(dimKey(size));
      if (places === undefined) sizes.set(dimKey(size), [{ input, axis }]);
      else places.push({ input, axis });
    }
  }
  return sizes;
}

/** Points a Shape at the input itself, where one node can say which axes. */
function readsAxes({ input, axis, length }: Place, shape: Node, editor: PassContext['editor']): boolean {
  const rank = input.type?.kind === 'tensor' ? input.type.shape?.length : undefined;
  if (rank === undefined) return false;
  if (axis !== 0 || length !== rank) {
    if (defaultOpset(shape) < shapeHasBounds) return false;
  }
  editor.removeAttribute(shape, 'start');
  editor.removeAttribute(shape, 'end');
  for (const attribute of bounds(axis, length, rank)) editor.setAttribute(shape, attribute);
  editor.setInput(shape, 0, input);
  editor.addProvenance(shape, name);
  return true;
}

const bounds = (axis: number, length: number, rank: number): Attribute[] =>
  axis === 0 && length === rank ? [] : [intAttribute('start', axis), intAttribute('end', axis + length)];

function replace(value: Value, { input, axis, length }: Place, run: Run): void {
  const { editor, inference } = run.context;
  const node = value.producer!;
  const isScalar = inference.shapeOf(value)?.length === 0;
  const [opType, inputs, attributes] = ((): [string, Value[], Attribute[]] => {
    if (!isScalar && defaultOpset(node) >= shapeHasBounds) {
      return ['Shape', [input], [intAttribute('start', axis), intAttribute('end', axis + length)]];
    }
    const constant = (values: readonly number[], dims?: readonly number[]): Value =>
      editor.draftConstant(run.graph, int64Tensor(values, dims), 'axis');
    const shape = shapeValue(input, run);
    if (isScalar) return ['Gather', [shape, constant([axis], [])], []];
    const indices = Array.from({ length }, (_, index) => axis + index);
    return ['Gather', [shape, constant(indices)], []];
  })();
  const made = editor.insertNode(
    { graph: run.graph, opType, inputs, attributes, outputs: 1, provenance: [...node.provenance, name] },
    node,
  );
  const { name: label } = value;
  editor.replaceAllUses(value, made.outputs[0]!);
  editor.eraseNode(node);
  editor.renameValue(made.outputs[0]!, label);
}

function shapeValue(input: Value, { graph, shapes, context }: Run): Value {
  const known = shapes.get(input);
  if (known !== undefined) return known;
  const node = context.editor.insertNode(
    { graph, opType: 'Shape', inputs: [input], outputs: [{ name: `${input.name}_shape` }], provenance: [name] },
    graph.nodes.first,
  );
  shapes.set(input, node.outputs[0]!);
  return node.outputs[0]!;
}
