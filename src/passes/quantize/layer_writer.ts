import type { Attribute } from '../../ir/attribute.js';
import type { Editor } from '../../ir/editor.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import type { Tensor } from '../../ir/tensor.js';

type OpOptions = { readonly domain?: string; readonly attributes?: readonly Attribute[]; readonly outputs?: number };

/** Puts nodes in the place of a layer, or constants in the place of its weights, under names made from theirs. */
export class LayerWriter {
  private readonly editor: Editor;
  private readonly pass: string;
  private readonly graph: Graph;
  private readonly before: Node | null;
  private readonly base: string;

  /** New nodes stand in front of `before`, or last; `base` begins their names. */
  constructor(editor: Editor, pass: string, graph: Graph, before: Node | null, base: string) {
    this.editor = editor;
    this.pass = pass;
    this.graph = graph;
    this.before = before;
    this.base = base;
  }

  static at(editor: Editor, pass: string, node: Node): LayerWriter {
    return new LayerWriter(editor, pass, node.graph, node, node.outputs[0]!.name);
  }

  op(opType: string, inputs: readonly (Value | null)[], options: OpOptions = {}): Value {
    return this.ops(opType, inputs, options)[0]!;
  }

  ops(opType: string, inputs: readonly (Value | null)[], options: OpOptions = {}): readonly Value[] {
    const { domain = '', attributes = [], outputs = 1 } = options;
    if (domain !== '') this.editor.setOpsetImport(domain, 1);
    const node = this.editor.insertNode(
      {
        graph: this.graph,
        domain,
        opType,
        inputs,
        outputs: Array.from({ length: outputs }, () => ({ name: `${this.base}_${opType}` })),
        attributes,
        provenance: [this.pass],
      },
      this.before,
    );
    this.editor.setNodeName(node, `${node.outputs[0]!.name}/${opType}`);
    return node.outputs.map((output) => output!);
  }

  constant(name: string, tensor: Tensor): Value {
    return this.editor.addInitializer(this.graph, tensor, name);
  }

  /** Hands the readers of a node's only output over and takes the node out. */
  replace(node: Node, result: Value): void {
    this.replaceAll(node, [result]);
  }

  /** The same for a node of several outputs, some of which may be left out. */
  replaceAll(node: Node, results: readonly Value[]): void {
    for (const [index, output] of node.outputs.entries()) {
      if (output === null) continue;
      this.editor.setType(results[index]!, output.type);
      this.editor.replaceAllUses(output, results[index]!);
    }
    this.editor.eraseNode(node);
  }
}
