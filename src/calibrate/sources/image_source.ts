import { type DataFile, readFileBytes } from './file_bytes.js';
import { decodeImage } from './image.js';
import { type ImageOptions, type ImagePlan, planImages } from './image_options.js';
import type { InputSpec, ReadLimits, Sample, SampleSource } from './source.js';

/**
 * One sample an image, for a model with one input; see `ImageOptions`.
 * @throws DiagnosticError `data/image-options`.
 */
export function imageSource(
  files: readonly DataFile[],
  inputs: readonly InputSpec[],
  description: string,
  options: { readonly image: ImageOptions; readonly limits: ReadLimits },
): SampleSource {
  const plan = planImages(inputs, options.image);
  const { maxBytes, maxPixels } = options.limits;
  async function* samples(): AsyncGenerator<Sample> {
    for (const file of files) {
      const tensor = await decodeImage(await readFileBytes(file, maxBytes), plan, file.name, maxPixels);
      yield { name: file.name, feeds: new Map([[plan.input, tensor]]) };
    }
  }
  return { description: `${description}, ${describePlan(plan)}`, count: files.length, samples };
}

function describePlan({ color, layout, height, width, fit, scale, mean, std }: ImagePlan): string {
  const factor = scale === 1 / 255 ? '1/255' : scale;
  return `${color} ${layout} ${height}x${width}, ${fit}, (x * ${factor} - [${mean.join(', ')}]) / [${std.join(', ')}]`;
}
