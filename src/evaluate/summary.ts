import fs from 'node:fs';
import { constantNodeTensor } from '../ir/constant.js';
import { calledFunction, type Model } from '../ir/graph.js';
import { isOpaque } from '../ir/ops/traits.js';
import { elementCount, type Tensor } from '../ir/tensor.js';
import { modelGraphs } from '../ir/traversal.js';
import { formatType } from '../ir/value_type.js';

/** What a model is made of, without running or reading its weights. */
export type ModelSummary = {
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly hasDefault: boolean }[];
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  readonly nodes: number;
  /** Graphs beside the main one: branches, loop bodies, functions. */
  readonly subgraphs: number;
  readonly functions: number;
  readonly operators: Readonly<Record<string, number>>;
  readonly initializers: number;
  /** Of initializers and Constant nodes. */
  readonly weightBytes: number;
  readonly weightBytesByType: Readonly<Record<string, number>>;
  /** Elements of those constants, without int64, uint64, bool and strings: these are shapes, indices and flags. */
  readonly parameters: number;
  /** Operators that no schema here describes: left as they are. */
  readonly unknownOperators: readonly string[];
};

const notParameters: ReadonlySet<string> = new Set(['int64', 'uint64', 'bool', 'string']);

export function summarizeModel(model: Model): ModelSummary {
  const operators = new Map<string, number>();
  const byType = new Map<string, number>();
  const unknown = new Set<string>();
  let nodes = 0;
  let graphs = 0;
  let initializers = 0;
  let parameters = 0;
  for (const graph of modelGraphs(model)) {
    graphs += 1;
    initializers += graph.initializers.size;
    const addBytes = ({ dtype, dims, byteLength }: Pick<Tensor, 'dtype' | 'dims' | 'byteLength'>) => {
      byType.set(dtype, (byType.get(dtype) ?? 0) + byteLength);
      if (!notParameters.has(dtype)) parameters += elementCount(dims);
    };
    for (const { initializer } of graph.initializers) if (initializer !== null) addBytes(initializer);
    for (const node of graph.nodes) {
      nodes += 1;
      const constant = constantNodeTensor(node);
      if (constant !== undefined) addBytes(constant);
      const label = node.domain === '' || node.domain === 'ai.onnx' ? node.opType : `${node.domain}:${node.opType}`;
      operators.set(label, (operators.get(label) ?? 0) + 1);
      if (calledFunction(node) === undefined && isOpaque(node)) unknown.add(label);
    }
  }
  return {
    irVersion: model.irVersion,
    opsets: Object.fromEntries([...model.opsetImports].map(([domain, version]) => [domain || 'ai.onnx', version])),
    producer: [model.producerName, model.producerVersion].filter((text) => text !== '').join(' '),
    inputs: model.graph.inputs.map(({ name, type, initializer }) => ({
      name,
      type: formatType(type),
      hasDefault: initializer !== null,
    })),
    outputs: model.graph.outputs.map(({ name, type }) => ({ name, type: formatType(type) })),
    nodes,
    subgraphs: graphs - 1 - model.functions.size,
    functions: model.functions.size,
    operators: sortedByCount(operators),
    initializers,
    weightBytes: [...byType.values()].reduce((sum, bytes) => sum + bytes, 0),
    weightBytesByType: sortedByCount(byType),
    parameters,
    unknownOperators: [...unknown].sort(),
  };
}

/** Bytes of a model on disk, its external data included. */
export function modelFileBytes(model: Model, file: string): number {
  let bytes = fs.statSync(file).size;
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) {
      if (initializer?.kind === 'dense' && initializer.storage.kind === 'external') bytes += initializer.byteLength;
    }
  }
  return bytes;
}

const sortedByCount = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
