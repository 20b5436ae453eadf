import type { Calibrator } from './calibrator.js';

/** The extremes over all samples: nothing saturates. */
export const minmax: Calibrator = ({ min, max }) => ({ min, max });
