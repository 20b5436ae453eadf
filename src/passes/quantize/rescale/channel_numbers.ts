import { constantTensor } from '../../../ir/constant.js';
import type { Editor } from '../../../ir/editor.js';
import type { Node } from '../../../ir/graph.js';
import { tensorData, tensorFromData } from '../../../ir/tensor.js';

/** A float constant that a node reads, by channel: runs of `run` elements in a row belong to one channel. */
export type ChannelConstant = {
  readonly node: Node;
  readonly index: number;
  readonly run: number;
  readonly channelOf: (run: number) => number;
};

/**
 * The numbers of constants while their channels are rescaled; the model has them with `write`. A constant that others
 * read as well becomes one of the node's own.
 */
export class ChannelNumbers {
  private readonly numbers = new Map<Node, Map<number, Float32Array>>();
  private readonly changed = new Map<Node, Set<number>>();

  of({ node, index }: Pick<ChannelConstant, 'node' | 'index'>): Float32Array {
    const ofNode = this.numbers.get(node) ?? new Map<number, Float32Array>();
    this.numbers.set(node, ofNode);
    const known = ofNode.get(index);
    if (known !== undefined) return known;
    const numbers = tensorData(constantTensor(node.inputs[index])!) as Float32Array;
    ofNode.set(index, numbers);
    return numbers;
  }

  /** Raises `maxima` to the largest magnitude of each channel. */
  raiseMaxima(constant: ChannelConstant, maxima: Float64Array): void {
    const numbers = this.of(constant);
    const { run, channelOf } = constant;
    for (let at = 0, index = 0; index < numbers.length; at += 1) {
      const channel = channelOf(at);
      let most = maxima[channel]!;
      for (const end = index + run; index < end; index += 1) {
        const size = Math.abs(numbers[index]!);
        if (size > most) most = size;
      }
      maxima[channel] = most;
    }
  }

  /** Computed in double precision and rounded once. */
  multiply(constant: ChannelConstant, factors: Float64Array): void {
    const before = this.of(constant);
    const { node, index, run, channelOf } = constant;
    const isCopy = this.changed.get(node)?.has(index) === true;
    const numbers = isCopy ? before : before.slice();
    for (let at = 0, element = 0; element < numbers.length; at += 1) {
      const factor = factors[channelOf(at)]!;
      const end = element + run;
      if (factor === 1) element = end;
      for (; element < end; element += 1) numbers[element] = numbers[element]! * factor;
    }
    if (isCopy) return;
    this.numbers.get(node)!.set(index, numbers);
    this.changed.set(node, (this.changed.get(node) ?? new Set()).add(index));
  }

  write(editor: Editor): void {
    for (const [node, indices] of this.changed) {
      for (const index of indices) {
        const value = node.inputs[index]!;
        const tensor = tensorFromData('float', constantTensor(value)!.dims, this.of({ node, index }));
        const isOwn = value.initializer !== null && value.uses.size === 1 && !value.pinned;
        if (isOwn) editor.setInitializer(value, tensor);
        else editor.setInput(node, index, editor.addInitializer(node.graph, tensor, value.name));
      }
    }
    this.changed.clear();
  }
}
