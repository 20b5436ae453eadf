import type { Node, Value } from '../../ir/graph.js';

/** Values that are looked at on the way back from a sum; branches of real networks are shorter. */
const farthest = 400;

/**
 * Which input of a sum of two branches (0 or 1) is the skip, the one read in 8 bits; the other ends in the layer that
 * the sum becomes part of. undefined where neither ends in one. `endsInLayer` says so of each input.
 *
 * Where both do, the branch with more convolutions since they parted ends in it. Of two as long, the later one does.
 */
export function skipOf(
  inputs: readonly [Value, Value],
  endsInLayer: readonly [boolean, boolean],
  isLayer: (node: Node) => boolean,
): 0 | 1 | undefined {
  if (!endsInLayer[0] && !endsInLayer[1]) return undefined;
  if (!endsInLayer[0]) return 0;
  if (!endsInLayer[1]) return 1;
  const [a, b] = [layersBack(inputs[0], isLayer), layersBack(inputs[1], isLayer)];
  let ancestor: Value | undefined;
  for (const value of a.keys()) {
    if (b.has(value) && (ancestor === undefined || position(value) > position(ancestor))) ancestor = value;
  }
  const lengths = ancestor === undefined ? [0, 0] : [a.get(ancestor)!, b.get(ancestor)!];
  if (lengths[0] !== lengths[1]) return lengths[0]! > lengths[1]! ? 1 : 0;
  return position(inputs[0]) > position(inputs[1]) ? 1 : 0;
}

const position = (value: Value): number => value.producer?.order ?? Number.NEGATIVE_INFINITY;

/** The values that a value is computed from, each with the most layers on a way from it. */
function layersBack(value: Value, isLayer: (node: Node) => boolean): Map<Value, number> {
  const counts = new Map<Value, number>([[value, 0]]);
  const pending = [value];
  // Latest first: all ways to a value are known when it is looked at.
  while (pending.length > 0 && counts.size < farthest) {
    let at = 0;
    for (let index = 1; index < pending.length; index += 1) {
      if (position(pending[index]!) > position(pending[at]!)) at = index;
    }
    const [next] = pending.splice(at, 1);
    const { producer } = next!;
    if (producer === null) continue;
    const count = counts.get(next!)! + (isLayer(producer) ? 1 : 0);
    for (const input of producer.inputs) {
      if (input === null || (input.producer === null && !input.isInput)) continue;
      const known = counts.get(input);
      if (known === undefined) pending.push(input);
      counts.set(input, Math.max(known ?? 0, count));
    }
  }
  return counts;
}
