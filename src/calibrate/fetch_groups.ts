import { dataTypeBits } from '../ir/data_type.js';
import { evaluate } from '../ir/dim.js';
import type { Value } from '../ir/graph.js';
import type { Inference } from '../ir/ops/inference/inference.js';
import type { Shape } from '../ir/value_type.js';
import { plainSymbol } from './sources/check_feeds.js';
import type { Feeds } from './sources/source.js';

/** Values that are fetched from one run. */
export type FetchGroup = readonly string[];

/**
 * Cuts the values that a sample has to give into groups of at most `limit` bytes, each fetched by a run of its own.
 * Sizes follow from the shapes of the sample; where they do not, from the largest seen so far, and a value of which
 * nothing is known yet is fetched alone.
 */
export class FetchPlanner {
  private readonly inputs: readonly Value[];
  private readonly shapes: ReadonlyMap<string, { readonly shape: Shape | undefined; readonly bytes: number }>;
  private readonly seen = new Map<string, number>();
  private readonly limit: number;

  constructor(inputs: readonly Value[], values: readonly Value[], inference: Inference, limit: number) {
    this.inputs = inputs;
    this.limit = limit;
    this.shapes = new Map(
      values.map((value) => {
        const type = inference.typeOf(value);
        const bits = type?.kind === 'tensor' && type.dtype !== undefined ? dataTypeBits(type.dtype) : 64;
        return [value.name, { shape: inference.shapeOf(value), bytes: bits / 8 }];
      }),
    );
  }

  groups(feeds: Feeds): readonly FetchGroup[] {
    const sizes = this.sizesOf(feeds);
    const groups: string[][] = [];
    let room = 0;
    for (const [name, { shape, bytes }] of this.shapes) {
      const count = elementsOf(shape, sizes);
      const need = (count === undefined ? this.seen.get(name) : count * bytes) ?? this.limit;
      if (groups.length === 0 || need > room) {
        groups.push([]);
        room = this.limit;
      }
      groups.at(-1)!.push(name);
      room -= need;
    }
    return groups;
  }

  saw(name: string, bytes: number): void {
    this.seen.set(name, Math.max(bytes, this.seen.get(name) ?? 0));
  }

  private sizesOf(feeds: Feeds): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const { name, type } of this.inputs) {
      if (type?.kind !== 'tensor') continue;
      const dims = feeds.get(name)?.dims;
      for (const [axis, dim] of (type.shape ?? []).entries()) {
        const text = dim === undefined || typeof dim === 'number' ? undefined : plainSymbol(dim);
        const size = dims?.[axis];
        if (text !== undefined && size !== undefined) sizes.set(text, size);
      }
    }
    return sizes;
  }
}

function elementsOf(shape: Shape | undefined, sizes: ReadonlyMap<string, number>): number | undefined {
  let count: number | undefined = shape === undefined ? undefined : 1;
  for (const dim of shape ?? []) {
    const size = typeof dim === 'number' ? dim : dim === undefined ? undefined : evaluate(dim, sizes);
    count = size === undefined || count === undefined ? undefined : count * Number(size);
  }
  return count;
}
