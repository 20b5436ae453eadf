import { type Attribute, intAttribute, intsAttribute } from '../../ir/attribute.js';
import type { Editor } from '../../ir/editor.js';
import { type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { int64Tensor, type SparseTensor, type Tensor } from '../../ir/tensor.js';

const firstWithAxesAsInput = 13;

/** Writes nodes and constants before `before`, in the form that the opset there has. */
export class GraphWriter {
  private readonly editor: Editor;
  private readonly before: Node;
  private readonly rule: string;

  constructor(editor: Editor, before: Node, rule: string) {
    this.editor = editor;
    this.before = before;
    this.rule = rule;
  }

  /** An initializer; in a function, which has none, a Constant node. */
  constant(tensor: Tensor | SparseTensor, name: string): Value {
    const { graph } = this.before;
    if (graph.ownerFunction === null) {
      return this.editor.addInitializer(graph, tensor, this.editor.generatedName(name));
    }
    return this.node(
      'Constant',
      [],
      [
        tensor.kind === 'sparse'
          ? { name: 'sparse_value', kind: 'sparse', value: tensor }
          : { name: 'value', kind: 'tensor', value: tensor },
      ],
      name,
    );
  }

  /** Element `at` along `axis`, which goes away. */
  pick(value: Value, axis: number, at: number): Value {
    return this.node('Gather', [value, this.constant(int64Tensor([at], []), 'at')], [intAttribute('axis', axis)]);
  }

  unsqueeze(value: Value, axis: number): Value {
    const opset = opsetVersion(this.before.graph, '') ?? 1;
    return opset < firstWithAxesAsInput
      ? this.node('Unsqueeze', [value], [intsAttribute('axes', [axis])])
      : this.node('Unsqueeze', [value, this.constant(int64Tensor([axis]), 'axes')]);
  }

  concat(values: readonly Value[], axis: number): Value {
    return this.node('Concat', values, [intAttribute('axis', axis)]);
  }

  private node(opType: string, inputs: readonly Value[], attributes: readonly Attribute[] = [], name = ''): Value {
    const { before, rule } = this;
    const spec = { graph: before.graph, opType, inputs, outputs: [{ name }], attributes, provenance: [rule] };
    return this.editor.insertNode(spec, before).outputs[0]!;
  }
}
