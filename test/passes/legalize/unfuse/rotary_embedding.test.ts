import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { keeps, type Single, unfuses, without } from './unfused.js';

/** Sums of two products of numbers up to 1. */
const tolerance = 1e-6;

const [batch, heads, length, size] = [2, 3, 4, 8];
const split = randomTensor([batch, heads, length, size], 1);
const joined = randomTensor([batch, length, heads * size], 1);
const table = (seed: number, half = size / 2) => randomTensor([6, half], seed);
const everyPosition = int64Tensor([0, 2, 1, 3, 5, 4, 0, 1], [batch, length]);
const named = intAttribute('num_heads', heads);
const interleaved = intAttribute('interleaved', 1);

describe('RotaryEmbedding of com.microsoft', () => {
  const ofAll = [everyPosition, table(2), table(3)];
  const offset = [int64Tensor([2]), table(2), table(3)];
  const partly = [everyPosition, table(2, 2), table(3, 2)];
  const cases: Record<string, Omit<Single, 'opType'>> = {
    'of joined heads': { inputs: [joined, ...ofAll], attributes: [named] },
    'whose heads only the angles tell': { inputs: [joined, ...ofAll] },
    'of split heads': { inputs: [split, ...ofAll] },
    'from one position on': { inputs: [joined, ...offset], attributes: [named] },
    'from one position on, of split heads': { inputs: [split, ...offset] },
    'of interleaved pairs': { inputs: [joined, ...ofAll], attributes: [named, interleaved] },
    'of a part of each head': {
      inputs: [joined, ...partly],
      attributes: [named, intAttribute('rotary_embedding_dim', 4)],
    },
    'of interleaved pairs in a part of each head': {
      inputs: [joined, ...partly],
      attributes: [named, interleaved, intAttribute('rotary_embedding_dim', 4)],
    },
  };
  for (const [name, node] of Object.entries(cases)) {
    for (const opset of [12, 18]) {
      for (const open of [false, true]) {
        it(`is spelled ${name} in opset ${opset}${open ? ' with an open batch' : ''}`, async () => {
          const rotary = { ...node, opset, open: open && node.inputs[1] === everyPosition, opType: 'RotaryEmbedding' };
          expect(await unfuses(rotary, tolerance)).toContain('Sub');
        });
      }
    }
  }

  it('stays where the size of a head is not known', async () => {
    const node = {
      opType: 'RotaryEmbedding',
      inputs: [joined, everyPosition, table(2, 5), table(3, 5)],
      attributes: [named],
    };
    expect(await keeps(node)).toContain('the angles are not known to be half of what is turned');
  });
});

describe('RotaryEmbedding of the standard', () => {
  const angles = [randomTensor([batch, length, size / 2], 2), randomTensor([batch, length, size / 2], 3)];
  const cases: Record<string, Omit<Single, 'opType'>> = {
    'of joined heads by position': { inputs: [joined, table(2), table(3), everyPosition], attributes: [named] },
    'of split heads by position': { inputs: [split, table(2), table(3), everyPosition] },
    'of angles for each position': { inputs: [split, ...angles] },
    'of interleaved pairs': { inputs: [split, ...angles], attributes: [interleaved] },
    'of a part of each head': {
      inputs: [split, table(2, 2), table(3, 2), everyPosition],
      attributes: [intAttribute('rotary_embedding_dim', 4)],
    },
  };
  for (const [name, node] of Object.entries(cases)) {
    it(`is spelled ${name}`, async () => {
      const rotary = { ...node, domain: '', opset: 23, opType: 'RotaryEmbedding' };
      expect(await unfuses(rotary, tolerance, without('RotaryEmbedding'))).not.toContain('RotaryEmbedding');
    });
  }
});
