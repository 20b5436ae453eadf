// an operator behind one of its own kind => one of them; see the files in `merges/`
// Each of these leaves fewer nodes between a value and what it is computed from.
import { rewritePass } from '../rewrite/driver.js';
import { mergeCasts } from './merges/merge_casts.js';
import { mergeClips } from './merges/merge_clips.js';
import { eliminateSplitConcats, mergeConcats } from './merges/merge_concats.js';
import { mergePads } from './merges/merge_pads.js';
import { mergeReduceViews } from './merges/merge_reduce_views.js';
import { mergeSliceSqueezes } from './merges/merge_slice_squeezes.js';
import { mergeSlices } from './merges/merge_slices.js';
import { mergeTransposedViews } from './merges/merge_transposed_views.js';
import { mergeTransposes } from './merges/merge_transposes.js';
import { mergeViews } from './merges/merge_views.js';

export const mergeChains = rewritePass('merge-chains', 'an operator behind one of its own kind => one of them', [
  mergeTransposes,
  mergeTransposedViews,
  mergeSliceSqueezes,
  mergeViews,
  mergeReduceViews,
  mergeSlices,
  eliminateSplitConcats,
  mergeConcats,
  mergeCasts,
  mergeClips,
  mergePads,
]);
