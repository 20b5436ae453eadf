import type { Diagnostic } from './diagnostic.js';
import type { Model } from './graph.js';
export function verifyModel(_model: Model): Diagnostic[] { return []; }
