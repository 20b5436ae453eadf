import sharp from 'sharp';
import { readText, recognizerFile } from '../fixtures/lines/lines_data.mjs';
import { floatTensor, type Tensor, tensorData } from '../src/ir/tensor.js';
import { escapeText, inks, paddlePixels, photograph, rectangle, svg, typeface } from './accuracy_drawing.js';
import type { AccuracyItem, AccuracyTask, Answer } from './accuracy_task.js';
import { chooser, textLine } from './accuracy_words.js';

type Line = { readonly text: string; readonly image: Tensor };

/** Lines that are drawn as they are needed: seeds of the items begin at 0, those of calibration at 10,000. */
export const linesTask: AccuracyTask = {
  name: 'recognizer',
  title: 'PP-OCRv4 recognizer',
  metrics: { right: 'characters right (1 − error rate)', agrees: 'lines as float' },
  model: recognizerFile,
  calibration: async (smoke) => {
    const lines = await Promise.all(Array.from({ length: smoke ? 8 : 60 }, (_, index) => drawLine(10_000 + index)));
    return lines.map(({ image }) => new Map([['x', image]]));
  },
  items: async (smoke) => {
    const lines = await Promise.all(Array.from({ length: smoke ? 10 : 300 }, (_, index) => drawLine(index)));
    return lines.map(item);
  },
};

/** One line of text as high as the recognizer takes it. */
async function drawLine(seed: number): Promise<Line> {
  const choose = chooser(seed);
  const text = textLine(choose, 5);
  const { paper, ink } = inks(choose);
  const size = choose.integer(26, 44);
  const wide = 40 + Math.ceil(text.length * size * 0.95);
  const turn = choose.number(-0.6, 0.6);
  const body = `<text x="20" y="80" ${typeface(choose, size)} fill="${ink}" transform="rotate(${turn} 20 80)">${escapeText(text)}</text>`;
  const drawn = await sharp(svg(wide, 128, rectangle(wide, 128, paper) + body))
    .flatten()
    .trim({ threshold: 20 })
    .toBuffer();
  const [above, side] = [choose.integer(2, 8), choose.integer(4, 12)];
  const framed = sharp(drawn).extend({ top: above, bottom: above, left: side, right: side, background: paper });
  const pixels = await photograph(sharp(await framed.png().toBuffer()).resize({ height: 48 }), choose);
  return { text, image: floatTensor(paddlePixels(pixels), [1, 3, 48, pixels.width]) };
}

function item({ text, image }: Line): AccuracyItem {
  return {
    answer: (session) => session.run(new Map([['x', image]])),
    judge(answer, float) {
      const said = read(answer);
      return {
        right: { good: text.length - editDistance(said, text), of: text.length },
        agrees: { good: said === read(float) ? 1 : 0, of: 1 },
      };
    },
  };
}

function read(answer: Answer): string {
  const [output] = answer.values();
  return readText(tensorData(output!) as Float32Array, output!.dims).trim();
}

/** Fewest characters to put in, take out or replace. */
function editDistance(from: string, to: string): number {
  const [a, b] = [[...from], [...to]];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, character] of a.entries()) {
    const next = [index + 1];
    for (const [at, other] of b.entries()) {
      next.push(Math.min(row[at + 1]! + 1, next[at]! + 1, row[at]! + (character === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
