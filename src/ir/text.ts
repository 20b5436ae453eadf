import type { Attribute } from './attribute.js';
import { graphsOf } from './attribute.js';
import type { Graph, Model, Node, Value } from './graph.js';
import { type SparseTensor, type Tensor, tensorIntegers } from './tensor.js';
import { formatType } from './value_type.js';

export type TextOptions = {
  /** Nodes of one graph shown at most; the rest is counted. */
  readonly maxNodes?: number;
};

/** Elements of a list or constant that are spelled out. */
const shownElements = 8;

/** The model for people to read: a line a node, subgraphs indented. The same model gives the same text. */
export function formatModel(model: Model, options: TextOptions = {}): string {
  const opsets = [...model.opsetImports].map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`);
  const producer = [model.producerName, model.producerVersion].filter(Boolean).join(' ');
  const lines = [
    `model, IR version ${model.irVersion}, opset ${opsets.join(', ')}${producer ? `, by ${producer}` : ''}`,
  ];
  writeGraph(model.graph, '', options, lines);
  for (const fn of model.functions.values()) {
    lines.push('', `function ${fn.domain}:${fn.name}${fn.overload && `:${fn.overload}`}`);
    writeGraph(fn.graph, '', options, lines);
  }
  return lines.join('\n');
}

export function formatGraph(graph: Graph, options: TextOptions = {}): string {
  const lines: string[] = [];
  writeGraph(graph, '', options, lines);
  return lines.join('\n');
}

function writeGraph(graph: Graph, indent: string, options: TextOptions, lines: string[]): void {
  const typed = (value: Value) => `${valueName(value)}: ${formatType(value.type)}`;
  lines.push(`${indent}graph ${quoted(graph.name)}(${graph.inputs.map(typed).join(', ')}) {`);
  let shown = 0;
  for (const node of graph.nodes) {
    if (shown === (options.maxNodes ?? Number.POSITIVE_INFINITY)) {
      lines.push(`${indent}  … ${graph.nodes.size - shown} more nodes`);
      break;
    }
    shown += 1;
    lines.push(`${indent}  ${formatNode(node)}`);
    for (const attribute of node.attributes.values()) {
      for (const body of graphsOf(attribute)) {
        lines.push(`${indent}    ${attribute.name} =`);
        writeGraph(body, `${indent}    `, options, lines);
      }
    }
  }
  const outputs = graph.outputs.map(({ name, type, value }) =>
    value.name === name
      ? `${valueName(value)}: ${formatType(type)}`
      : `${quoted(name)} = ${valueName(value)}: ${formatType(type)}`,
  );
  lines.push(`${indent}  return ${outputs.join(', ')}`, `${indent}}`);
}

/** One line: `%y: float[N, 10] = Gemm(%x, %w: float[10, 64] constant) {transB=1} // name` */
export function formatNode(node: Node): string {
  const outputs = node.outputs.map((output) =>
    output === null ? '_' : `${valueName(output)}: ${formatType(output.type)}`,
  );
  const inputs = node.inputs.map((input) => (input === null ? '_' : formatInput(input)));
  const attributes = [...node.attributes.values()]
    .filter((attribute) => graphsOf(attribute).length === 0)
    .map(formatAttribute);
  const operator = node.domain === '' || node.domain === 'ai.onnx' ? node.opType : `${node.domain}:${node.opType}`;
  return [
    `${outputs.join(', ')} = ${operator}(${inputs.join(', ')})`,
    ...(attributes.length > 0 ? [`{${attributes.join(', ')}}`] : []),
    ...(node.name === '' ? [] : [`// ${node.name}`]),
    ...(node.provenance.length === 0 ? [] : [`(${node.provenance.join(', ')})`]),
  ].join(' ');
}

function formatInput(value: Value): string {
  if (value.initializer === null) return valueName(value);
  return `${valueName(value)}: ${formatConstant(value.initializer)}`;
}

function formatConstant(tensor: Tensor | SparseTensor): string {
  const type = `${tensor.dtype}[${tensor.dims.join(', ')}]`;
  const integers =
    tensor.kind === 'dense' && tensor.byteLength <= shownElements * 8 ? tensorIntegers(tensor) : undefined;
  return integers === undefined ? `${type} constant` : `${type} {${integers.join(', ')}}`;
}

function formatAttribute(attribute: Attribute): string {
  const { name } = attribute;
  switch (attribute.kind) {
    case 'float':
    case 'int':
      return `${name}=${attribute.value}`;
    case 'string':
      return `${name}=${JSON.stringify(new TextDecoder().decode(attribute.value))}`;
    case 'ints':
    case 'floats':
      return `${name}=[${elided(attribute.value.map(String))}]`;
    case 'strings':
      return `${name}=[${elided(attribute.value.map((text) => JSON.stringify(new TextDecoder().decode(text))))}]`;
    case 'tensor':
    case 'sparse':
      return `${name}=${formatConstant(attribute.value)}`;
    case 'type':
      return `${name}=${formatType(attribute.value)}`;
    case 'reference':
      return `${name}=@${attribute.value}`;
    case 'tensors':
    case 'sparses':
    case 'types':
    case 'graph':
    case 'graphs':
    case 'unknown':
      return `${name}=<${attribute.kind}>`;
  }
}

const elided = (items: readonly string[]): string =>
  items.length <= shownElements
    ? items.join(', ')
    : `${items.slice(0, shownElements).join(', ')}, … ${items.length} in all`;

const valueName = ({ name }: Value): string => `%${quoted(name)}`;

const quoted = (name: string): string => (/^[\w./:-]+$/.test(name) ? name : JSON.stringify(name));
