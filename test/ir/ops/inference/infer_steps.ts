import type { Attribute } from '../../../../src/ir/attribute.js';
import { formatDim } from '../../../../src/ir/dim.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Value } from '../../../../src/ir/graph.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import type { Tensor } from '../../../../src/ir/tensor.js';
import { formatType, type ValueType } from '../../../../src/ir/value_type.js';

/** One node with one output of this name; inputs are names of earlier values, constants, or null where left out. */
export type Step = readonly [
  name: string,
  opType: string,
  inputs: readonly (string | Tensor | null)[],
  attributes?: readonly Attribute[],
];

export type InferredSteps = {
  /** As `formatType` writes it. */
  readonly type: (name: string) => string;
  /** The elements, '?' where unknown; undefined where nothing is known of them. */
  readonly content: (name: string) => string | undefined;
  readonly codes: readonly string[];
};

/** What is inferred of a short computation, for what only shows once several operators work together. */
export function inferSteps(
  inputs: Readonly<Record<string, ValueType>>,
  steps: readonly Step[],
  opset = 21,
): InferredSteps {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setOpsetImport('', opset);
  const values = new Map<string, Value>();
  const valueNamed = (name: string): Value => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`no value "${name}"`);
    return value;
  };
  for (const [name, type] of Object.entries(inputs)) values.set(name, editor.addInput(graph, name, type));
  for (const [name, opType, given, attributes = []] of steps) {
    const operands = given.map((each) => {
      if (each === null) return null;
      return typeof each === 'string' ? valueNamed(each) : editor.addInitializer(graph, each, `${name}_constant`);
    });
    const node = editor.insertNode({ graph, opType, inputs: operands, outputs: [{ name }], attributes });
    values.set(name, node.outputs[0]!);
  }
  const inference = new Inference(editor.model);
  inference.inferAll();
  return {
    type: (name) => formatType(inference.typeOf(valueNamed(name))),
    content: (name) =>
      inference
        .contentOf(valueNamed(name))
        ?.elements.map((element) => (element === undefined ? '?' : formatDim(element)))
        .join(', '),
    codes: inference.diagnostics.map(({ code }) => code),
  };
}
