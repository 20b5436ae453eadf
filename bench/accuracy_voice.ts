import path from 'node:path';
import { loadSpeech } from '../fixtures/speech/speech_data.mjs';
import type { OrtSession } from '../src/backends/ort/session.js';
import { openSession } from '../src/backends/ort/session.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import { Editor } from '../src/ir/editor.js';
import type { Model } from '../src/ir/graph.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { floatTensor, int64Tensor, type Tensor, tensorData } from '../src/ir/tensor.js';
import { optimize } from '../src/optimize.js';
import type { AccuracyItem, AccuracyTask } from './accuracy_task.js';
import { chooser } from './accuracy_words.js';
import { repository } from './models.js';

const frame = 512;
/** Samples of the frame before that version 6 reads again. */
const context = 64;

type Recording = { readonly samples: Float32Array; readonly speech: readonly boolean[] };

/** What frames are fed with, the model's memory included, and what it says: the chance that somebody speaks. */
type Listened = { readonly feeds: readonly Feeds[]; readonly chances: Float32Array };

export const voiceTask: AccuracyTask = {
  name: 'voice',
  title: 'Silero VAD v6 at 16 kHz',
  metrics: { right: 'frames of 32 ms right', agrees: 'frames as float' },
  model: atOneRate,
  async calibration(smoke, model) {
    const session = await openSession({ path: model });
    const feeds: Feeds[] = [];
    for (const { samples } of recordings('calibration', smoke ? 2 : 16)) {
      const listened = await listen(session, samples);
      feeds.push(...listened.feeds.filter((_, index) => index % 4 === 0));
    }
    await session.close();
    return feeds;
  },
  items: async (smoke) => recordings('test', smoke ? 4 : 48).map(item),
};

/** With the sampling rate a constant and its branch in place, for tools that do not look into branches. */
async function atOneRate(): Promise<Model> {
  const model = loadModel(path.join(repository, 'node_modules/@ricky0123/vad-web/dist/silero_vad_v6.onnx'));
  const editor = new Editor(model);
  const rate = model.graph.inputs.find(({ name }) => name === 'sr')!;
  editor.replaceAllUses(rate, editor.addInitializer(model.graph, int64Tensor([16000], []), 'rate'));
  editor.removeInput(rate);
  return (await optimize({ model, target: 'portable' })).model;
}

function item({ samples, speech }: Recording): AccuracyItem {
  return {
    async answer(session) {
      const { chances } = await listen(session, samples);
      return new Map([['output', floatTensor(chances)]]);
    },
    judge(answer, float) {
      const [said, before] = [answer, float].map((each) => tensorData(each.get('output')!) as Float32Array);
      const sides = speech.map((_, index) => said![index]! > 0.5);
      return {
        right: { good: sides.filter((side, index) => side === speech[index]).length, of: speech.length },
        agrees: { good: sides.filter((side, index) => side === before![index]! > 0.5).length, of: speech.length },
      };
    },
  };
}

async function listen(session: OrtSession, samples: Float32Array): Promise<Listened> {
  const feeds: Feeds[] = [];
  const chances: number[] = [];
  let state: Tensor = floatTensor(new Float32Array(256), [2, 1, 128]);
  for (let start = 0; start + frame <= samples.length; start += frame) {
    const heard = new Float32Array(context + frame);
    heard.set(samples.subarray(Math.max(0, start - context), start + frame), start === 0 ? context : 0);
    const fed = new Map([
      ['input', floatTensor(heard, [1, heard.length])],
      ['state', state],
    ]);
    const results = await session.run(fed);
    state = results.get('stateN')!;
    chances.push((tensorData(results.get('output')!) as Float32Array)[0]!);
    feeds.push(fed);
  }
  return { feeds, chances: Float32Array.from(chances) };
}

/** Sentences between half a second of silence and more, each time at another loudness under another noise. */
function recordings(part: 'test' | 'calibration', count: number): Recording[] {
  const sentences = loadSpeech(part);
  return Array.from({ length: count }, (_, index) => {
    const choose = chooser((part === 'test' ? 0 : 10_000) + index);
    const sentence = sentences[index % sentences.length]!;
    const before = choose.integer(8000, 24000);
    const clean = new Float32Array(before + sentence.length + choose.integer(8000, 24000));
    const loudness = choose.number(0.2, 1);
    clean.set(
      sentence.map((value) => value * loudness),
      before,
    );
    return { samples: withNoise(clean, sentence, loudness, choose), speech: spokenFrames(clean, loudness) };
  });
}

/** White, low-passed, or hum with harmonics, 5 to 40 dB below the sentence. */
function withNoise(
  clean: Float32Array,
  sentence: Float32Array,
  loudness: number,
  choose: ReturnType<typeof chooser>,
): Float32Array {
  const kind = choose.integer(0, 2);
  const pitch = choose.number(50, 200);
  let last = 0;
  const noise = clean.map((_, index) => {
    const white = choose.number(-1, 1);
    last = 0.95 * last + white;
    if (kind === 0) return white;
    if (kind === 1) return last;
    const angle = (2 * Math.PI * pitch * index) / 16000;
    return Math.sin(angle) + 0.5 * Math.sin(2 * angle) + 0.3 * Math.sin(3 * angle) + 0.1 * white;
  });
  const strength = (rms(sentence) * loudness * 10 ** (-choose.number(5, 40) / 20)) / rms(noise);
  return clean.map((value, index) => Math.min(1, Math.max(-1, value + strength * noise[index]!)));
}

/** A frame is speech where it is within 30 dB of a full sentence, or stands in a gap of at most four frames. */
function spokenFrames(clean: Float32Array, loudness: number): boolean[] {
  const count = Math.floor(clean.length / frame);
  const loud = Array.from(
    { length: count },
    (_, index) => rms(clean.subarray(index * frame, (index + 1) * frame)) > 0.1 * loudness * 10 ** (-30 / 20),
  );
  return loud.map((is, index) => {
    if (is) return true;
    const reach = 4;
    const near = (from: number, to: number) => loud.slice(Math.max(0, from), to).lastIndexOf(true);
    const back = near(index - reach, index);
    const ahead = loud.slice(index + 1, index + 1 + reach).indexOf(true);
    if (back < 0 || ahead < 0) return false;
    const behind = Math.min(index, reach) - back;
    return behind + ahead <= reach;
  });
}

function rms(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
