import path from 'node:path';
import { expect, it } from 'vitest';
import { countNodes } from '../../src/ir/traversal.js';
import { optimize } from '../../src/optimize.js';

const model = path.resolve(import.meta.dirname, '../../node_modules/@ricky0123/vad-web/dist/silero_vad_v6.onnx');

it('a voice detector with 25 nested branches keeps the one that its sampling rate decides', async () => {
  const { model: simplified, check } = await optimize({ model, target: 'portable' });
  const branches = [...simplified.graph.nodes].filter(({ opType }) => opType === 'If');
  expect(branches).toHaveLength(1);
  // Of 689; every one that is left in a branch stands in the main graph's If.
  expect(countNodes(simplified)).toBeLessThanOrEqual(64);
  expect(check).toMatchObject({ status: 'passed', comparison: { passed: true } });
});
