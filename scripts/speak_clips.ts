// Speaks the sentences of fixtures/speech/clips.json with espeak-ng (https://github.com/espeak-ng/espeak-ng) and writes them
// as bare 8-bit codes of µ-law, 16,000 a second. What a synthesizer says is not under its licence; the sentences are this repository's own.
//   npx jiti scripts/speak_clips.ts
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

type Clip = { readonly voice: string; readonly speed: number; readonly text: string };

const rate = 16000;
const folder = path.resolve(import.meta.dirname, '../fixtures/speech');
const clips = JSON.parse(fs.readFileSync(path.join(folder, 'clips.json'), 'utf8')) as Record<string, Clip>;

for (const [name, { voice, speed, text }] of Object.entries(clips)) {
  const wav = execFileSync('espeak-ng', ['-v', voice, '-s', String(speed), '--stdout', text], { maxBuffer: 2 ** 26 });
  const spoken = resample(wav.readUInt32LE(24), wav.subarray(44));
  const peak = spoken.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  fs.writeFileSync(path.join(folder, name), muLaw(spoken.map((value) => (value * 0.6) / peak)));
}

/** 16-bit samples of `from` Hz, as −1…1 at 16 kHz: a sinc of 16 zero crossings under a Hann window. */
function resample(from: number, bytes: Buffer): Float64Array {
  const count = Math.floor(bytes.length / 2);
  const cutoff = rate / from;
  const reach = 16 / cutoff;
  return Float64Array.from({ length: Math.floor(count * cutoff) }, (_, index) => {
    const center = index / cutoff;
    let sum = 0;
    for (let at = Math.max(0, Math.ceil(center - reach)); at <= Math.min(count - 1, center + reach); at += 1) {
      const x = Math.PI * (at - center);
      const sinc = x === 0 ? cutoff : Math.sin(x * cutoff) / x;
      sum += (bytes.readInt16LE(at * 2) / 32768) * sinc * (0.5 + 0.5 * Math.cos(x / reach));
    }
    return sum;
  });
}

/** The continuous form of µ-law, sign(x) · ln(1 + 255 |x|) / ln 256, in seven bits below one that is set for x ≥ 0. */
function muLaw(samples: Float64Array): Buffer {
  return Buffer.from(
    Uint8Array.from(samples, (value) => {
      const code = Math.round((127 * Math.log1p(255 * Math.abs(value))) / Math.log(256));
      return value < 0 ? code : code | 0x80;
    }),
  );
}
