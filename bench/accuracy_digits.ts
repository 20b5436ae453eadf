import { everyNth, loadDigits } from '../fixtures/digits/digits_data.mjs';
import { floatTensor, tensorData } from '../src/ir/tensor.js';
import type { AccuracyItem, AccuracyTask, Answer, Score } from './accuracy_task.js';
import { digits } from './models.js';

type Digit = ReturnType<typeof loadDigits>[number];

export const digitsTask: AccuracyTask = {
  name: 'digits',
  title: 'digit classifier',
  metrics: { right: 'digits right', agrees: 'digits as float' },
  model: digits.file,
  calibration: async () => everyNth(loadDigits('training'), 35).map(({ image }) => feeds([image])),
  items: async (smoke) => {
    const samples = everyNth(loadDigits('held-back'), smoke ? 30 : 1);
    const batches = [];
    for (let start = 0; start < samples.length; start += 100) batches.push(item(samples.slice(start, start + 100)));
    return batches;
  },
};

function feeds(images: readonly Float32Array[]) {
  const data = new Float32Array(images.length * 784);
  for (const [index, image] of images.entries()) data.set(image, index * 784);
  return new Map([['image', floatTensor(data, [images.length, 1, 28, 28])]]);
}

function item(batch: readonly Digit[]): AccuracyItem {
  return {
    answer: (session) => session.run(feeds(batch.map(({ image }) => image))),
    judge(answer, float) {
      const [said, before] = [classes(answer), classes(float)];
      const count = (holds: (index: number) => boolean): Score => ({
        good: batch.filter((_, index) => holds(index)).length,
        of: batch.length,
      });
      return {
        right: count((index) => said[index] === batch[index]!.label),
        agrees: count((index) => said[index] === before[index]),
      };
    },
  };
}

function classes(answer: Answer): number[] {
  const logits = tensorData(answer.get('logits')!) as Float32Array;
  return Array.from({ length: logits.length / 10 }, (_, index) => {
    const scores = logits.subarray(index * 10, index * 10 + 10);
    return scores.indexOf(Math.max(...scores));
  });
}
