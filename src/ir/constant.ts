import { getFloat, getFloats, getTensor } from './attribute.js';
import type { Node, Value } from './graph.js';
import { isOverridable } from './overridable.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromStrings } from './tensor.js';

/**
 * The tensor a value always has: a dense initializer that is not also a graph input (those can be overridden by the
 * caller), or the output of a Constant node. undefined where there is none.
 */
export function constantTensor(value: Value | null | undefined): Tensor | undefined {
  if (value === null || value === undefined) return undefined;
  if (value.initializer !== null) {
    return isOverridable(value) || value.initializer.kind === 'sparse' ? undefined : value.initializer;
  }
  return value.producer === null ? undefined : constantNodeTensor(value.producer);
}

/** What a Constant node holds, in whichever attribute; undefined for other nodes and for sparse values. */
export function constantNodeTensor(node: Node): Tensor | undefined {
  if (node.opType !== 'Constant' || (node.domain !== '' && node.domain !== 'ai.onnx')) return undefined;
  const tensor = getTensor(node, 'value');
  if (tensor !== undefined) return tensor;
  const float = getFloat(node, 'value_float', undefined);
  if (float !== undefined) return floatTensor([float], []);
  const floats = getFloats(node, 'value_floats', undefined);
  if (floats !== undefined) return floatTensor(floats);
  const int = node.attributes.get('value_int');
  if (int?.kind === 'int') return int64Tensor([int.value], []);
  const ints = node.attributes.get('value_ints');
  if (ints?.kind === 'ints') return int64Tensor(ints.value);
  const text = node.attributes.get('value_string');
  if (text?.kind === 'string') return tensorFromStrings([], [text.value]);
  const texts = node.attributes.get('value_strings');
  if (texts?.kind === 'strings') return tensorFromStrings([texts.value.length], texts.value);
  return undefined;
}
