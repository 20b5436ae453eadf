import { type Attribute, graphsOf } from './attribute.js';
import { dataTypeKind } from './data_type.js';
import type { Graph, Model, ModelFunction, Node, OutputSlot, Value } from './graph.js';
import { isOverridable } from './overridable.js';
import { elementCount, type SparseTensor, type Tensor, tensorData, tensorIntegers } from './tensor.js';
import { formatType, type ValueType } from './value_type.js';

export type TextOptions = {
  /** Nodes of one graph shown at most; the rest is counted. All by default. */
  readonly maxNodes?: number;
  /** Whether values show their types; true by default. */
  readonly types?: boolean;
  /** Whether constants show their types, sizes and, where they are small, contents; true by default. */
  readonly constants?: boolean;
};

/** Elements of a list or constant that are spelled out. */
const shownElements = 8;

/** Characters of a string attribute that are spelled out. */
const shownCharacters = 60;

/** The model for people to read: a line a node, subgraphs indented. The same model gives the same text. */
export function formatModel(model: Model, options: TextOptions = {}): string {
  const producer = [model.producerName, model.producerVersion].filter(Boolean).map(quoted).join(' ');
  const header = [
    `IR version ${model.irVersion}`,
    `opset ${formatOpsets(model.opsetImports)}`,
    ...(model.domain ? [`domain ${quoted(model.domain)}`] : []),
    ...(model.modelVersion === 0n ? [] : [`version ${model.modelVersion}`]),
    ...(producer ? [`by ${producer}`] : []),
  ];
  const lines = [`model, ${header.join(', ')}`];
  writeGraph(model.graph, '', options, lines);
  for (const fn of model.functions.values()) {
    lines.push('', formatFunctionHeader(fn));
    writeGraph(fn.graph, '', options, lines);
  }
  return lines.join('\n');
}

/** One graph with what hangs below it. */
export function formatGraph(graph: Graph, options: TextOptions = {}): string {
  const lines: string[] = [];
  writeGraph(graph, '', options, lines);
  return lines.join('\n');
}

/** One line: `%y: float[N, 10] = Gemm(%x, %w: const float[10, 64] 2.5 KB) {transB=1} // name (rules that made it)` */
export function formatNode(node: Node, options: TextOptions = {}): string {
  const outputs = node.outputs.map((output) => (output === null ? '_' : typed(output, output.type, options)));
  const inputs = node.inputs.map((input) => (input === null ? '_' : formatInput(input, options)));
  const attributes = Array.from(node.attributes.values())
    .filter((attribute) => graphsOf(attribute).length === 0)
    .map((attribute) => `${quoted(attribute.name)}=${formatAttribute(attribute)}`);
  return [
    ...(outputs.length > 0 ? [`${elided(outputs)} =`] : []),
    `${operatorName(node)}(${elided(inputs)})`,
    ...(attributes.length > 0 ? [`{${attributes.join(', ')}}`] : []),
    ...(node.name === '' ? [] : [`// ${quoted(node.name)}`]),
    ...(node.provenance.length === 0 ? [] : [`(${node.provenance.join(', ')})`]),
  ].join(' ');
}

const formatOpsets = (imports: ReadonlyMap<string, number>): string =>
  Array.from(imports, ([domain, version]) => `${quoted(domain || 'ai.onnx')} ${version}`).join(', ') || 'none';

function formatFunctionHeader(fn: ModelFunction): string {
  const defaults = Array.from(fn.attributeDefaults, ([name, value]) => `${quoted(name)}=${formatAttribute(value)}`);
  const attributes = [...fn.attributeNames.map(quoted), ...defaults];
  const name = `${quoted(fn.domain)}:${quoted(fn.name)}${fn.overload && `:${quoted(fn.overload)}`}`;
  return [
    `function ${name}, opset ${formatOpsets(fn.opsetImports)}`,
    ...(attributes.length > 0 ? [`attributes {${attributes.join(', ')}}`] : []),
  ].join(', ');
}

function writeGraph(graph: Graph, indent: string, options: TextOptions, lines: string[]): void {
  const inputs = graph.inputs.map((input) => formatGraphInput(input, options));
  lines.push(`${indent}graph ${quoted(graph.name)}(${elided(inputs)}) {`);
  const constants = [...graph.initializers].filter((value) => !isOverridable(value));
  if (constants.length > 0 && options.constants !== false) {
    const bytes = constants.reduce((sum, { initializer }) => sum + initializer!.byteLength, 0);
    lines.push(`${indent}  // ${counted(constants.length, 'initializer')}, ${formatBytes(bytes)}`);
  }
  let shown = 0;
  for (const node of graph.nodes) {
    if (shown === options.maxNodes) {
      lines.push(`${indent}  … ${counted(graph.nodes.size - shown, 'more node')}`);
      break;
    }
    shown += 1;
    lines.push(`${indent}  ${formatNode(node, options)}`);
    for (const attribute of node.attributes.values()) {
      for (const body of graphsOf(attribute)) {
        lines.push(`${indent}    ${quoted(attribute.name)} =`);
        writeGraph(body, `${indent}    `, options, lines);
      }
    }
  }
  const outputs = graph.outputs.map((slot) => formatOutput(slot, options));
  if (outputs.length > 0) lines.push(`${indent}  return ${elided(outputs)}`);
  lines.push(`${indent}}`);
}

function formatGraphInput(input: Value, options: TextOptions): string {
  const text = typed(input, input.type, options);
  if (!isOverridable(input)) return text;
  return options.constants === false ? `${text} = default` : `${text} = default ${formatTensor(input.initializer!)}`;
}

function formatOutput({ name, type, value }: OutputSlot, options: TextOptions): string {
  const text = typed(value, type, options);
  return value.name === name ? text : `${quoted(name)} = ${text}`;
}

function formatInput(value: Value, { constants = true }: TextOptions): string {
  const { initializer } = value;
  if (!constants || initializer === null || isOverridable(value)) return valueName(value);
  return `${valueName(value)}: const ${formatTensor(initializer)}`;
}

const typed = (value: Value, type: ValueType | undefined, { types = true }: TextOptions): string =>
  types ? `${valueName(value)}: ${visible(formatType(type))}` : valueName(value);

const operatorName = ({ domain, opType, overload }: Node): string =>
  [...(domain === '' || domain === 'ai.onnx' ? [] : [domain]), opType, ...(overload ? [overload] : [])]
    .map(quoted)
    .join(':');

/** Type and contents where they are few and in memory; else type and size. Nothing is read from data files. */
function formatTensor(tensor: Tensor | SparseTensor): string {
  const type = `${tensor.kind === 'sparse' ? 'sparse ' : ''}${tensor.dtype}[${tensor.dims.join(', ')}]`;
  const contents = tensor.kind === 'dense' ? smallContents(tensor) : undefined;
  return contents === undefined ? `${type} ${formatBytes(tensor.byteLength)}` : `${type} {${contents.join(', ')}}`;
}

function smallContents(tensor: Tensor): string[] | undefined {
  if (tensor.storage.kind !== 'memory' || elementCount(tensor.dims) > shownElements) return undefined;
  if (tensor.dtype === 'float') return Array.from(tensorData(tensor), formatFloat);
  if (tensor.dtype === 'double') return Array.from(tensorData(tensor), String);
  if (dataTypeKind(tensor.dtype) === 'string') return tensor.strings?.map(formatText);
  return tensorIntegers(tensor)?.map(String);
}

function formatAttribute(attribute: Attribute): string {
  switch (attribute.kind) {
    case 'float':
      return formatFloat(attribute.value);
    case 'int':
      return String(attribute.value);
    case 'string':
      return formatText(attribute.value);
    case 'tensor':
    case 'sparse':
      return formatTensor(attribute.value);
    case 'type':
      return visible(formatType(attribute.value));
    case 'floats':
      return `[${elided(attribute.value, formatFloat)}]`;
    case 'ints':
      return `[${elided(attribute.value, String)}]`;
    case 'strings':
      return `[${elided(attribute.value, formatText)}]`;
    case 'tensors':
    case 'sparses':
      return `[${elided(attribute.value, formatTensor)}]`;
    case 'types':
      return `[${elided(attribute.value, (type) => visible(formatType(type)))}]`;
    case 'reference':
      return `@${quoted(attribute.value)}`;
    case 'graph':
    case 'graphs':
    case 'unknown':
      return `<${attribute.kind}>`;
  }
}

/** The shortest decimal that is the same 32-bit float. */
function formatFloat(value: number | bigint): string {
  const float = Number(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return String(short);
  }
  return String(float);
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit += 1) size /= 1024;
  return `${unit === 0 || size >= 100 ? Math.round(size) : Number(size.toFixed(1))} ${units[unit]}`;
}

function formatText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 4 * shownCharacters));
  const shown = text.slice(0, shownCharacters);
  return shown === text ? escaped(text) : `${escaped(shown)}… ${bytes.byteLength} bytes`;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function elided<T>(items: readonly T[], format: (item: T) => string = String): string {
  const shown = items.slice(0, shownElements).map((item) => format(item));
  return items.length <= shownElements ? shown.join(', ') : `${shown.join(', ')}, … ${items.length} in all`;
}

const valueName = ({ name }: Value): string => `%${quoted(name)}`;

/** Names that people write as they are, others in quotes. */
const quoted = (name: string): string => (/^[\p{L}\p{M}\p{N}_./:-]+$/u.test(name) ? name : escaped(name));

const escaped = (text: string): string => visible(JSON.stringify(text));

/** Characters that move a cursor, hide or break the line are given by number. */
const visible = (text: string): string =>
  text.replaceAll(/(?! )[\p{C}\p{Z}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
