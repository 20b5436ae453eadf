import type { Value } from '../../ir/graph.js';

/** Values that have one scale, as sets that grow together. */
export class ScaleGroups {
  private readonly parents = new Map<Value, Value>();

  /** The value that stands for the group of `value`. */
  root(value: Value): Value {
    let root = value;
    for (let parent = this.parents.get(root); parent !== undefined; parent = this.parents.get(root)) root = parent;
    return root;
  }

  /** Puts two values into one group, for which the root of `first` stands. */
  unite(first: Value, second: Value): void {
    const [a, b] = [this.root(first), this.root(second)];
    if (a !== b) this.parents.set(b, a);
  }
}
