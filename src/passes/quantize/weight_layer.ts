import { getFloat, getInt } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { dataTypeKind } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { describeNode, type Model, type Node, rootGraph, type Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementCount, tensorData } from '../../ir/tensor.js';
import { modelGraphs } from '../../ir/traversal.js';
import { type NodeSelector, nodeMatcher } from './selection.js';

/**
 * A MatMul or Gemm with a constant matrix: [..., products] · [products, outputs]. What else it reads is asked of the node
 * when it is rewritten: another layer may have been replaced in front of it.
 */
export type MatrixLayer = {
  readonly kind: 'matrix';
  readonly node: Node;
  readonly weight: Value;
  readonly products: number;
  readonly outputs: number;
  /** Whether the matrix is stored as [outputs, products]. */
  readonly transposed: boolean;
};

/** A Gather of rows out of a constant table [rows, columns]. */
export type TableLayer = {
  readonly kind: 'table';
  readonly node: Node;
  readonly weight: Value;
  readonly rows: number;
  readonly columns: number;
};

export type WeightSelection<Layer> = {
  readonly layers: readonly Layer[];
  /** Nodes of the kinds looked for that stay in float. */
  readonly floats: readonly { readonly node: Node; readonly reason: string }[];
};

export type WeightSelectionOptions = {
  /** Nodes to leave in float, by node name or output name; `*` stands for any characters. */
  readonly exclude?: readonly NodeSelector[];
};

/** Under this many weights, a scale and a node more cost what fewer bits save. */
export const fewestWeights = 1024;

/**
 * Layers of a model whose weights can be stored in fewer bits, subgraphs included. `find` gives a layer, the reason
 * against it, or undefined for nodes that are none of its concern. A weight that somebody reads in float as well stays
 * float for all: a second form of it would only make the model larger.
 */
export function selectWeightLayers<Layer extends { readonly node: Node; readonly weight: Value }>(
  model: Model,
  find: (node: Node) => Layer | string | undefined,
  { exclude = [] }: WeightSelectionOptions = {},
): WeightSelection<Layer> {
  const isExcluded = nodeMatcher(exclude);
  const floats: { node: Node; reason: string }[] = [];
  const found = new Map<Node, Layer>();
  for (const graph of modelGraphs(model)) {
    for (const node of graph.nodes) {
      const layer = find(node);
      if (layer === undefined) continue;
      if (typeof layer === 'string') floats.push({ node, reason: layer });
      else if (isExcluded(node)) floats.push({ node, reason: 'excluded by name' });
      else if (rootGraph(graph).ownerFunction !== null) floats.push({ node, reason: 'it stands in a function' });
      else found.set(node, layer);
    }
  }
  const layers: Layer[] = [];
  for (const layer of found.values()) {
    const other = floatReader(layer.weight, (node) => found.get(node)?.weight === layer.weight);
    if (other === undefined) layers.push(layer);
    else floats.push({ node: layer.node, reason: `its weights are read in float as well, by ${other}` });
  }
  return { layers, floats };
}

function floatReader(weight: Value, isLayer: (node: Node) => boolean): string | undefined {
  for (const use of weight.uses) {
    if (use.kind === 'output') return `output "${use.user.name}"`;
    if (!isLayer(use.user)) return use.user.opType;
  }
  return undefined;
}

/** A MatMul or Gemm with a constant matrix that can be stored in fewer bits, or the reason why it cannot. */
export function matrixLayer(node: Node, inference: Inference): MatrixLayer | string | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  if (node.opType !== 'MatMul' && node.opType !== 'Gemm') return undefined;
  const [input, weight] = node.inputs;
  if (input == null || weight == null || node.outputs[0] == null) return 'an input is missing';
  const tensor = constantTensor(weight);
  if (tensor === undefined) {
    if (constantTensor(input) !== undefined) return 'its weights are the left operand';
    return node.opType === 'MatMul' ? 'both operands are activations' : 'its weights are not constant';
  }
  if (constantTensor(input) !== undefined) return 'it reads constants only';
  if (tensor.dtype !== 'float') return 'its weights are not float32';
  if (inference.dtypeOf(input) !== 'float') return 'its input is not float32';
  if (tensor.dims.length !== 2) return 'its weights are not a matrix';
  const rank = inference.shapeOf(input)?.length;
  if (rank === undefined) return 'the rank of its input is not known';
  if (rank < 2) return 'its input is a vector';
  if (node.opType === 'Gemm') {
    if (getFloat(node, 'alpha', 1) !== 1 || getFloat(node, 'beta', 1) !== 1) return 'alpha or beta is not 1';
    if (getInt(node, 'transA', 0) !== 0) return 'its input is transposed';
  }
  if (elementCount(tensor.dims) < fewestWeights) return `fewer than ${fewestWeights} weights`;
  const transposed = node.opType === 'Gemm' && getInt(node, 'transB', 0) !== 0;
  const [products, outputs] = transposed ? [tensor.dims[1]!, tensor.dims[0]!] : [tensor.dims[0]!, tensor.dims[1]!];
  return { kind: 'matrix', node, weight, products, outputs, transposed };
}

/** A Gather from a constant table whose rows can be stored in fewer bits, or the reason why they cannot. */
export function tableLayer(node: Node): TableLayer | string | undefined {
  if ((node.domain !== '' && node.domain !== 'ai.onnx') || node.opType !== 'Gather') return undefined;
  const [weight, indices] = node.inputs;
  if (weight == null || indices == null || node.outputs[0] == null) return 'an input is missing';
  const tensor = constantTensor(weight);
  // Gather picks from shapes and positions too, which are no weights.
  if (tensor === undefined || dataTypeKind(tensor.dtype) !== 'float') return undefined;
  if (tensor.dtype !== 'float') return 'its weights are not float32';
  if (tensor.dims.length !== 2 || getInt(node, 'axis', 0) !== 0) return 'it does not pick rows of a table';
  if (elementCount(tensor.dims) < fewestWeights) return `fewer than ${fewestWeights} weights`;
  return { kind: 'table', node, weight, rows: tensor.dims[0]!, columns: tensor.dims[1]! };
}

/** What a layer multiplies, and what a Gemm adds behind the product, which may be no constant and may be broadcast. */
export const operandsOf = ({ node }: MatrixLayer): { readonly input: Value; readonly bias: Value | null } => ({
  input: node.inputs[0]!,
  bias: node.inputs[2] ?? null,
});

/** The weights of each output in a row of their own: [outputs, products]. */
export function weightRows({ node, weight, products, outputs, transposed }: MatrixLayer): Float32Array {
  const data = finiteWeights(node, weight);
  if (transposed) return data;
  const rows = new Float32Array(data.length);
  for (let product = 0; product < products; product += 1) {
    const start = product * outputs;
    for (let output = 0; output < outputs; output += 1) rows[output * products + product] = data[start + output]!;
  }
  return rows;
}

/**
 * The numbers of a float constant.
 * @throws DiagnosticError `quantize/weights-not-finite` with the name of the value.
 */
export function finiteWeights(node: Node, weight: Value): Float32Array {
  const data = tensorData(constantTensor(weight)!) as Float32Array;
  const index = data.findIndex((element) => !Number.isFinite(element));
  if (index < 0) return data;
  throw new DiagnosticError({
    code: 'quantize/weights-not-finite',
    message: `"${weight.name}" holds ${data[index]} at element ${index}`,
    where: describeNode(node),
    help: 'Mend the model, or exclude the node',
  });
}
