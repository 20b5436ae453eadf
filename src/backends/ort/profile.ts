import { DiagnosticError } from '../../ir/diagnostic.js';

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
 * Reads the JSON that ONNX Runtime writes with `enableProfiling` when the profiling ends, leaving out the first `skipRuns` runs.
 * @throws DiagnosticError `ort/profile-unreadable` where it is no profile, or is cut short.
 */
export function parseProfile(json: string, skipRuns = 0): Profile {
  const events = readEvents(json);
  const runs = events.filter(({ category, name }) => category === 'Session' && name === 'model_run');
  const lastSkipped = runs[skipRuns - 1];
  const start = lastSkipped === undefined ? 0 : lastSkipped.start + lastSkipped.duration;
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
