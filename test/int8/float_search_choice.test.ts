import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chooseFloats } from '../../src/int8/float_search_choice.js';

const layer = (cost: number, ...noise: number[]) => ({ cost, noise });

it('takes no layer where the noise of all is allowed', () => {
  expect(chooseFloats([layer(1, 0.1), layer(1, 0.2)], [0.31])).toEqual(new Set());
});

it('takes the layer whose noise costs least to be rid of', () => {
  expect(chooseFloats([layer(100, 0.5), layer(1, 0.4), layer(1, 0.1)], [0.7])).toEqual(new Set([1]));
});

it('leaves out cheap layers that a dear one makes dispensable', () => {
  expect(chooseFloats([layer(1, 0.01), layer(50, 0.9), layer(1, 0.01)], [0.1])).toEqual(new Set([1]));
});

it('looks at every output', () => {
  expect(chooseFloats([layer(1, 0.5, 0), layer(1, 0, 0.5), layer(1, 0.1, 0.1)], [0.2, 0.2])).toEqual(new Set([0, 1]));
});

it('gives a set that is predicted to be good, none of whose layers could be returned', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const layers = fc.array(fc.record({ cost: fc.integer({ min: 1, max: 1000 }), noise: fc.tuple(share, share) }));
  fc.assert(
    fc.property(layers, share, share, (all, a, b) => {
      const allowed = [Math.max(a, 1e-3), Math.max(b, 1e-3)];
      const chosen = chooseFloats(all, allowed);
      const fits = (floats: ReadonlySet<number>) =>
        allowed.every(
          (most, output) => all.reduce((sum, { noise }, at) => sum + (floats.has(at) ? 0 : noise[output]!), 0) <= most,
        );
      expect(fits(chosen) || chosen.size === all.length).toBe(true);
      for (const each of chosen) expect(fits(new Set([...chosen].filter((other) => other !== each)))).toBe(false);
    }),
  );
});
