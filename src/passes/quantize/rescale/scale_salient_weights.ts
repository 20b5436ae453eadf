// normalization(x, g, h) – MatMul(W) => normalization(x, g / s, h / s) – MatMul(W · s), before W is stored in fewer bits
// Needs: samples, matrices that will be stored in blocks, and nobody else who reads what lies between; or a Mul in between.
import { definePass, type Pass } from '../../pass.js';
import type { BlockOptions } from '../block_codes.js';
import type { MomentsObserver } from '../quantize_weights.js';
import { matrixLayer, selectWeightLayers, type WeightSelectionOptions } from '../weight_layer.js';
import { awqFactors } from './awq_factors.js';
import type { ChannelLayer } from './channel_layer.js';
import { ChannelNumbers } from './channel_numbers.js';
import { rescaleGroups } from './rescale_group.js';
import { applyFactors, type ChannelsObserver, matrixGroups } from './smooth_activations.js';

export type SalientOptions = WeightSelectionOptions & {
  /** How the weights will be stored. */
  readonly blocks: BlockOptions;
  readonly channels: ChannelsObserver;
  readonly moments: MomentsObserver;
  /** Multiply an activation where nothing before it takes the factors up. */
  readonly insertMul?: boolean;
};

const name = 'scale-salient-weights';

/** See `awqFactors`. In float the model computes the same up to rounding; layers in subgraphs are left as they are. */
export const scaleSalientWeights = (options: SalientOptions): Pass =>
  definePass({
    name,
    summary: 'weights that large activations meet => larger ones, so that their rounding weighs less',
    scope: 'model',
    async run(graph, context) {
      const { model, inference, decline, fired, editor } = context;
      const { layers } = selectWeightLayers(model, (node) => matrixLayer(node, inference), options);
      const stored = new Set(layers.map(({ node }) => node));
      const { groups, declined } = rescaleGroups(graph, inference);
      for (const each of declined) if (stored.has(each.node)) decline({ rule: name, ...each });
      const concerned = groups.filter(({ readers }) => readers.some(({ node }) => stored.has(node)));
      const found = matrixGroups(concerned, context, name, options);
      const requests = found.map(({ value, place }) => ({ value, size: place.channels }));
      const sizes = await options.channels(model, requests);
      const moments = await options.moments(model, requests);
      const numbers = new ChannelNumbers();
      for (const group of found) {
        const rows = group.readers.filter(({ node }) => stored.has(node)).map((reader) => rowsOf(reader, numbers));
        const activations = { sum: sizes.get(group.value)!.sum, moments: moments.get(group.value)! };
        const factors = awqFactors(rows, activations, options.blocks);
        const { node } = group.readers[0]!;
        if (factors === undefined) {
          decline({ rule: name, node, reason: 'no factors make its results truer' });
          continue;
        }
        applyFactors(editor, name, group, factors, numbers);
        fired(name, node);
      }
      numbers.write(editor);
    },
  });

/** The weights of a matrix product with those of each output in a row of their own, as they are by now. */
function rowsOf({ node, layout }: ChannelLayer, numbers: ChannelNumbers): Float32Array {
  const data = numbers.of({ node, index: 1 });
  const { rows, columns, rowsAreOutputs } = layout;
  if (rowsAreOutputs) return data;
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) turned[column * rows + row] = data[row * columns + column]!;
  }
  return turned;
}
