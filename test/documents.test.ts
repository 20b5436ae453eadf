import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8');

/** Every file and folder of ours, from the root of the repository, with a slash in front and none behind. */
const places = ['src', 'test', 'scripts', 'bench', 'fixtures'].flatMap((folder) => [
  `/${folder}`,
  ...fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((place) => `/${folder}/${place.split(path.sep).join('/')}`),
]);

/** Documents name places from the root or from anywhere below: `ir/dim.ts` is `src/ir/dim.ts`. */
const exists = (place: string): boolean => {
  const name = `/${place.replace(/\/$/, '')}`;
  return fs.existsSync(path.join(root, place)) || places.some((each) => each.endsWith(name));
};

type Fence = { readonly info: string; readonly text: string };

/** Blocks between fences, without the indentation of the fence. */
function fences(text: string): Fence[] {
  const found: Fence[] = [];
  for (const [, indent, info, body] of text.matchAll(/^( *)```([^\n`]*)\n([\s\S]*?)^\1```$/gm)) {
    const lines = body!.split('\n').map((line) => (line.startsWith(indent!) ? line.slice(indent!.length) : line));
    found.push({ info: info!, text: lines.join('\n').trimEnd() });
  }
  return found;
}

/** As it stands in a file, at whatever depth. */
const withoutIndentation = (text: string): string => text.replace(/^[ \t]+/gm, '');

const inlineCode = (text: string): string[] =>
  [...text.replace(/^ *```[\s\S]*?^ *```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);

const isPlace = (code: string): boolean =>
  /^[\w./-]+$/.test(code) && (/\.(ts|md|json|mjs|py)$/.test(code) || /\w\/$/.test(code) || /^\w+\/[\w/]+$/.test(code));

describe.each(['ARCHITECTURE.md', 'CONTRIBUTING.md'])('%s', (document) => {
  const text = read(document);

  it('names only files and folders that exist', () => {
    const named = inlineCode(text).filter(isPlace);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((place) => !exists(place))).toEqual([]);
  });
});

describe('links between documents', () => {
  const documents = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...fs.readdirSync(path.join(root, 'docs')).map((file) => `docs/${file}`),
  ];

  it.each(documents)('lead somewhere from %s', (document) => {
    const links = [...read(document).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
    const missing = links.filter((link) => !fs.existsSync(path.join(root, path.dirname(document), link)));
    expect(missing).toEqual([]);
  });
});

describe('the excerpts of CONTRIBUTING.md', () => {
  const excerpts = fences(read('CONTRIBUTING.md')).flatMap(({ info, text }) => {
    const [, file] = info.split(' ');
    return file === undefined ? [] : [{ file, text }];
  });

  it('show a schema, rules, traits and tests', () => {
    expect(new Set(excerpts.map(({ file }) => file)).size).toBeGreaterThanOrEqual(5);
  });

  it.each(excerpts)('are the code of $file', ({ file, text }) => {
    expect(withoutIndentation(read(file))).toContain(withoutIndentation(text));
  });
});
