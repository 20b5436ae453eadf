import { ortRunner } from '../backends/ort/run.js';
import { openCalibrationData } from '../calibrate/calibrate.js';
import { observeChannels } from '../calibrate/observe_channels.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { Model } from '../ir/graph.js';
import { equalizeLayers } from '../passes/quantize/rescale/equalize_layers.js';
import { type ChannelsObserver, smoothActivations } from '../passes/quantize/rescale/smooth_activations.js';
import { selectParts } from '../passes/quantize/selection.js';
import { eliminateUnusedInitializers } from '../passes/simplify/eliminate_unused_initializers.js';
import type { FloatNodes } from './int8_candidate.js';
import type { Int8Request } from './quantize_int8.js';

/** How the float model is rewritten so that it loses less in 8 bits; it computes the same. */
export type FloatRewrites = {
  /** Balance the channels of neighbouring layers by their weights, which needs no data. */
  readonly equalize?: boolean;
  /**
   * Move the size of large activation channels into the weights of the matrix products that read them: how much, 0 to 1;
   * `true` is 0.5. Needs samples.
   */
  readonly smooth?: boolean | number;
  /** With `smooth`, multiply an activation where no layer before it takes the factors up. */
  readonly insertMul?: boolean;
};

const defaultAlpha = 0.5;

/**
 * Runs the rewrites that were asked for, before ranges are observed. Values whose range is given keep their numbers.
 * Returns nodes that were inserted and have to stay in float.
 * @throws DiagnosticError `usage/conflicting-options`, `usage/smooth`, `quantize/no-calibration-data`, `calibrate/…`.
 */
export async function rewriteFloats(request: Int8Request): Promise<FloatNodes> {
  const { model, run, quantization = {}, calibration = {} } = request;
  const { equalize = false, smooth = false, insertMul = false, floats: _floats, ...selection } = quantization;
  const alpha = smooth === true ? defaultAlpha : smooth;
  if (!equalize && alpha === false) return new Map();
  requireFitting(alpha, calibration.ranges !== undefined);
  const kept = new Set(selectParts(model.graph, selection).ranges.keys());
  if (equalize) await run([{ pass: equalizeLayers({ kept }), reason: 'channels of like sizes lose less in 8 bits' }]);
  if (alpha !== false) {
    const pass = smoothActivations({ alpha, kept, insertMul, channels: channelsObserver(request) });
    await run([{ pass, reason: 'after weights are balanced, which it starts from' }]);
  }
  await run([{ pass: eliminateUnusedInitializers, reason: 'constants that layers have of their own now' }]);
  return insertedNodes(model);
}

function requireFitting(alpha: number | false, hasRanges: boolean): void {
  if (alpha !== false && !(alpha >= 0 && alpha <= 1)) {
    throw new DiagnosticError({ code: 'usage/smooth', message: `${alpha} is not between 0 and 1` });
  }
  if (!hasRanges) return;
  throw new DiagnosticError({
    code: 'usage/conflicting-options',
    message: 'saved ranges are those of the model as it was, and equalize and smooth give values other sizes',
    help: 'Give samples instead of ranges, or leave the model as it is',
  });
}

function channelsObserver({ calibration = {}, onProgress }: Int8Request): ChannelsObserver {
  return async (model, requests) => {
    const { data, limit } = calibration;
    const source = await openCalibrationData(model, data, calibration);
    onProgress?.stage?.('calibrating');
    const options = {
      ...(limit !== undefined && { limit }),
      ...(onProgress?.sample && { onSample: onProgress.sample }),
    };
    return observeChannels(model, requests, source, ortRunner({ worker: onProgress !== undefined }), options);
  };
}

/** What a Mul divides has to reach it in float: in 8 bits its small channels would be lost before. */
function insertedNodes({ graph }: Model): FloatNodes {
  const inserted = [...graph.nodes].filter(({ provenance }) => provenance.includes('smooth-activations'));
  return new Map(inserted.map(({ outputs }) => [outputs[0]!.name, 'it makes channels even for 8 bits']));
}
