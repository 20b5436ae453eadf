import { cloneModel } from './ir/clone.js';
import type { Model } from './ir/graph.js';
import { loadModel, type SavedFiles, type SaveOptions, saveModel } from './ir/onnx/files.js';
import { declareInferredTypes, type TypeDeclaration } from './passes/annotate/declare_inferred_types.js';

export type InferTypesOptions = {
  /** A file, or a model, which stays as it is. */
  readonly model: string | Model;
  /** Where the result is written; nothing is without it. */
  readonly output?: string;
  /** Writes nothing where anything is found to contradict. */
  readonly strict?: boolean;
  readonly save?: SaveOptions;
};

export type InferTypesResult = TypeDeclaration & {
  /** With the types of all node results and outputs stated, as far as they are certain. */
  readonly model: Model;
  readonly files?: SavedFiles;
};

/**
 * Infers the types and shapes of all values, without running the model, and states them in value_info and outputs.
 * @throws DiagnosticError `load/…`, `save/…`.
 */
export function inferTypes(options: InferTypesOptions): InferTypesResult {
  const original = typeof options.model === 'string' ? loadModel(options.model) : options.model;
  const model = cloneModel(original);
  const declaration = declareInferredTypes(model);
  const writes = options.output !== undefined && !(options.strict && declaration.diagnostics.length > 0);
  return { ...declaration, model, ...(writes && { files: saveModel(model, options.output, options.save) }) };
}
