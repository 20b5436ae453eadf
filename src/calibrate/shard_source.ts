import type { Sample, SampleSource } from './sources/source.js';
import type { Shard } from './statistics_file.js';

/** Every `of`-th sample of the first `limit`, from the shard's own on. */
export function shardSource(source: SampleSource, { index, of }: Shard, limit: number | undefined): SampleSource {
  async function* samples(): AsyncGenerator<Sample> {
    let position = 0;
    for await (const sample of source.samples()) {
      if (position === limit) break;
      if (position % of === index - 1) yield sample;
      position += 1;
    }
  }
  const count = source.count === undefined ? undefined : Math.min(source.count, limit ?? source.count);
  return {
    description: `shard ${index} of ${of} of ${source.description}`,
    ...(count !== undefined && { count: Math.max(0, Math.ceil((count - index + 1) / of)) }),
    samples,
  };
}
