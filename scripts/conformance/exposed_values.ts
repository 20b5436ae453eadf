import { graphsOf } from '../../src/ir/attribute.js';
import { dataTypeCode } from '../../src/ir/data_type.js';
import type { Graph, Node, Value } from '../../src/ir/graph.js';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from '../../src/ir/onnx/messages.js';
import { decodeMessage, encodeMessage } from '../../src/ir/onnx/schema.js';
import type { Inference } from '../../src/ir/ops/inference/inference.js';

/** The dimensions of what stands for a value of the branch that was not taken; no model has them. */
const absentDims = [7, 0, 13] as const;

export const isAbsent = (dims: readonly number[]): boolean => String(dims) === String(absentDims);

export type ExposedModel = {
  readonly bytes: Uint8Array;
  /** What each output of the exposed model shows: a value of the main graph, or of a branch of an If. */
  readonly values: ReadonlyMap<string, Value>;
};

/**
 * The file with every intermediate tensor as an output: those of the main graph, and through further outputs of each If
 * those of its branches.
 */
export function exposeValues(
  file: Uint8Array,
  inference: Inference,
  isWanted: (value: Value) => boolean,
): ExposedModel {
  const model = decodeMessage<ModelProto>('ModelProto', file);
  const exposed = exposeGraph(model.graph!, inference.model.graph, { inference, isWanted, count: 0 });
  const outputs = new Set((model.graph!.output ?? []).map(({ name }) => name));
  model.graph!.output = [
    ...(model.graph!.output ?? []),
    ...exposed.filter(({ name }) => !outputs.has(name)).map(({ name, value }) => outputInfo(name, value, inference)),
  ];
  return {
    bytes: encodeMessage('ModelProto', model),
    values: new Map(exposed.map(({ name, value }) => [name, value])),
  };
}

type State = { readonly inference: Inference; readonly isWanted: (value: Value) => boolean; count: number };

/** A value and its name in the graph at hand. */
type Exposed = { readonly name: string; readonly value: Value };

function exposeGraph(message: GraphProto, graph: Graph, state: State): Exposed[] {
  return (message.node ?? []).flatMap((node) => {
    const names = (node.output ?? []).filter((name) => name !== '');
    const known = names[0] === undefined ? undefined : graph.values.get(names[0])?.producer;
    const own = names.flatMap((name): Exposed[] => {
      const value = graph.values.get(name);
      return value !== undefined && state.isWanted(value) ? [{ name, value }] : [];
    });
    const isIf = node.op_type === 'If' && (node.domain ?? '') === '';
    return isIf && known != null ? [...own, ...exposeBranches(node, known, state)] : own;
  });
}

function exposeBranches(message: NodeProto, node: Node, state: State): Exposed[] {
  const branches = ['then_branch', 'else_branch'].map((name) => {
    const attribute = message.attribute?.find((each: AttributeProto) => each.name === name);
    const [graph] = graphsOf(node.attributes.get(name)!);
    return { message: attribute!.g!, exposed: exposeGraph(attribute!.g!, graph!, state) };
  });
  return branches.flatMap(({ message: branch, exposed }, position) => {
    const other = branches[1 - position]!.message;
    return exposed.map(({ name, value }) => {
      state.count += 1;
      const outer = `exposed_${state.count}`;
      const absent = absentNode(`${outer}_absent`, value, state.inference);
      // An inner If gives nothing to readers beside an output of its own graph; a copy of it is no such output.
      branch.node = [...(branch.node ?? []), { op_type: 'Identity', input: [name], output: [`${outer}_copy`] }];
      branch.output = [...(branch.output ?? []), outputInfo(`${outer}_copy`, value, state.inference)];
      other.node = [...(other.node ?? []), absent];
      other.output = [...(other.output ?? []), outputInfo(`${outer}_absent`, value, state.inference)];
      message.output = [...(message.output ?? []), outer];
      return { name: outer, value };
    });
  });
}

function elementType(value: Value, inference: Inference): number {
  const type = inference.typeOf(value);
  return type?.kind === 'tensor' && type.dtype !== undefined ? dataTypeCode(type.dtype) : 0;
}

const outputInfo = (name: string, value: Value, inference: Inference): ValueInfoProto => ({
  name,
  type: { tensor_type: { elem_type: elementType(value, inference) } },
});

const absentNode = (name: string, value: Value, inference: Inference): NodeProto => ({
  op_type: 'Constant',
  output: [name],
  attribute: [
    {
      name: 'value',
      type: 4,
      t: { dims: [...absentDims], data_type: elementType(value, inference), raw_data: new Uint8Array(0) },
    },
  ],
});
