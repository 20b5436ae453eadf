import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../src');

/** Layers from the bottom up, by path prefix; a file belongs to the longest prefix that fits. */
const layers = [
  'ir/',
  'ir/ops/',
  'ir/onnx/',
  'passes/',
  'calibrate/',
  'backends/',
  'backends/ort/',
  'backends/tensorrt/',
  'evaluate/',
  '',
  'cli/',
] as const;

type Layer = (typeof layers)[number];

/** What each layer may import beside itself. */
const allowed: Record<Layer, readonly Layer[]> = {
  'ir/': [],
  'ir/ops/': ['ir/'],
  'ir/onnx/': ['ir/'],
  'passes/': ['ir/', 'ir/ops/'],
  'calibrate/': ['ir/', 'ir/ops/', 'ir/onnx/', 'passes/'],
  'backends/': ['ir/', 'ir/ops/', 'passes/', 'backends/ort/', 'backends/tensorrt/'],
  'backends/ort/': ['ir/', 'ir/ops/', 'ir/onnx/', 'passes/', 'calibrate/'],
  'backends/tensorrt/': ['ir/', 'ir/ops/', 'ir/onnx/', 'passes/', 'calibrate/'],
  'evaluate/': [
    'ir/',
    'ir/ops/',
    'ir/onnx/',
    'passes/',
    'calibrate/',
    'backends/',
    'backends/ort/',
    'backends/tensorrt/',
  ],
  '': [
    'ir/',
    'ir/ops/',
    'ir/onnx/',
    'passes/',
    'calibrate/',
    'backends/',
    'backends/ort/',
    'backends/tensorrt/',
    'evaluate/',
  ],
  'cli/': ['', 'ir/', 'ir/onnx/', 'passes/', 'calibrate/', 'evaluate/', 'backends/ort/'],
};

const layerOf = (file: string): Layer =>
  layers
    .filter((layer) => file.startsWith(layer))
    .reduce((best, layer) => (layer.length > best.length ? layer : best), '');

const files = fs
  .readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll(path.sep, '/'))
  .filter((file) => file.endsWith('.ts'));

type Import = { readonly from: string; readonly to: string };

const imports: readonly Import[] = files.flatMap((from) => {
  const text = fs.readFileSync(path.join(root, from), 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
  return specifiers
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({ from, to: path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts') }));
});

const packageImports = files.flatMap((from) => {
  const text = fs.readFileSync(path.join(root, from), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^'.][^']*)'/g)].map((match) => ({ from, to: match[1]! }));
});

describe('the layers of src', () => {
  it('finds the files and their imports', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(200);
    expect(imports.filter(({ to }) => !files.includes(to) && to !== '../package.json')).toEqual([]);
  });

  it('imports only upwards, as ARCHITECTURE.md says', () => {
    const wrong = imports.filter(
      ({ from, to }) => layerOf(from) !== layerOf(to) && !allowed[layerOf(from)].includes(layerOf(to)),
    );
    expect(wrong).toEqual([]);
  });

  it('sees protobuf in src/ir/onnx only', () => {
    const users = packageImports.filter(({ to }) => to.startsWith('protobufjs'));
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter(({ from }) => !from.startsWith('ir/onnx/'))).toEqual([]);
  });

  it('loads the runtime in src/backends/ort only, and never at start', () => {
    const users = packageImports.filter(({ to }) => to.startsWith('onnxruntime'));
    expect(users.length).toBeGreaterThan(0);
    for (const { from } of users) {
      expect(from.startsWith('backends/ort/')).toBe(true);
      const text = fs.readFileSync(path.join(root, from), 'utf8');
      const atStart = [...text.matchAll(/^import (?!type)[^;]*?from 'onnxruntime[^']*'/gm)];
      expect(atStart.map(([line]) => `${from}: ${line}`)).toEqual([]);
    }
  });

  it('changes graphs through the editor only', () => {
    const users = imports.filter(({ to }) => to === 'ir/graph_storage.ts');
    expect(users.map(({ from }) => from)).toEqual(['ir/editor.ts', 'ir/editor_bookkeeping.ts', 'ir/graph_editor.ts']);
  });

  it('has no cycle between files of different folders', () => {
    const graph = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]));
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[][] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        const cycle = trail.slice(trail.indexOf(file));
        if (new Set(cycle.map((each) => path.posix.dirname(each))).size > 1) cycles.push([...cycle]);
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
