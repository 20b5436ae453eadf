import type { Tensor } from '../../ir/tensor.js';
import { castTensor } from './cast_tensor.js';
import { checkFeeds } from './check_feeds.js';
import type { Feeds, InputSpec, Sample, SampleSource } from './source.js';

/**
 * The source with every sample checked against the inputs (see `checkFeeds`) and its feeds in their order; with `cast`,
 * tensors of another element type are cast first (see `castTensor`).
 */
export function checkedSource(source: SampleSource, inputs: readonly InputSpec[], cast: boolean): SampleSource {
  async function* samples(): AsyncGenerator<Sample> {
    for await (const sample of source.samples()) {
      const feeds = cast ? castFeeds(sample.feeds, inputs, sample.name) : sample.feeds;
      yield { ...sample, feeds: checkFeeds(feeds, inputs, sample.name) };
    }
  }
  const { description, count } = source;
  return { description, ...(count !== undefined && { count }), samples };
}

function castFeeds(feeds: Feeds, inputs: readonly InputSpec[], where: string): Feeds {
  const cast = new Map<string, Tensor>(feeds);
  for (const { name, type } of inputs) {
    const tensor = feeds.get(name);
    if (tensor === undefined || type?.kind !== 'tensor' || type.dtype === undefined) continue;
    cast.set(name, castTensor(tensor, type.dtype, `${where}, "${name}"`));
  }
  return cast;
}
