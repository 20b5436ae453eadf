// layer(W1, b1) – what scales with its input – layer(W2) => the same with W1[j] / s, b1[j] / s and W2[:, j] · s
// Needs: constant float32 weights, and nobody else who reads what lies between.
import type { Graph, Node } from '../../../ir/graph.js';
import { definePass, type Pass } from '../../pass.js';
import { ChannelNumbers } from './channel_numbers.js';
import { type RescaleOptions, readerMaxima, rescale, rescaleGroups, type ScaleSource } from './rescale_group.js';

const name = 'equalize-layers';

/** A layer in the middle is balanced against both neighbours in turn; chains are done in a few rounds. */
const mostRounds = 32;

/**
 * Cross-layer equalization (Nagel and others, 2019): the weights that make a channel and the weights that read it get the
 * same largest magnitude, s = √(r1 / r2), so that no channel is lost beside a larger one where they share a scale. A bias
 * counts as a weight that makes its channel: otherwise channels of small weights and large biases would grow beyond all
 * others. s is rounded to a power of two: every product stays the same bits, so the model does, as long as no number
 * leaves the normal range.
 */
export const equalizeLayers = (options: RescaleOptions = {}): Pass =>
  definePass({
    name,
    summary: 'weights of neighbouring layers => the same, with channels of like sizes',
    scope: 'graphs',
    run(graph: Graph, { inference, editor, decline, fired }) {
      // Constants of functions are nodes.
      if (graph.ownerFunction !== null) return;
      const { groups, declined } = rescaleGroups(graph, inference, options);
      for (const each of declined) decline({ rule: name, ...each });
      const numbers = new ChannelNumbers();
      const pairs = groups.flatMap((group) => {
        const { source } = group;
        if (typeof source !== 'string' && source.kind === 'layer') {
          return [{ group, source, exponents: new Int32Array(group.place.channels) }];
        }
        const reason = typeof source === 'string' ? source : 'a gain lies before it, no layer';
        decline({ rule: name, node: group.readers[0]!.node, reason });
        return [];
      });
      const changed = new Set<Node>();
      for (let round = 0; round < mostRounds; round += 1) {
        let isStable = true;
        for (const { group, source, exponents } of pairs) {
          const steps = balance(
            sourceMaxima(source, group.place.channels, numbers),
            readerMaxima(group, numbers),
            exponents,
          );
          if (steps.every((step) => step === 0)) continue;
          isStable = false;
          changed.add(group.readers[0]!.node);
          for (const [channel, step] of steps.entries()) exponents[channel] = exponents[channel]! + step;
          rescale(
            group,
            source,
            Float64Array.from(steps, (step) => 2 ** step),
            numbers,
          );
        }
        if (isStable) break;
      }
      numbers.write(editor);
      for (const { group } of pairs) {
        const { node } = group.readers[0]!;
        if (changed.has(node)) fired(name, node);
        else decline({ rule: name, node, reason: 'its channels are balanced already' });
      }
    },
  });

function sourceMaxima({ constants }: ScaleSource, channels: number, numbers: ChannelNumbers): Float64Array {
  const maxima = new Float64Array(channels);
  for (const constant of constants) numbers.raiseMaxima(constant, maxima);
  return maxima;
}

/** A channel grows or shrinks by this power of two at most: what was small stays a number, what was large stays finite. */
const furthest = 16;

/** Weights of these sizes keep clear of both ends of float32, whatever else of their channel is smaller. */
const [smallest, largest] = [2 ** -96, 2 ** 96];

/** The power of two that each channel is to be divided by before and multiplied by behind. */
function balance(before: Float64Array, behind: Float64Array, done: Int32Array): Int32Array {
  return Int32Array.from(before, (first, channel) => {
    const second = behind[channel]!;
    // Of a channel that is always 0, or that nobody reads, no size is known.
    const isSafe = [first, second].every((size) => size > smallest && size < largest);
    if (!isSafe) return 0;
    const step = Math.round(Math.log2(first / second) / 2);
    return Math.max(-furthest - done[channel]!, Math.min(furthest - done[channel]!, step));
  });
}
