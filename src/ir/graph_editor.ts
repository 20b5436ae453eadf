import { InvariantError } from './diagnostic.js';
import { EditorBookkeeping } from './editor_bookkeeping.js';
import {
  functionKey,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
  type OutputSlot,
  type Value,
} from './graph.js';
import {
  FunctionData,
  functionData,
  GraphData,
  graphData,
  modelData,
  OutputData,
  outputData,
  valueData,
} from './graph_storage.js';
import type { SparseTensor, Tensor } from './tensor.js';
import { tensorType, type ValueType } from './value_type.js';
/** Text, metadata and wire form of a part; what is left out stays as it is. */
export type Description = {
  readonly docString?: string | undefined;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly wire?: unknown;
};

export type ModelProperties = Description & {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
};

/** Changes of the model itself and of graphs: inputs, initializers, outputs. `Editor` adds those of nodes and values. */
export class GraphEditor extends EditorBookkeeping {
  // --- model ---

  setModelProperties(properties: ModelProperties): void {
    Object.assign(modelData(this.model), properties);
    this.revision += 1;
  }

  setOpsetImport(domain: string, version: number, fn: ModelFunction | null = null): void {
    const imports = fn === null ? modelData(this.model).opsetImports : functionData(fn).opsetImports;
    if (imports.get(domain) === version) return;
    imports.set(domain, version);
    this.revision += 1;
  }

  removeOpsetImport(domain: string, fn: ModelFunction | null = null): void {
    const imports = fn === null ? modelData(this.model).opsetImports : functionData(fn).opsetImports;
    if (imports.delete(domain)) this.revision += 1;
  }

  addFunction(
    spec: Pick<ModelFunction, 'name' | 'domain' | 'overload' | 'attributeNames' | 'attributeDefaults'>,
  ): ModelFunction {
    const model = modelData(this.model);
    const fn = new FunctionData(model);
    Object.assign(fn, {
      name: spec.name,
      domain: spec.domain,
      overload: spec.overload,
      attributeNames: spec.attributeNames,
      attributeDefaults: spec.attributeDefaults,
    });
    const key = functionKey(spec.domain, spec.name, spec.overload);
    if (model.functions.has(key)) throw new InvariantError(`function ${spec.domain}:${spec.name} exists already`);
    model.functions.set(key, fn);
    this.revision += 1;
    return fn;
  }

  /** Takes a function out of the model; nodes that call it must be gone. */
  removeFunction(fn: ModelFunction): void {
    const { functions } = modelData(this.model);
    if (functions.get(functionKey(fn.domain, fn.name, fn.overload)) !== fn) {
      throw new InvariantError(`function ${fn.domain}:${fn.name} is not in the model`);
    }
    functions.delete(functionKey(fn.domain, fn.name, fn.overload));
    this.releaseGraph(functionData(fn).graph);
    this.revision += 1;
  }

  describe(part: Model | ModelFunction | Graph | Node | Value | OutputSlot, description: Description): void {
    Object.assign(part, description);
    this.revision += 1;
  }
  // --- graphs ---

  /**
   * An empty graph below a node, which may still be a draft. It becomes part of the model when `setAttribute` gives the
   * node an attribute that holds it.
   */
  createSubgraph(owner: Node, name: string): Graph {
    const data = this.ownNode(owner);
    const graph = new GraphData(data.graph.model, data, null);
    graph.name = name;
    return graph;
  }

  setGraphName(graph: Graph, name: string): void {
    const data = graphData(graph);
    if (data.name === name) return;
    data.name = name;
    this.revision += 1;
  }

  addInput(graph: Graph, name: string, type: ValueType | undefined): Value {
    const data = this.ownGraph(graph);
    const value = this.newValue(data, name, type);
    value.isInput = true;
    value.index = data.inputs.length;
    data.inputs.push(value);
    this.revision += 1;
    return value;
  }

  /** Takes an unread input away; where it has a default, that goes too. */
  removeInput(value: Value): void {
    const data = this.ownValue(value);
    if (!data.isInput) throw new InvariantError(`"${value.name}" is not an input`);
    this.requireUnused(data);
    this.unlistInput(data);
    this.forgetValue(data);
    data.initializer = null;
    this.revision += 1;
  }

  /** Makes a graph input with a default a plain initializer that no caller can override. */
  inputToInitializer(value: Value): void {
    const data = this.ownValue(value);
    if (!data.isInput || data.initializer === null) throw new InvariantError(`"${value.name}" has no default`);
    this.unlistInput(data);
    this.revision += 1;
  }

  addInitializer(graph: Graph, tensor: Tensor | SparseTensor, name: string, type?: ValueType): Value {
    const value = this.newValue(this.ownGraph(graph), name, type ?? tensorType(tensor.dtype, tensor.dims));
    value.initializer = tensor;
    value.graph.initializers.add(value);
    this.revision += 1;
    return value;
  }

  /** Gives a value of an input a default, or changes an initializer's tensor; null takes an input's default away. */
  setInitializer(value: Value, tensor: Tensor | SparseTensor | null): void {
    const data = this.ownValue(value);
    if (data.producer !== null || (tensor === null && !data.isInput)) {
      throw new InvariantError(`"${value.name}" cannot take this initializer`);
    }
    data.initializer = tensor;
    if (tensor === null) data.graph.initializers.delete(data);
    else data.graph.initializers.add(data);
    if (tensor !== null && !data.isInput) data.type = tensorType(tensor.dtype, tensor.dims);
    this.revision += 1;
  }

  eraseInitializer(value: Value): void {
    const data = this.ownValue(value);
    if (data.initializer === null || data.isInput) throw new InvariantError(`"${value.name}" is no plain initializer`);
    this.requireUnused(data);
    this.forgetValue(data);
    this.revision += 1;
  }

  /** A new output of a graph; its name is taken as it is and must be new among the graph's outputs. */
  addOutput(
    graph: Graph,
    value: Value,
    name: string = value.name,
    type: ValueType | undefined = value.type,
  ): OutputSlot {
    const data = this.ownGraph(graph);
    const source = valueData(value);
    this.requireReadable(source, data);
    const wanted = name || source.name;
    if (!this.keepNames && wanted !== '' && data.outputs.some((output) => output.name === wanted)) {
      throw new InvariantError(`graph "${graph.name}" has an output "${wanted}" already`);
    }
    this.orderBefore(source, [data.owner]);
    this.admitConstant(source);
    const slot = new OutputData(data, source);
    slot.name = name || source.name;
    slot.type = type;
    data.outputs.push(slot);
    this.claimName(data.model, slot.name);
    source.uses.add(slot.use);
    this.revision += 1;
    return slot;
  }

  removeOutput(slot: OutputSlot): void {
    const data = outputData(slot);
    const at = data.graph.outputs.indexOf(data);
    if (at < 0) throw new InvariantError(`output "${slot.name}" is not in its graph`);
    data.graph.outputs.splice(at, 1);
    data.value.uses.delete(data.use);
    this.releaseName(data.graph.model, data.name);
    this.revision += 1;
  }

  /** Feeds an output from another value; its name and type stay. */
  setOutputValue(slot: OutputSlot, value: Value): void {
    const data = outputData(slot);
    const source = valueData(value);
    const graph = this.ownGraph(data.graph);
    if (!graph.outputs.includes(data)) throw new InvariantError(`output "${slot.name}" is not in its graph`);
    this.requireReadable(source, graph);
    if (data.value === source) return;
    this.orderBefore(source, [graph.owner]);
    this.admitConstant(source);
    data.value.uses.delete(data.use);
    data.value = source;
    source.uses.add(data.use);
    this.revision += 1;
  }

  setOutputType(slot: OutputSlot, type: ValueType | undefined): void {
    const data = outputData(slot);
    if (data.type === type) return;
    data.type = type;
    this.revision += 1;
  }
}
