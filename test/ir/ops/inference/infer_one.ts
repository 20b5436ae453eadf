import type { Attribute } from '../../../../src/ir/attribute.js';
import type { DataType } from '../../../../src/ir/data_type.js';
import { type Expr, formatDim, symbol } from '../../../../src/ir/dim.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Node, Value } from '../../../../src/ir/graph.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { operatorSchema } from '../../../../src/ir/ops/operator_schema.js';
import type { Tensor } from '../../../../src/ir/tensor.js';
import { formatType, tensorType, type ValueType } from '../../../../src/ir/value_type.js';

/** A size, the name of a symbol, or null for one that nobody knows. */
export type Size = number | string | null;

/** A tensor type; without `sizes` of unknown rank. */
export const typed = (dtype: DataType, sizes?: readonly Size[]): ValueType =>
  tensorType(
    dtype,
    sizes?.map((size) => (typeof size === 'string' ? symbol(size) : (size ?? undefined))),
  );

/** An input: a type, a constant, something of no known type, or an optional one left out. */
export type Given = ValueType | Tensor | 'untyped' | null;

export type OperatorOptions = {
  readonly domain?: string;
  readonly opset?: number;
  readonly outputs?: number;
  readonly attributes?: readonly Attribute[];
  /** Gives the node what needs it, such as subgraphs. */
  readonly prepare?: (node: Node, editor: Editor, inputs: readonly (Value | null)[]) => void;
};

export type Inferred = {
  /** As `formatType` writes them. */
  readonly types: readonly string[];
  /** The elements, '?' where unknown; undefined where the content of an output is. */
  readonly contents: readonly (string | undefined)[];
  readonly codes: readonly string[];
  readonly messages: readonly string[];
};

/**
 * What is inferred of one operator in a model of its own. Needed inputs that are not given are there, of no known type:
 * a test names what its rule looks at.
 */
export function inferOne(opType: string, given: readonly Given[], options: OperatorOptions = {}): Inferred {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport('', options.opset ?? 25);
  if (options.domain !== undefined) editor.setOpsetImport(options.domain, options.opset ?? 1);
  const inputs = given.map((each, index) => {
    if (each === null) return null;
    if (each === 'untyped') return editor.addInput(graph, `x${index}`, undefined);
    return each.kind === 'dense'
      ? editor.addInitializer(graph, each, `x${index}`)
      : editor.addInput(graph, `x${index}`, each);
  });
  const schema = operatorSchema(options.domain ?? '', opType, options.opset ?? (options.domain === undefined ? 25 : 1));
  for (let index = inputs.length; index < (schema?.minInputs ?? 0); index += 1) {
    const isNeeded = schema?.inputs[Math.min(index, schema.inputs.length - 1)]?.option !== 'optional';
    inputs.push(isNeeded ? editor.addInput(graph, `needed${index}`, undefined) : null);
  }
  const node = editor.insertNode({
    graph,
    opType,
    inputs,
    outputs: Math.max(options.outputs ?? 1, schema?.minOutputs ?? 1),
    domain: options.domain ?? '',
    attributes: options.attributes ?? [],
  });
  options.prepare?.(node, editor, inputs);
  const inference = new Inference(editor.model);
  const outputs = node.outputs.slice(0, options.outputs ?? 1);
  const elementText = (element: Expr | undefined) => (element === undefined ? '?' : formatDim(element));
  return {
    types: outputs.map((output) => formatType(inference.typeOf(output!))),
    contents: outputs.map((output) => inference.contentOf(output!)?.elements.map(elementText).join(', ')),
    codes: inference.diagnostics.map(({ code }) => code),
    messages: inference.diagnostics.map(({ message }) => message),
  };
}
