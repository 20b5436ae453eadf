import sharp from 'sharp';
import {
  escapeText,
  inks,
  type Pixels,
  paddlePixels,
  photograph,
  rectangle,
  svg,
  typeface,
} from './accuracy_drawing.js';
import { type Chooser, chooser, textLine } from './accuracy_words.js';

export type Box = { readonly left: number; readonly top: number; readonly width: number; readonly height: number };

/** Pages of 320×320 with lines of text between other shapes; the boxes hold the ink of each line. */
export async function textPage(seed: number): Promise<{ values: Float32Array; boxes: Box[] }> {
  const side = 320;
  const choose = chooser(seed);
  const { paper, ink } = inks(choose);
  const shapes = Array.from({ length: choose.integer(0, 4) }, () => blob(choose, side)).join('');
  const lines: string[] = [];
  for (let y = choose.integer(20, 50); y < side - 8; y += choose.integer(36, 70)) {
    const text = escapeText(textLine(choose, 3));
    lines.push(
      `<text x="${choose.integer(6, 90)}" y="${y}" ${typeface(choose, choose.integer(13, 30))}>${text}</text>`,
    );
  }
  const drawn = `${rectangle(side, side, paper)}${shapes}<g fill="${ink}">${lines.join('')}</g>`;
  const boxes = await Promise.all(lines.map((line) => inkBox(side, line)));
  const pixels = await photograph(sharp(svg(side, side, drawn)), choose);
  return { values: paddlePixels(pixels), boxes: boxes.filter((box) => box !== undefined) };
}

const blob = (choose: Chooser, side: number): string =>
  `<ellipse cx="${choose.number(0, side)}" cy="${choose.number(0, side)}" rx="${choose.number(5, 60)}" ry="${choose.number(5, 40)}" fill="${inks(choose).paper}" fill-opacity="0.35"/>`;

/** Where an element draws anything inside the picture; nothing where it lies outside. */
async function inkBox(side: number, element: string): Promise<Box | undefined> {
  const alone = sharp(svg(side, side, rectangle(side, side, '#fff') + element));
  const data = await alone.flatten().greyscale().raw().toBuffer();
  let [left, right, top, bottom] = [side, -1, side, -1];
  for (const [index, level] of data.entries()) {
    if (level > 128) continue;
    const [x, y] = [index % side, Math.floor(index / side)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return right < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** x and y of both ends. */
export type Segment = readonly [number, number, number, number];

/** 320×320 RGBA with alpha 1, as M-LSD takes it: four quadrangles that do not touch, and their edges. */
export async function quadrangles(seed: number): Promise<{ values: Float32Array; edges: Segment[] }> {
  const side = 320;
  const choose = chooser(seed);
  const edges: Segment[] = [];
  const shapes = [0, 1, 2, 3].map((cell) => {
    const [x, y] = [(cell % 2) * 160, Math.floor(cell / 2) * 160];
    const corner = (right: boolean, below: boolean) => [
      x + (right ? choose.number(100, 150) : choose.number(10, 60)),
      y + (below ? choose.number(100, 150) : choose.number(10, 60)),
    ];
    const corners = [corner(false, false), corner(true, false), corner(true, true), corner(false, true)];
    for (const [index, [x0, y0]] of corners.entries()) {
      const [x1, y1] = corners[(index + 1) % 4]!;
      edges.push([x0!, y0!, x1!, y1!]);
    }
    return `<polygon points="${corners.map((point) => point.join(',')).join(' ')}" fill="${inks(choose).ink}" stroke="${inks(choose).ink}" stroke-width="${choose.number(0, 3)}"/>`;
  });
  const drawn = svg(side, side, rectangle(side, side, inks(choose).paper) + shapes.join(''));
  const { data } = await photograph(sharp(drawn), choose);
  const values = new Float32Array(side * side * 4).fill(1);
  for (let index = 0; index < side * side; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) values[index * 4 + channel] = data[index * 3 + channel]!;
  }
  return { values, edges };
}

/** 128×128 RGB in −1…1 with one drawn face, and the square around eyes and mouth that BlazeFace is to find. */
export async function faceScene(seed: number): Promise<{ values: Float32Array; face: Box }> {
  const side = 128;
  const choose = chooser(seed);
  const r = choose.number(14, 42);
  const [x, y] = [choose.number(r, side - r), choose.number(r, side - r)];
  const shapes = Array.from({ length: choose.integer(0, 5) }, () => blob(choose, side)).join('');
  const turn = `rotate(${choose.number(-12, 12)} ${x} ${y})`;
  const drawn = `${rectangle(side, side, inks(choose).paper)}${shapes}<g transform="${turn}">${faceAt(x, y, r, choose)}</g>`;
  const pixels: Pixels = await photograph(sharp(svg(side, side, drawn)), choose);
  const width = 1.5 * r;
  return {
    values: Float32Array.from(pixels.data, (level) => level / 127.5 - 1),
    face: { left: x - width / 2, top: y + 0.17 * r - width / 2, width, height: width },
  };
}

function faceAt(x: number, y: number, r: number, choose: Chooser): string {
  const skin = choose.one(['#e0b090', '#c98e6b', '#f0c8a8', '#8d5a3c', '#b57f5b']);
  const hair = choose.one(['#3a2618', '#1c1714', '#8a6a3a', '#6e6a66']);
  const eye = (to: number) => {
    const [ex, ey] = [x + to * 0.32 * r, y - 0.12 * r];
    return `<path d="M${x + to * 0.15 * r} ${y - 0.28 * r} Q${ex} ${y - 0.42 * r} ${x + to * 0.5 * r} ${y - 0.27 * r}"
      stroke="${hair}" stroke-width="${0.07 * r}" fill="none"/>
      <ellipse cx="${ex}" cy="${ey}" rx="${0.15 * r}" ry="${0.08 * r}" fill="#fff"/>
      <circle cx="${ex}" cy="${ey}" r="${0.075 * r}" fill="#2b1a10"/>`;
  };
  const smile = choose.number(0.6, 0.8);
  return `<radialGradient id="skin" cx=".45" cy=".4" r=".65"><stop offset=".7" stop-color="${skin}"/>
    <stop offset="1" stop-color="#5d3a2a"/></radialGradient>
    <ellipse cx="${x}" cy="${y - 0.15 * r}" rx="${0.95 * r}" ry="${1.15 * r}" fill="${hair}"/>
    <ellipse cx="${x}" cy="${y}" rx="${0.75 * r}" ry="${r}" fill="url(#skin)"/>${eye(-1)}${eye(1)}
    <path d="M${x} ${y - 0.1 * r} L${x - 0.12 * r} ${y + 0.25 * r} Q${x} ${y + 0.33 * r} ${x + 0.12 * r} ${y + 0.25 * r}"
      stroke="#6a4535" stroke-width="${0.04 * r}" fill="none"/>
    <path d="M${x - 0.28 * r} ${y + 0.52 * r} Q${x} ${y + 0.45 * r} ${x + 0.28 * r} ${y + 0.52 * r}
      Q${x} ${y + smile * r} ${x - 0.28 * r} ${y + 0.52 * r}" fill="#a03c3c"/>`;
}
