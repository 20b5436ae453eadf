/** What is predicted of a layer. */
export type LayerNoise = {
  /** Of each output, the error's share that the layer causes alone. */
  readonly noise: readonly number[];
  /** What leaving it in float costs. */
  readonly cost: number;
};

/**
 * The layers to leave in float so that no output has more noise than allowed, if the noise of layers adds up: greedily
 * what takes away most of the excess for its cost, then without what turns out to be dispensable, the dearest first.
 * All layers where that is not enough.
 * @returns positions in `layers`.
 */
export function chooseFloats(layers: readonly LayerNoise[], allowed: readonly number[]): Set<number> {
  const chosen = new Set<number>();
  while (chosen.size < layers.length) {
    const excess = excessOf(layers, chosen, allowed);
    if (excess.every((each) => each <= 0)) break;
    let best = -1;
    let bestGain = -1;
    for (const [index, { noise, cost }] of layers.entries()) {
      if (chosen.has(index)) continue;
      const gain = noise.reduce((sum, each, output) => sum + share(each, excess[output]!, allowed[output]!), 0) / cost;
      if (gain > bestGain) [best, bestGain] = [index, gain];
    }
    chosen.add(best);
  }
  for (const index of [...chosen].sort((a, b) => layers[b]!.cost - layers[a]!.cost || a - b)) {
    chosen.delete(index);
    if (excessOf(layers, chosen, allowed).some((each) => each > 0)) chosen.add(index);
  }
  return chosen;
}

/** How much of the excess of an output goes with a layer's noise, in units of what is allowed. */
const share = (noise: number, excess: number, allowed: number): number =>
  excess <= 0 ? 0 : Math.min(noise, excess) / allowed;

/** Of each output, by how much the noise of the layers on 8 bits is over what is allowed. */
function excessOf(layers: readonly LayerNoise[], floats: ReadonlySet<number>, allowed: readonly number[]): number[] {
  return allowed.map((most, output) => {
    let sum = 0;
    for (const [index, { noise }] of layers.entries()) if (!floats.has(index)) sum += noise[output]!;
    return sum - most;
  });
}
