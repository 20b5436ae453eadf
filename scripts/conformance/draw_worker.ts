import { drawCase } from './draw_case.js';
import type { DrawAnswer, DrawQuestion } from './draw_pool.js';

// A process of `drawAll`: answers one question after the other until it is let go.

process.on('message', async ({ folder, options }: DrawQuestion) => {
  process.send?.(await answerTo(folder, options));
});

async function answerTo(folder: string, options: DrawQuestion['options']): Promise<DrawAnswer> {
  try {
    return { kind: 'counted', counts: await drawCase(folder, options) };
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
