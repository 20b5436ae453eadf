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
  truncDiv,
} from './dim_arithmetic.js';
export { broadcastAll, broadcastDims } from './dim_broadcast.js';
export {
  asDim,
  dimEquals,
  dimKey,
  lowerBound,
  provablyAtLeast,
  provablyDifferent,
  upperBound,
} from './dim_compare.js';
export { evaluate, substitute, symbolsOf } from './dim_evaluate.js';
export { formatDim } from './dim_format.js';
export { parseDim } from './dim_parse.js';
export { type Dim, type Expr, type SymbolicExpr, symbol } from './dim_terms.js';
