import { describe, expect, it } from 'vitest';
import { compareNatural } from '../../../src/calibrate/sources/natural_order.js';

describe('compareNatural', () => {
  it('orders numbers in names by value', () => {
    const names = ['s10.npy', 's9.npy', 's1.npy', 's01.npy', 's2.b.npy', 's2.a.npy', 'S3.npy', 's'];
    expect(names.sort(compareNatural)).toEqual([
      'S3.npy',
      's',
      's01.npy',
      's1.npy',
      's2.a.npy',
      's2.b.npy',
      's9.npy',
      's10.npy',
    ]);
  });

  it('orders numbers larger than any integer type', () => {
    expect(compareNatural(`a${'9'.repeat(40)}`, `a1${'0'.repeat(40)}`)).toBeLessThan(0);
  });
});
