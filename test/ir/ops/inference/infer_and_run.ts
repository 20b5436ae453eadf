import { ortRunner } from '../../../../src/backends/ort/run.js';
import type { Attribute } from '../../../../src/ir/attribute.js';
import { evaluate, symbol } from '../../../../src/ir/dim.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Node } from '../../../../src/ir/graph.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import type { Tensor } from '../../../../src/ir/tensor.js';
import { formatType, tensorType, type ValueType } from '../../../../src/ir/value_type.js';
import type { Size } from './infer_one.js';

/** A tensor that the model is given as an input, with its axes under these names; or one that it holds as a constant. */
export type RunInput = readonly [sizes: readonly Size[], tensor: Tensor] | Tensor | null;

export type InferredAndRun = {
  /** As `formatType` writes them. */
  readonly types: readonly string[];
  /** One line an output whose inferred type is not that of the tensor that ONNX Runtime computed. */
  readonly wrong: readonly string[];
};

/**
 * What is inferred of one com.microsoft operator with symbolic sizes, held against what ONNX Runtime computes for the
 * given tensors. Output types are declared by `declared` only where the runtime's own schema gives none.
 */
export async function inferAndRun(
  opType: string,
  given: readonly RunInput[],
  options: {
    readonly attributes?: readonly Attribute[];
    readonly outputs?: number;
    readonly declared?: readonly ValueType[];
    /** Gives the node what needs it, such as subgraphs. */
    readonly prepare?: (node: Node, editor: Editor) => void;
  } = {},
): Promise<InferredAndRun> {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport('', 21);
  editor.setOpsetImport('com.microsoft', 1);
  editor.setGraphName(graph, 'one operator');
  const feeds = new Map<string, Tensor>();
  const bindings = new Map<string, number>();
  const inputs = given.map((each, index) => {
    if (each === null) return null;
    if ('kind' in each) return editor.addInitializer(graph, each, `c${index}`);
    const [sizes, tensor] = each;
    feeds.set(`x${index}`, tensor);
    const dims = sizes.map((size, axis) => {
      if (typeof size !== 'string') return size ?? undefined;
      bindings.set(size, tensor.dims[axis]!);
      return symbol(size);
    });
    return editor.addInput(graph, `x${index}`, tensorType(tensor.dtype, dims));
  });
  const { attributes = [], outputs = 1, declared, prepare } = options;
  const node = editor.insertNode({ graph, domain: 'com.microsoft', opType, inputs, attributes, outputs });
  prepare?.(node, editor);
  for (const [index, output] of node.outputs.entries())
    editor.addOutput(graph, output!, `y${index}`, declared?.[index]);
  const inference = new Inference(editor.model);
  const types = node.outputs.map((output) => inference.typeOf(output!));
  const session = await ortRunner()(editor.model, { optimize: false });
  try {
    const results = await session.run(feeds);
    const wrong = types.flatMap((type, index) => {
      const tensor = results.get(`y${index}`);
      return tensor !== undefined && canBe(type, tensor, bindings)
        ? []
        : [`output ${index}: inferred ${formatType(type)}, computed ${tensor?.dtype}[${tensor?.dims.join(', ')}]`];
    });
    return { types: types.map(formatType), wrong };
  } finally {
    await session.close();
  }
}

function canBe(type: ValueType | undefined, { dtype, dims }: Tensor, bindings: ReadonlyMap<string, number>): boolean {
  if (type === undefined) return true;
  if (type.kind !== 'tensor' || (type.dtype ?? dtype) !== dtype) return false;
  if (type.shape === undefined) return true;
  if (type.shape.length !== dims.length) return false;
  return type.shape.every((dim, axis) => dim === undefined || evaluate(dim, bindings) === dims[axis]);
}
