import type { EntryProto, GraphProto, ModelProto } from './messages.js';

/**
 * Names that parts kept without understanding refer to: quantization annotations and training information. Values of
 * these names are neither erased nor renamed.
 */
export function pinnedNames(model: ModelProto): ReadonlySet<string> {
  const names = new Set<string>();
  const addEntries = (entries: readonly EntryProto[] | undefined) => {
    for (const { key, value } of entries ?? []) {
      names.add(key ?? '');
      names.add(value ?? '');
    }
  };
  const addAnnotations = (graph: GraphProto | undefined) => {
    for (const annotation of graph?.quantization_annotation ?? []) {
      names.add(annotation.tensor_name ?? '');
      for (const { value } of annotation.quant_parameter_tensor_names ?? []) names.add(value ?? '');
    }
  };
  addAnnotations(model.graph);
  for (const info of model.training_info ?? []) {
    addEntries(info.initialization_binding);
    addEntries(info.update_binding);
    for (const graph of [info.initialization, info.algorithm]) {
      for (const node of graph?.node ?? []) for (const name of node.input ?? []) names.add(name);
      for (const output of graph?.output ?? []) names.add(output.name ?? '');
    }
  }
  names.delete('');
  return names;
}
