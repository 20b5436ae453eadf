import { type CodeParameters, codeOf } from './code_parameters.js';

/** Exponent of the norm, weight of the quadratic term, its growth a round, and rounds: those of the publication. */
const [norm, firstBeta, growth, rounds] = [0.7, 10, 1.01, 20] as const;

/**
 * The zero point that brings the codes of a group closest to its weights in the p-norm, p = 0.7, which minds few large
 * errors less than many small ones. Half-quadratic splitting (Badri and Shaji, 2023): e = shrink(w − ŵ, β) with
 * shrink(x, β) = sign(x) · max(0, |x| − |x|^(p−1) / β), then zeroPoint = mean(code − (w − e) / scale), and β grows. Here
 * errors are counted in steps of the scale, so that β means the same for weights of every size. The best of all rounds
 * is returned, `start` included; its zero point is not a whole number, since rounded to one it gains nothing (measured).
 */
export function halfQuadratic(group: Float32Array, start: CodeParameters, highest: number): CodeParameters {
  const { scale } = start;
  let best = start;
  let least = normOf(group, start, highest);
  let { zeroPoint } = start;
  let beta: number = firstBeta;
  for (let round = 0; round < rounds; round += 1, beta *= growth) {
    const current = { scale, zeroPoint };
    let sum = 0;
    for (const weight of group) {
      const code = codeOf(weight, current, highest);
      const steps = weight / scale;
      sum += code - steps + shrink(steps - (code - zeroPoint), beta);
    }
    const next = sum / group.length;
    if (next === zeroPoint) break;
    zeroPoint = next;
    const candidate = { scale, zeroPoint: Math.fround(Math.min(highest, Math.max(0, zeroPoint))) };
    const error = normOf(group, candidate, highest);
    if (error < least) {
      least = error;
      best = candidate;
    }
  }
  return best;
}

function shrink(error: number, beta: number): number {
  const size = Math.abs(error);
  if (size === 0) return 0;
  return Math.sign(error) * Math.max(0, size - size ** (norm - 1) / beta);
}

/** Σ|w − ŵ|^p in steps of the scale. */
function normOf(group: Float32Array, parameters: CodeParameters, highest: number): number {
  let sum = 0;
  for (const weight of group) {
    const error = codeOf(weight, parameters, highest) - parameters.zeroPoint - weight / parameters.scale;
    sum += Math.abs(error) ** norm;
  }
  return sum;
}
