import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DiagnosticError } from '../../ir/diagnostic.js';
import type { Tensor } from '../../ir/tensor.js';
import { type ModelSource, openSession, type SessionOptions } from './session.js';

export type NodeTime = {
  /** Of the node that ran, which ONNX Runtime's optimizations may have made. */
  readonly name: string;
  readonly opType: string;
  /** Over all runs counted. A node with subgraphs includes the nodes inside, which are listed as well. */
  readonly microseconds: number;
};

export type Profile = {
  /** Runs counted. */
  readonly runs: number;
  /** The slowest first. */
  readonly nodes: readonly NodeTime[];
};

/**
 * Reads the JSON that a session with `profilePrefix` wrote when it was closed, leaving out the first `skipRuns` runs.
 * @throws DiagnosticError `ort/profile-unreadable` where it is no profile, or is cut short.
 */
export function parseProfile(json: string, skipRuns = 0): Profile {
  const events = readEvents(json);
  const runs = events.filter(({ category, name }) => category === 'Session' && name === 'model_run');
  const start = endOf(runs, Math.min(skipRuns, runs.length));
  const totals = new Map<string, NodeTime>();
  for (const event of events) {
    if (event.category !== 'Node' || !event.name.endsWith(kernelSuffix) || event.start < start) continue;
    const { node: index, opType } = event;
    const name = event.name.slice(0, -kernelSuffix.length);
    // Nameless nodes differ in their index, nodes of different subgraphs in their names.
    const key = JSON.stringify([index, name, opType]);
    const microseconds = (totals.get(key)?.microseconds ?? 0) + event.duration;
    totals.set(key, { name, opType, microseconds });
  }
  const nodes = [...totals.values()].sort((a, b) => b.microseconds - a.microseconds);
  return { runs: Math.max(0, runs.length - skipRuns), nodes };
}

/** Runs a model `runs` times after `warmup` times and tells where the time went. The profiler itself costs some. */
export async function profileModel(
  model: ModelSource,
  feeds: ReadonlyMap<string, Tensor>,
  { warmup = 3, runs = 20, ...options }: SessionOptions & { readonly warmup?: number; readonly runs?: number } = {},
): Promise<Profile> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-profile-'));
  try {
    const session = await openSession(model, { ...options, profilePrefix: path.join(folder, 'profile') });
    try {
      for (let run = 0; run < warmup + runs; run += 1) await session.run(feeds);
    } finally {
      await session.close();
    }
    const file = fs.readdirSync(folder).find((name) => name.endsWith('.json'));
    if (file === undefined) throw unreadable('ONNX Runtime wrote none');
    return parseProfile(fs.readFileSync(path.join(folder, file), 'utf8'), warmup);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** When the first `count` of them were over. */
function endOf(runs: readonly ProfileEvent[], count: number): number {
  const last = runs[count - 1];
  return last === undefined ? 0 : last.start + last.duration;
}

/** A node's event is named after the node, with this behind. */
const kernelSuffix = '_kernel_time';

type ProfileEvent = {
  readonly category: string;
  readonly name: string;
  readonly opType: string;
  readonly node: string;
  readonly start: number;
  readonly duration: number;
};

function readEvents(json: string): ProfileEvent[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw unreadable('it is not JSON, or is cut short', error);
  }
  if (!Array.isArray(parsed)) throw unreadable('it is not a list of events');
  return parsed.map((event: unknown) => {
    const args = member(event, 'args');
    return {
      category: String(member(event, 'cat')),
      name: String(member(event, 'name')),
      opType: String(member(args, 'op_name')),
      node: String(member(args, 'node_index')),
      start: Number(member(event, 'ts')),
      duration: Number(member(event, 'dur')),
    };
  });
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const unreadable = (message: string, cause?: unknown): DiagnosticError =>
  new DiagnosticError({ code: 'ort/profile-unreadable', message: `the profile cannot be read: ${message}` }, { cause });
