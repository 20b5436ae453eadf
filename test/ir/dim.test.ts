import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  add,
  asDim,
  broadcastAll,
  broadcastDims,
  ceilDiv,
  type Dim,
  dimEquals,
  dimKey,
  divideExact,
  type Expr,
  evaluate,
  floorDiv,
  fmod,
  formatDim,
  lowerBound,
  max,
  maxOf,
  min,
  minOf,
  mod,
  mul,
  neg,
  parseDim,
  product,
  provablyAtLeast,
  provablyDifferent,
  sub,
  substitute,
  symbol,
  symbolsOf,
  truncDiv,
  upperBound,
} from '../../src/ir/dim.js';

const n = symbol('n');
const m = symbol('m');
const h = symbol('h');
const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

const text = (expr: Expr | undefined): string => (expr === undefined ? 'undefined' : formatDim(expr));

describe('constants', () => {
  it('are numbers while safe and bigints beyond', () => {
    expect(add(2 ** 53 - 1, 1)).toBe(2n ** 53n);
    expect(sub(2n ** 53n, 1)).toBe(2 ** 53 - 1);
    expect(mul(2 ** 31, 2 ** 31)).toBe(2n ** 62n);
    expect(add(5n, 1)).toBe(6);
  });

  it('beyond int64 are unknown', () => {
    expect(add(int64Max, 1)).toBeUndefined();
    expect(sub(int64Min, 1)).toBeUndefined();
    expect(mul(int64Max, n)).toBeTypeOf('object');
    expect(mul(mul(int64Max, n), 2)).toBeUndefined();
    expect(truncDiv(int64Min, -1)).toBeUndefined();
  });

  it('are never negative zero', () => {
    for (const zero of [
      mul(0, -5),
      neg(0),
      floorDiv(0, -5),
      ceilDiv(0, -5),
      truncDiv(0, -5),
      ceilDiv(-1, 2),
      mod(0, -5),
    ]) {
      expect(zero).toBe(0);
    }
  });

  it('divide exactly at the edge of the safe integers', () => {
    const near = 2 ** 53 - 1;
    expect(floorDiv(near, 3)).toBe(Number(BigInt(near) / 3n));
    expect(floorDiv(-near, 67_108_864)).toBe(Number(-BigInt(near) / 67_108_864n) - 1);
    expect(floorDiv(int64Max, 2)).toBe(2n ** 62n - 1n);
    expect(truncDiv(int64Min, 3)).toBe(int64Min / 3n);
  });

  test.each([
    [7, 2, 3, 4, 3, 1, 1],
    [-7, 2, -4, -3, -3, 1, -1],
    [7, -2, -4, -3, -3, -1, 1],
    [-7, -2, 3, 4, 3, -1, -1],
  ])('%i by %i rounds and leaves remainders as documented', (a, b, floor, ceil, trunc, modulo, remainder) => {
    for (const [x, y] of [
      [a, b],
      [BigInt(a), BigInt(b)],
    ] as const) {
      expect(floorDiv(x, y)).toBe(floor);
      expect(ceilDiv(x, y)).toBe(ceil);
      expect(truncDiv(x, y)).toBe(trunc);
      expect(mod(x, y)).toBe(modulo);
      expect(fmod(x, y)).toBe(remainder);
    }
  });

  it('agree with bigint arithmetic over all of int64', () => {
    const edges = fc.constantFrom(0n, 1n, -1n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), int64Max, int64Min);
    const int64 = fc.oneof(edges, fc.bigInt({ min: int64Min, max: int64Max }), fc.maxSafeInteger().map(BigInt));
    fc.assert(
      fc.property(fc.constantFrom(...operators), int64, int64, (kind, a, b) => {
        fc.pre(kind !== 'broadcast');
        const expected = operate(kind, a, b);
        const fits = expected !== undefined && expected >= int64Min && expected <= int64Max;
        const tree: Tree = { kind, left: { kind: 'constant', value: a }, right: { kind: 'constant', value: b } };
        expect(treeExpr(tree)?.toString()).toBe(fits ? expected.toString() : undefined);
      }),
      { numRuns: 5000 },
    );
  });

  it('are not divided by zero', () => {
    for (const divide of [floorDiv, ceilDiv, truncDiv, mod, fmod, divideExact]) {
      expect(divide(5, 0)).toBeUndefined();
      expect(divide(n, 0)).toBeUndefined();
      expect(divide(n, 0n)).toBeUndefined();
    }
  });
});

describe('canonical form', () => {
  test.each<[string, Expr | undefined, string]>([
    ['sums cancel', sub(add(n, 1), 1), 'n'],
    ['a sum that cancels is a constant', sub(add(n, 1), n), '1'],
    ['products commute', mul(n, m), 'm*n'],
    ['products distribute', mul(add(n, 1), sub(m, n)), 'm*n - n*n + m - n'],
    ['(2*n)/2', floorDiv(mul(2, n), 2), 'n'],
    ['(2*n + 4)/2', floorDiv(add(mul(2, n), 4), 2), 'n + 2'],
    ['(4*n + 6)/4', floorDiv(add(mul(4, n), 6), 4), 'n + 1'],
    ['(n + 5)/2', floorDiv(add(n, 5), 2), 'floor((n + 1)/2) + 2'],
    ['(2*n + 1)/4', floorDiv(add(mul(2, n), 1), 4), 'floor(n/2)'],
    ['floors nest', floorDiv(floorDiv(n, 2), 2), 'floor(n/4)'],
    ['ceilings nest', ceilDiv(ceilDiv(n, 2), 2), 'floor((n + 3)/4)'],
    ['floors of sums with floors nest', floorDiv(add(floorDiv(n, 2), m), 3), 'floor((2*m + n)/6)'],
    ['a convolution of stride 2', add(floorDiv(sub(add(h, 2), 3), 2), 1), 'floor((h + 1)/2)'],
    ['a floor of a negative', floorDiv(neg(n), 3), '-floor((n + 2)/3)'],
    ['a divisor below zero', floorDiv(n, -3), '-floor((n + 2)/3)'],
    ['a remainder of a remainder', mod(mod(n, 4), 8), 'n - 4*floor(n/4)'],
    ['a remainder divided by more', floorDiv(mod(n, 4), 4), '0'],
    ['padding to a multiple', add(n, mod(sub(64, mod(n, 64)), 64)), '64*floor((n + 63)/64)'],
    ['symbolic divisors that cancel', floorDiv(mul(3, mul(n, m)), mul(2, m)), 'n + floor(n/2)'],
    ['a dividend below a symbolic divisor', floorDiv(n, add(n, 1)), '0'],
    ['truncation of what is not negative', truncDiv(n, 2), 'floor(n/2)'],
    ['truncation of what is not positive', truncDiv(neg(n), 2), '-floor(n/2)'],
    ['truncation of an unknown sign', truncDiv(sub(n, m), 2), 'undefined'],
    ['exact truncation of an unknown sign', truncDiv(sub(mul(2, n), mul(2, m)), 2), 'n - m'],
    ['min drops what is never smaller', min(n, add(n, 1)), 'n'],
    ['min flattens', min(min(n, 5), min(m, 3)), 'min(m, n, 3)'],
    ['min drops repeats', minOf([n, m, n]), 'min(m, n)'],
    ['min moves out what is common', min(add(mul(2, n), 1), add(mul(2, m), 3)), '2*min(m + 1, n) + 1'],
    ['min flattens through sums', min(sub(min(n, 5), 1), m), 'min(m + 1, n, 5) - 1'],
    ['min flattens the opposite of max', min(neg(max(n, m)), -3), '-max(m, n, 3)'],
    ['a symbol is not negative', max(n, 0), 'n'],
    ['a floor is not negative', max(floorDiv(n, 2), 0), 'floor(n/2)'],
    ['a symbol fits int64', min(n, int64Max), 'n'],
    ['a sum that fits int64', min(add(n, m), int64Max), 'm + n'],
    ['a start before the beginning', max(0, add(n, int64Min)), '0'],
    ['a slice', max(0, sub(min(n, 10), 2)), 'max(min(n, 10), 2) - 2'],
  ])('%s', (_, expr, expected) => {
    expect(text(expr)).toBe(expected);
  });

  it('folds a symbol that cancels into a plain constant', () => {
    expect(sub(n, n)).toBe(0);
    expect(mul(n, 0)).toBe(0);
    expect(floorDiv(min(n, 3), 4)).toBe(0);
  });

  it('passes unknown operands on', () => {
    expect(add(undefined, 1)).toBeUndefined();
    expect(mul(0, undefined)).toBeUndefined();
    expect(maxOf([1, undefined])).toBeUndefined();
    expect(maxOf([])).toBeUndefined();
    expect(product([2, undefined])).toBeUndefined();
    expect(product([])).toBe(1);
  });

  it('refuses an empty name', () => {
    expect(() => symbol('')).toThrow('a symbol needs a name');
  });
});

describe('divideExact', () => {
  test.each<[string, Expr | undefined, string]>([
    ['a monomial', divideExact(mul(mul(n, m), 64), mul(m, 64)), 'n'],
    ['where the symbol might be 0', divideExact(mul(n, 128), mul(n, 4)), '32'],
    ['a sum by a constant', divideExact(add(mul(4, n), 8), 4), 'n + 2'],
    ['a sum by itself', divideExact(add(n, m), add(n, m)), '1'],
    ['a product of sums', divideExact(mul(add(n, 1), add(m, 2)), add(m, 2)), 'n + 1'],
    ['an atom', divideExact(mul(floorDiv(n, 2), m), floorDiv(n, 2)), 'm'],
    ['nothing', divideExact(0, n), '0'],
    ['a remainder', divideExact(add(mul(2, n), 1), 2), 'undefined'],
    ['a remainder of constants', divideExact(7, 2), 'undefined'],
    ['another symbol', divideExact(n, m), 'undefined'],
    ['a sum that is no factor', divideExact(mul(n, m), add(n, m)), 'undefined'],
  ])('%s', (_, expr, expected) => {
    expect(text(expr)).toBe(expected);
  });
});

describe('broadcastDims', () => {
  const twoN = mul(2, n) as Dim;
  const nPlus2 = add(n, 2) as Dim;

  test.each<[string, Dim | undefined, Dim | undefined, string]>([
    ['equal constants stay', 3, 3, '3'],
    ['1 stretches to a constant', 1, 3, '3'],
    ['1 stretches to 0', 1, 0, '0'],
    ['1 stretches to a symbol', n, 1, 'n'],
    ['1 and 1 give 1', 1, 1, '1'],
    ['equal symbols stay', n, symbol('n'), 'n'],
    ['a constant that is not 1 wins over a symbol', n, 4, '4'],
    ['0 wins over a symbol', 0, n, '0'],
    ['two symbols give an atom', n, m, 'broadcast(m, n)'],
    ['what a table of 128 rows is cut to', n, asDim(min(n, 128))!, 'n'],
    ['what one row is cut to', n, asDim(min(n, 1))!, 'broadcast(min(n, 1), n)'],
    ['what is never 1 wins over a symbol', m, twoN, '2*n'],
    ['two that are never 1 must be equal', nPlus2, add(m, 2) as Dim, 'm + 2'],
    ['different constants conflict', 2, 3, 'conflict'],
    ['0 and 2 conflict', 0, 2, 'conflict'],
    ['an even number conflicts with 3', twoN, 3, 'conflict'],
    ['n + 2 conflicts with n + 3', nPlus2, add(n, 3) as Dim, 'conflict'],
    ['unknown with a constant that is not 1 gives the constant', undefined, 4, '4'],
    ['unknown with 1 stays unknown', 1, undefined, 'undefined'],
    ['unknown with a symbol stays unknown', n, undefined, 'undefined'],
    ['unknown with what is never 1 gives that', undefined, twoN, '2*n'],
    ['unknown with unknown stays unknown', undefined, undefined, 'undefined'],
  ])('%s', (_, a, b, expected) => {
    for (const result of [broadcastDims(a, b), broadcastDims(b, a)]) {
      expect(result === 'conflict' ? result : text(result.dim)).toBe(expected);
    }
  });

  it('gives the same atom in any order and grouping', () => {
    expect(broadcastAll([n, m, h])).toEqual(broadcastAll([h, n, m, n]));
    expect(broadcastAll([])).toEqual({ dim: 1 });
    expect(broadcastAll([n, 2, m, 3])).toBe('conflict');
  });

  it('is not the maximum: 0 with 1 gives 0', () => {
    const result = broadcastDims(n, m);
    if (result === 'conflict' || result.dim === undefined) throw new Error('expected an atom');
    expect(
      evaluate(
        result.dim,
        new Map([
          ['n', 0],
          ['m', 1],
        ]),
      ),
    ).toBe(0);
    expect(
      evaluate(
        result.dim,
        new Map([
          ['n', 2],
          ['m', 3],
        ]),
      ),
    ).toBeUndefined();
    expect(dimEquals(result.dim, max(n, m))).toBe(false);
  });
});

describe('comparison', () => {
  it('finds equal what has two canonical forms', () => {
    expect(dimEquals(ceilDiv(n, 2), sub(n, floorDiv(n, 2)))).toBe(true);
    expect(dimEquals(5, 5n)).toBe(true);
  });

  it('never finds unknown equal or different', () => {
    expect(dimEquals(undefined, undefined)).toBe(false);
    expect(provablyDifferent(undefined, 1)).toBe(false);
    expect(provablyAtLeast(undefined, undefined)).toBe(false);
  });

  it('does not guess about different symbols', () => {
    expect(dimEquals(n, m)).toBe(false);
    expect(provablyDifferent(n, m)).toBe(false);
    expect(provablyDifferent(n, 0)).toBe(false);
  });

  it('tells apart by offset, sign and parity', () => {
    expect(provablyDifferent(n, add(n, 1))).toBe(true);
    expect(provablyDifferent(n, -1)).toBe(true);
    expect(provablyDifferent(add(mul(2, n), 1), mul(4, m))).toBe(true);
    expect(provablyDifferent(int64Max, 5)).toBe(true);
  });

  it('bounds expressions by what symbols are', () => {
    expect([lowerBound(n), upperBound(n)]).toEqual([0, undefined]);
    expect([lowerBound(mod(n, 4)), upperBound(mod(n, 4))]).toEqual([0, 3]);
    expect([lowerBound(sub(5, n)), upperBound(sub(5, n))]).toEqual([undefined, 5]);
    expect([lowerBound(min(n, 7)), upperBound(min(n, 7))]).toEqual([0, 7]);
    expect([lowerBound(sub(n, floorDiv(n, 3))), lowerBound(sub(n, min(n, m)))]).toEqual([0, 0]);
    expect(lowerBound(int64Min)).toBe(int64Min);
    expect(lowerBound(undefined)).toBeUndefined();
  });

  it('orders by bounds of the difference', () => {
    expect(provablyAtLeast(add(n, m), n)).toBe(true);
    expect(provablyAtLeast(max(n, m), min(n, m))).toBe(true);
    expect(provablyAtLeast(n, 1)).toBe(false);
    expect(provablyAtLeast(mul(n, m), n)).toBe(false);
  });

  it('takes as a dimension only what can be one', () => {
    expect([asDim(3), asDim(-1), asDim(2n ** 60n), asDim(undefined)]).toEqual([3, undefined, undefined, undefined]);
    expect(asDim(n)).toBe(n);
    expect(asDim(sub(-1, n))).toBeUndefined();
  });
});

describe('text', () => {
  test.each([
    'n',
    '2*n + 1',
    'floor((h + 1)/2)',
    '5 - n',
    '-n - 1',
    'max(min(n, 10), 2) - 2',
    'floor(2*a*b/5)*broadcast(m, n)',
    '9223372036854775807',
    '-9223372036854775808',
    'n + 9223372036854775807',
    'DynamicDimension.0*unk__123',
    'floor*min + max',
    'broadcast(floor, min)',
    'floor((w*floor(h/3) + 2*floor(w/3))/7)',
  ])('%s is read as an expression and written the same', (source) => {
    const expr = parseDim(source);
    expect(text(expr)).toBe(source);
    expect(source === 'n' || !symbolsOf(expr!).has(source)).toBe(true);
  });

  test.each([
    'batch-size',
    'n*m',
    'n+1',
    '007',
    'a b',
    'größe',
    'floor(',
    'floor(n/0)',
    'floor(n)',
    'min()',
    'min(n)',
    'sin(n)',
    '1 - 1',
    '()',
    '2n',
    '"n"',
    '99999999999999999999',
    ' n',
    '?',
    'broadcast(2, 3)',
  ])('%s is one symbol of that name', (source) => {
    const expr = parseDim(source)!;
    expect([...symbolsOf(expr)]).toEqual([source]);
    expect(formatDim(expr)).toBe(source);
  });

  it('of no characters names nothing', () => {
    expect(parseDim('')).toBeUndefined();
  });

  it('keeps a quoted name apart from the expression that it looks like', () => {
    expect(formatDim(symbol('n + 1'))).toBe('n + 1');
    expect(dimEquals(symbol('n + 1'), add(n, 1))).toBe(false);
    expect(dimKey(symbol('n'))).not.toBe(dimKey(symbol('"n"')));
    expect(text(add(symbol('batch-size'), 1))).toBe('batch-size + 1');
  });

  it('of a megabyte is read fast, whatever it holds', () => {
    const start = performance.now();
    for (const part of ['x', '(', 'floor(', 'n + ', 'min(n, ', '-', '9', '*', 'n/']) {
      const source = part.repeat(1_000_000 / part.length);
      expect(text(parseDim(source))).toBe(source);
      expect(text(parseDim(source.slice(0, 4096)))).toBe(source.slice(0, 4096));
    }
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('limits', () => {
  it('give up sums of many terms', () => {
    let sum: Expr | undefined = 0;
    for (let index = 0; index < 64; index++) sum = add(sum, symbol(`s${index}`));
    expect(sum).toBeTypeOf('object');
    expect(add(sum, n)).toBeUndefined();
    expect(mul(sum, sum)).toBeUndefined();
  });

  it('give up high powers, deep nesting, many members and long names', () => {
    expect(product(new Array(16).fill(n))).toBeTypeOf('object');
    expect(product(new Array(17).fill(n))).toBeUndefined();
    let deep: Expr | undefined = n;
    for (let index = 0; index < 40; index++) deep = floorDiv(add(mul(2, deep), 1), 3);
    expect(deep).toBeUndefined();
    expect(maxOf(Array.from({ length: 17 }, (_, index) => symbol(`s${index}`)))).toBeUndefined();
    const long = symbol('x'.repeat(5000));
    expect(add(long, 1)).toBeUndefined();
    expect(sub(add(long, 0), 0)).toEqual(long);
  });

  it('keep repeated doubling of an expression cheap', () => {
    const start = performance.now();
    let expr: Expr | undefined = h;
    for (let step = 0; step < 50; step++) expr = min(mul(expr, n), add(floorDiv(expr, 3), max(m, expr)));
    expect(expr).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('substitution', () => {
  it('replaces all symbols at once', () => {
    const swapped = substitute(
      sub(mul(2, n), m)!,
      new Map([
        ['n', m],
        ['m', n],
      ]),
    );
    expect(text(swapped)).toBe('2*m - n');
  });

  it('makes a constant of an expression without symbols left', () => {
    expect(substitute(ceilDiv(h, 2)!, new Map([['h', 7]]))).toBe(4);
  });

  it('gives undefined where dimensions do not broadcast', () => {
    const both = broadcastDims(n, m);
    if (both === 'conflict' || both.dim === undefined) throw new Error('expected an atom');
    expect(
      substitute(
        both.dim,
        new Map([
          ['n', 2],
          ['m', 3],
        ]),
      ),
    ).toBeUndefined();
    expect(substitute(both.dim, new Map([['n', 4]]))).toBe(4);
    expect(substitute(both.dim, new Map([['n', -4]]))).toBeUndefined();
  });

  it('knows nothing about a symbol without a binding', () => {
    expect(evaluate(add(n, 1)!, new Map())).toBeUndefined();
    expect(evaluate(mul(n, 4)!, new Map([['n', 2 ** 52]]))).toBe(2n ** 54n);
    expect(evaluate(mul(mul(n, n), n)!, new Map([['n', 2 ** 52]]))).toBeUndefined();
  });

  it('lists symbols inside operations', () => {
    expect(symbolsOf(add(floorDiv(add(h, m), 2), min(n, 3))!)).toEqual(new Set(['h', 'm', 'n']));
    expect(symbolsOf(3)).toEqual(new Set());
  });
});

describe('for random expressions', () => {
  const runs = { numRuns: 3000 };
  const values = (tree: Tree, bindings: ReadonlyMap<string, number>) => ({
    expr: treeExpr(tree),
    expected: treeValue(tree, bindings),
  });

  it('every operation agrees with arithmetic on numbers', () => {
    fc.assert(
      fc.property(randomTree, randomBindings, (tree, bindings) => {
        const { expr, expected } = values(tree, bindings);
        fc.pre(expr !== undefined && expected !== undefined);
        expect(evaluate(expr!, bindings)).toBe(Number(expected));
      }),
      runs,
    );
  });

  it('bounds hold', () => {
    fc.assert(
      fc.property(randomTree, randomBindings, (tree, bindings) => {
        const { expr, expected } = values(tree, bindings);
        fc.pre(expr !== undefined && expected !== undefined);
        const low = lowerBound(expr);
        const high = upperBound(expr);
        if (low !== undefined) expect(Number(expected)).toBeGreaterThanOrEqual(Number(low));
        if (high !== undefined) expect(Number(expected)).toBeLessThanOrEqual(Number(high));
      }),
      runs,
    );
  });

  it('comparisons hold', () => {
    fc.assert(
      fc.property(randomTree, randomTree, randomBindings, (left, right, bindings) => {
        const a = values(left, bindings);
        const b = values(right, bindings);
        fc.pre(a.expected !== undefined && b.expected !== undefined);
        if (dimEquals(a.expr, b.expr)) expect(a.expected).toBe(b.expected);
        if (provablyDifferent(a.expr, b.expr)) expect(a.expected).not.toBe(b.expected);
        if (provablyAtLeast(a.expr, b.expr)) expect(a.expected! >= b.expected!).toBe(true);
      }),
      runs,
    );
  });

  it('sums and products have one key in any order and grouping', () => {
    fc.assert(
      fc.property(randomTree, randomTree, randomTree, (...trees) => {
        const [a, b, c] = trees.map(treeExpr);
        for (const combine of [add, mul]) {
          const left = combine(combine(a, b), c);
          const right = combine(a, combine(c, b));
          fc.pre(left !== undefined && right !== undefined);
          expect(dimKey(left!)).toBe(dimKey(right!));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('what is divided exactly multiplies back', () => {
    fc.assert(
      fc.property(randomTree, randomTree, (left, right) => {
        const a = treeExpr(left);
        const b = treeExpr(right);
        const quotient = divideExact(mul(a, b), b);
        fc.pre(quotient !== undefined);
        expect(dimKey(quotient!)).toBe(dimKey(a!));
      }),
      { numRuns: 1000 },
    );
  });

  it('multiples of the divisor move out of a floor', () => {
    fc.assert(
      fc.property(randomSum, randomSum, fc.integer({ min: 1, max: 9 }), (left, right, divisor) => {
        const a = treeExpr(left);
        const b = treeExpr(right);
        const whole = floorDiv(add(a, mul(divisor, b)), divisor);
        const parts = add(floorDiv(a, divisor), b);
        fc.pre(whole !== undefined && parts !== undefined);
        expect(dimKey(whole!)).toBe(dimKey(parts!));
      }),
      { numRuns: 1000 },
    );
  });

  it('text reads back as the same expression', () => {
    fc.assert(
      fc.property(randomTree, (tree) => {
        const expr = treeExpr(tree);
        fc.pre(expr !== undefined);
        const read = parseDim(formatDim(expr!))!;
        expect(dimKey(read)).toBe(dimKey(expr!));
      }),
      runs,
    );
  });

  it('substitution agrees with evaluation', () => {
    fc.assert(
      fc.property(randomTree, randomBindings, (tree, bindings) => {
        const { expr, expected } = values(tree, bindings);
        fc.pre(expr !== undefined && expected !== undefined);
        expect(substitute(expr!, bindings)).toBe(Number(expected));
        expect(substitute(expr!, new Map())).toEqual(expr);
      }),
      runs,
    );
  });

  it('any text is written as it was read', () => {
    const pieces = fc.constantFrom(
      'n',
      'm',
      '1',
      '2',
      ' + ',
      ' - ',
      '-',
      '*',
      '/',
      '(',
      ')',
      ', ',
      'floor(',
      'min(',
      'ü',
    );
    const source = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.array(pieces, { minLength: 1 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(source, (name) => {
        expect(text(parseDim(name))).toBe(name);
        expect(formatDim(symbol(name))).toBe(name);
      }),
      runs,
    );
  });
});

const operators = [
  'add',
  'sub',
  'mul',
  'floorDiv',
  'ceilDiv',
  'truncDiv',
  'mod',
  'fmod',
  'min',
  'max',
  'broadcast',
] as const;

type Operator = (typeof operators)[number];

/** An expression as it was asked for: what the algebra makes of it is compared with plain arithmetic on it. */
type Tree =
  | { readonly kind: 'constant'; readonly value: number | bigint }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: Operator; readonly left: Tree; readonly right: Tree };

const names = ['n', 'm', 'k'] as const;

const constantTree = fc.integer({ min: -9, max: 9 }).map((value): Tree => ({ kind: 'constant', value }));
const symbolTree = fc.constantFrom(...names).map((name): Tree => ({ kind: 'symbol', name }));

function treeOf(kinds: readonly Operator[]): fc.Arbitrary<Tree> {
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, depthSize: 'large' },
      constantTree,
      symbolTree,
      symbolTree,
      fc.record({ kind: fc.constantFrom(...kinds), left: tie('tree'), right: tie('tree') }),
      fc.record({ kind: fc.constantFrom(...kinds), left: tie('tree'), right: constantTree }),
    ),
  }));
  return tree;
}

const randomTree = treeOf(operators);

const randomSum = treeOf(['add', 'sub', 'mul']);

const randomBindings = fc
  .tuple(...names.map(() => fc.nat({ max: 12 })))
  .map((values) => new Map(names.map((name, index) => [name, values[index]!])));

function treeExpr(tree: Tree): Expr | undefined {
  if (tree.kind === 'constant') return tree.value;
  if (tree.kind === 'symbol') return symbol(tree.name);
  const left = treeExpr(tree.left);
  const right = treeExpr(tree.right);
  switch (tree.kind) {
    case 'add':
      return add(left, right);
    case 'sub':
      return sub(left, right);
    case 'mul':
      return mul(left, right);
    case 'floorDiv':
      return floorDiv(left, right);
    case 'ceilDiv':
      return ceilDiv(left, right);
    case 'truncDiv':
      return truncDiv(left, right);
    case 'mod':
      return mod(left, right);
    case 'fmod':
      return fmod(left, right);
    case 'min':
      return minOf([left, right]);
    case 'max':
      return maxOf([left, right]);
    case 'broadcast': {
      const dims = [asDim(left), asDim(right)];
      const result = dims.includes(undefined) ? 'conflict' : broadcastAll(dims);
      return result === 'conflict' ? undefined : result.dim;
    }
  }
}

/** undefined where the arithmetic fails: a division by 0, dimensions that do not broadcast. */
function treeValue(tree: Tree, bindings: ReadonlyMap<string, number>): bigint | undefined {
  if (tree.kind === 'constant') return BigInt(tree.value);
  if (tree.kind === 'symbol') return BigInt(bindings.get(tree.name)!);
  const a = treeValue(tree.left, bindings);
  const b = treeValue(tree.right, bindings);
  return a === undefined || b === undefined ? undefined : operate(tree.kind, a, b);
}

function operate(kind: Operator, a: bigint, b: bigint): bigint | undefined {
  const [low, high] = a < b ? [a, b] : [b, a];
  switch (kind) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'min':
      return low;
    case 'max':
      return high;
    case 'broadcast':
      if (a < 0n || b < 0n) return undefined;
      if (a === b || b === 1n) return a;
      return a === 1n ? b : undefined;
    default:
      return b === 0n ? undefined : divide(kind, a, b);
  }
}

function divide(kind: 'floorDiv' | 'ceilDiv' | 'truncDiv' | 'mod' | 'fmod', a: bigint, b: bigint): bigint {
  const remainder = a % b;
  switch (kind) {
    case 'truncDiv':
      return a / b;
    case 'fmod':
      return remainder;
    case 'mod':
      return (remainder + b) % b;
    case 'floorDiv':
      return (a - ((remainder + b) % b)) / b;
    case 'ceilDiv':
      return -((-a - (((-a % b) + b) % b)) / b);
  }
}
