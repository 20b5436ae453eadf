import type { Value } from './graph.js';

/**
 * Whether a caller can feed something else than the initializer: it is a graph input too, in a model of IR version 4
 * or later. Before, every initializer had to be listed as an input and none could be overridden (ONNX Runtime reads
 * those models so).
 */
export const isOverridable = (value: Value): boolean =>
  value.isInput && value.initializer !== null && value.graph.model.irVersion >= 4;
