import sharp, { type Sharp } from 'sharp';
import type { Chooser } from './accuracy_words.js';

/** Families by name where the machine has them, by kind where not. */
const families = ["'DejaVu Sans', sans-serif", "'DejaVu Serif', serif", "'DejaVu Sans Mono', monospace"];

export type Ink = { readonly paper: string; readonly ink: string };

/** Dark on light or light on dark, at least 70 steps of 255 apart. */
export function inks(choose: Chooser): Ink {
  const dark = choose.integer(0, 100);
  const light = choose.integer(dark + 70, 255);
  const [paper, ink] = choose.chance(0.8) ? [light, dark] : [dark, light];
  return { paper: tinted(choose, paper), ink: tinted(choose, ink) };
}

function tinted(choose: Chooser, level: number): string {
  const channel = () => Math.round(Math.min(255, Math.max(0, level + choose.number(-20, 20))));
  return `rgb(${channel()},${channel()},${channel()})`;
}

/** The attributes of text in one of the families, upright or slanted, of any weight. */
export function typeface(choose: Chooser, size: number): string {
  const style = choose.chance(0.2) ? 'italic' : 'normal';
  const weight = choose.chance(0.3) ? 'bold' : 'normal';
  return `font-family="${choose.one(families)}" font-style="${style}" font-weight="${weight}" font-size="${size}"`;
}

export const svg = (width: number, height: number, body: string): Buffer =>
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${body}</svg>`);

export const rectangle = (width: number, height: number, fill: string): string =>
  `<rect width="${width}" height="${height}" fill="${fill}"/>`;

export const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export type Pixels = { readonly data: Uint8Array; readonly width: number; readonly height: number };

/** RGB, rows from above; blurred as a camera would, with noise on every channel, both of a strength that is chosen. */
export async function photograph(image: Sharp, choose: Chooser): Promise<Pixels> {
  const blur = choose.number(0, 1.2);
  const noise = choose.number(0, 12);
  const drawn = blur < 0.3 ? image : sharp(await image.png().toBuffer()).blur(blur);
  const { data, info } = await drawn.flatten().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  for (let index = 0; index < data.length; index += 1) {
    data[index] = Math.round(Math.min(255, Math.max(0, data[index]! + choose.number(-noise, noise))));
  }
  return { data, width: info.width, height: info.height };
}

/** [1, 3, height, width], blue first, (x / 255 − 0.5) / 0.5: as PP-OCR takes images. */
export function paddlePixels({ data, width, height }: Pixels): Float32Array {
  const plane = width * height;
  const values = new Float32Array(3 * plane);
  for (let index = 0; index < plane; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      values[(2 - channel) * plane + index] = data[index * 3 + channel]! / 127.5 - 1;
    }
  }
  return values;
}
