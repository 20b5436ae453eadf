/** A product of two operands as MatMul computes it: how each operand and the result have to be laid out, by letters. */
export type ProductPlan = {
  /** Whether the second operand stands on the left. */
  readonly swapped: boolean;
  readonly left: string;
  readonly right: string;
  /** As MatMul gives it. */
  readonly product: string;
};

/** Letters by where they stand, in the order of the first place given. */
type Parts = { readonly batch: string; readonly summed: string; readonly left: string; readonly right: string };

/**
 * Every way to write the equation as one MatMul of operands with their axes in another order. Empty where a letter is
 * summed within one operand, where not exactly one is summed over, or where MatMul has no place for an axis.
 */
export function productPlans(first: string, second: string, result: string): ProductPlan[] {
  return [false, true].flatMap((swapped) => {
    const [left, right] = swapped ? [second, first] : [first, second];
    const parts = partsOf(left, right, result);
    return parts === undefined ? [] : layouts(parts, [result, left, right]).map((plan) => ({ swapped, ...plan }));
  });
}

function partsOf(left: string, right: string, result: string): Parts | undefined {
  const letters = [...new Set(left + right)];
  const isIn = (text: string) => (letter: string) => text.includes(letter);
  const [inLeft, inRight, inResult] = [isIn(left), isIn(right), isIn(result)];
  if (letters.some((letter) => !inResult(letter) && !(inLeft(letter) && inRight(letter)))) return undefined;
  const shared = letters.filter((letter) => inLeft(letter) && inRight(letter));
  const summed = shared.filter((letter) => !inResult(letter));
  if (summed.length !== 1) return undefined;
  return {
    batch: shared.filter(inResult).join(''),
    summed: summed[0]!,
    left: letters.filter((letter) => inLeft(letter) && !inRight(letter)).join(''),
    right: letters.filter((letter) => inRight(letter) && !inLeft(letter)).join(''),
  };
}

function layouts({ batch, summed, left, right }: Parts, orders: readonly string[]): Omit<ProductPlan, 'swapped'>[] {
  return orders.flatMap((order) => {
    const [b, l, r] = [batch, left, right].map((part) => inOrder(part, order)) as [string, string, string];
    if (b !== '') {
      // MatMul takes a vector for a matrix only where there is nothing in front of it.
      if (l.length !== 1 || r.length !== 1) return [];
      return [{ left: b + l + summed, right: b + summed + r, product: b + l + r }];
    }
    if (r.length <= 1) return [{ left: l + summed, right: summed + r, product: l + r }];
    if (l.length > 1) return [];
    const [front, last] = [r.slice(0, -1), r.slice(-1)];
    return [{ left: l + summed, right: front + summed + last, product: front + l + last }];
  });
}

/** The letters of a part as they stand in `order`; those it lacks come last. */
function inOrder(part: string, order: string): string {
  const place = (letter: string) => (order.includes(letter) ? order.indexOf(letter) : order.length);
  return [...part].sort((a, b) => place(a) - place(b)).join('');
}
