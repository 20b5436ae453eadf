import { type CodeParameters, nearest, saturated } from './code_parameters.js';

/** Exponent of the norm, weight of the quadratic term, its growth a round, and rounds: those of the publication. */
const [norm, firstBeta, growth, rounds] = [0.7, 10, 1.01, 20] as const;

/** size^(p−1) at every 1/1024 up to 1: most errors are under half a step, and Math.pow takes most of the time. */
const powers = Float64Array.from({ length: 1025 }, (_, index) => (index / 1024) ** (norm - 1));

/** Between two of them, a straight line: off by less than 1e-5 where an error is not shrunk to nothing. */
function powerOf(size: number): number {
  if (size >= 1) return size ** (norm - 1);
  const at = Math.floor(size * 1024);
  const low = powers[at]!;
  return low + (powers[at + 1]! - low) * (size * 1024 - at);
}

/** Zero points that differ by less give the same codes and errors that nobody tells apart. */
const tolerance = 1e-5;

/**
 * The zero point that brings the codes of a group closest to its weights where few large errors weigh less than many
 * small ones. Half-quadratic splitting of the p-norm, p = 0.7 (Badri and Shaji, 2023): e = shrink(w − ŵ, β) with
 * shrink(x, β) = sign(x) · max(0, |x| − |x|^(p−1) / β), then zeroPoint = mean(code − (w − e) / scale), and β grows. Here
 * errors are counted in steps of the scale, so that β means the same for weights of every size. The round of the least
 * mean error is returned, `start` included; its zero point is not a whole number, since rounded to one it gains nothing
 * (measured).
 */
export function halfQuadratic(group: Float32Array, start: CodeParameters, highest: number): CodeParameters {
  const { scale } = start;
  const steps = Float64Array.from(group, (weight) => weight / scale);
  let best = start.zeroPoint;
  let least = Number.POSITIVE_INFINITY;
  let { zeroPoint } = start;
  let beta: number = firstBeta;
  for (let round = 0; round <= rounds; round += 1, beta *= growth) {
    // Under this, an error shrinks to nothing.
    const threshold = beta ** (-1 / (2 - norm));
    let errors = 0;
    let shrunk = 0;
    for (const step of steps) {
      const error = step - (saturated(nearest(step, zeroPoint), highest) - zeroPoint);
      const size = Math.abs(error);
      errors += size;
      // code − (w − e) / scale = zeroPoint − error + shrink(error)
      const kept = size > threshold ? size - powerOf(size) / beta : 0;
      shrunk += error < 0 ? size - kept : kept - size;
    }
    if (errors < least) {
      least = errors;
      best = zeroPoint;
    }
    const next = Math.fround(Math.min(highest, Math.max(0, zeroPoint + shrunk / steps.length)));
    if (Math.abs(next - zeroPoint) < tolerance) break;
    zeroPoint = next;
  }
  return { scale, zeroPoint: best };
}
