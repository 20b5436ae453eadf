import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import type { Tensor } from '../../ir/tensor.js';

export type Constant = { readonly value: Value; readonly tensor: Tensor };

export type Capture = Node | Value | Constant | null;

/** How far a pattern that did not match got: the most nodes it held at once, and what stopped it there. */
export type NearMiss = { readonly matched: number; readonly reason: string };

/**
 * One attempt to match a pattern: what is captured and which nodes are matched so far. Everything is taken back when an
 * alternative fails, so that the next one starts from where it branched off.
 */
export class MatchState {
  readonly inference: Inference;
  /** A `search` may capture anything; patterns capture `Capture`. */
  readonly bindings = new Map<string, unknown>();
  /** The root first; inner nodes as they were matched. */
  readonly nodes: Node[] = [];
  /** The node whose input is being matched. */
  reader: Node | undefined;
  private deepest = 0;
  private stopped: (() => string) | undefined;

  constructor(inference: Inference) {
    this.inference = inference;
  }

  /** Captures under a name and goes on; the same name twice has to mean the same. */
  bind(name: string, found: Capture, next: () => boolean): boolean {
    if (name === '') return next();
    const earlier = this.bindings.get(name);
    if (earlier !== undefined) return sameCapture(earlier, found) && next();
    this.bindings.set(name, found);
    if (next()) return true;
    this.bindings.delete(name);
    return false;
  }

  /** Holds a node as matched and goes on. */
  hold(node: Node, next: () => boolean): boolean {
    this.nodes.push(node);
    if (next()) return true;
    this.nodes.pop();
    return false;
  }

  /** Notes why the match ends here; always false. */
  miss(reason: () => string): false {
    if (this.nodes.length > this.deepest) {
      this.deepest = this.nodes.length;
      this.stopped = reason;
    }
    return false;
  }

  get nearMiss(): NearMiss | undefined {
    return this.stopped === undefined ? undefined : { matched: this.deepest, reason: this.stopped() };
  }
}

const sameCapture = (a: unknown, b: Capture): boolean =>
  a === b || (isConstant(a) && isConstant(b) && a.value === b.value);

const isConstant = (part: unknown): part is Constant => typeof part === 'object' && part !== null && 'tensor' in part;
