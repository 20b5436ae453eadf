const chunks = /\d+|\D+/g;

/** Orders names as people count: `a2` before `a10`. The same everywhere: no locale takes part. */
export function compareNatural(a: string, b: string): number {
  const left = a.match(chunks) ?? [];
  const right = b.match(chunks) ?? [];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = compareChunks(left[index]!, right[index]!);
    if (order !== 0) return order;
  }
  return left.length - right.length || compareText(a, b);
}

function compareChunks(a: string, b: string): number {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return compareText(a, b);
  const left = a.replace(/^0+(?=\d)/, '');
  const right = b.replace(/^0+(?=\d)/, '');
  return left.length - right.length || compareText(left, right);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
