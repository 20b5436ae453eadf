import type { Model } from './graph.js';
export const formatModel = (_model: Model): string => '';
