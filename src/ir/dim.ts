/**
 * Integer expressions over named symbols: tensor dimensions, and the elements of int64 shape values.
 * They are immutable and canonical, and no operation guesses: what cannot be said for all values of the symbols is
 * undefined.
 */
export {
  add,
  ceilDiv,
  divideExact,
  floorDiv,
  fmod,
  max,
  maxOf,
  min,
  minOf,
  mod,
  mul,
  neg,
  product,
  sub,
  sum,
  truncDiv,
} from './dim/arithmetic.js';
export { broadcastAll, broadcastDims } from './dim/broadcast.js';
export {
  asDim,
  dimEquals,
  dimKey,
  lowerBound,
  provablyAtLeast,
  provablyDifferent,
  upperBound,
} from './dim/compare.js';
export { evaluate, substitute, symbolsOf } from './dim/evaluate.js';
export { formatDim } from './dim/format.js';
export { parseDim } from './dim/parse.js';
export { type Dim, type Expr, type SymbolicExpr, symbol } from './dim/terms.js';
