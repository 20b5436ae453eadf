import fs from 'node:fs';
import path from 'node:path';
import { type OrtSession, openSession } from '../../src/backends/ort/session.js';
import type { RunningModel } from '../../src/calibrate/runner.js';
import { samplesThatRun } from '../../src/evaluate/check_samples.js';
import { signatureDifferences } from '../../src/evaluate/compare.js';
import { ErrorAccumulator } from '../../src/evaluate/output_error.js';
import { tolerances, toleranceViolation } from '../../src/evaluate/tolerance.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import type { Model } from '../../src/ir/graph.js';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { firstDifference } from '../../src/ir/onnx/wire_compare.js';
import type { Tensor } from '../../src/ir/tensor.js';
import { verifyModel } from '../../src/ir/verifier.js';
import { optimize } from '../../src/optimize.js';
import type { TargetProfile } from '../../src/passes/target_profile.js';
import type { Case } from './cases.js';

export type Verdict =
  | { readonly status: 'same' }
  /** The runtime does not load or run the model as it came; there is nothing to compare. */
  | { readonly status: 'unsupported'; readonly reason: string }
  | { readonly status: 'differs'; readonly reason: string };

/** `optimized` by target; empty where it was not asked for or the round trip is broken. */
export type CaseVerdicts = { readonly roundTrip: Verdict; readonly optimized: ReadonlyMap<string, Verdict> };

type Feeds = ReadonlyMap<string, Tensor>;

/**
 * Decodes and encodes a model, then optimizes it to fp32 for each target, and compares all with what the original gives
 * in ONNX Runtime on the CPU: the first bit by bit, the others within float rounding.
 */
export async function checkCase(test: Case, targets: readonly TargetProfile[]): Promise<CaseVerdicts> {
  const bytes = fs.readFileSync(test.model);
  const folder = path.dirname(path.resolve(test.model));
  const model = decodeModel(bytes, { folder });
  const encoded = encodeModel(model);
  const static_ = staticFault(bytes, encoded, model);
  if (static_ !== undefined) return { roundTrip: differs(static_), optimized: new Map() };
  const original = await tryOpen(bytes);
  if (typeof original === 'string') return all(unsupported(original), targets);
  try {
    const feeds = await feedsFor(test, model, original);
    if (typeof feeds === 'string') return all(unsupported(feeds), targets);
    const expected = await runAll(original, feeds);
    if (typeof expected === 'string') return all(unsupported(expected), targets);
    const roundTrip = await compareWith(encoded, feeds, expected, sameBits);
    return { roundTrip, optimized: await checkTargets(model, targets, feeds, expected) };
  } finally {
    await original.close();
  }
}

/** Targets that make the same bytes of a model share a run. */
async function checkTargets(
  model: Model,
  targets: readonly TargetProfile[],
  feeds: readonly Feeds[],
  expected: readonly ReadonlyMap<string, Tensor>[],
): Promise<ReadonlyMap<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  const known = new Map<string, Verdict>();
  for (const target of targets) {
    const { model: rewritten } = await optimize({ model, target, check: false, verifyTypes: true });
    const bytes = encodeModel(rewritten);
    const key = Buffer.from(bytes).toString('latin1');
    const changes = signatureDifferences(model, rewritten);
    const verdict =
      changes.length > 0
        ? differs(changes.join('; '))
        : (known.get(key) ?? (await compareWith(bytes, feeds, expected, withinRounding, target)));
    known.set(key, verdict);
    verdicts.set(target.name, verdict);
  }
  return verdicts;
}

const differs = (reason: string): Verdict => ({ status: 'differs', reason });
const unsupported = (reason: string): Verdict => ({ status: 'unsupported', reason });
const all = (verdict: Verdict, targets: readonly TargetProfile[]): CaseVerdicts => ({
  roundTrip: verdict,
  optimized: new Map(targets.map(({ name }) => [name, verdict])),
});

function staticFault(bytes: Uint8Array, encoded: Uint8Array, model: Model): string | undefined {
  const difference = firstDifference(bytes, encoded);
  if (difference !== undefined) return `field ${difference}`;
  const broken = verifyModel(model).find(({ severity }) => severity === 'error');
  if (broken !== undefined) return `${broken.code}: ${broken.message}`;
  return Buffer.compare(encodeModel(decodeModel(encoded)), encoded) === 0 ? undefined : 'encoding is not stable';
}

async function tryOpen(bytes: Uint8Array): Promise<OrtSession | string> {
  try {
    return await openSession({ bytes });
  } catch (error) {
    return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof DiagnosticError) return error.diagnostic.message;
  throw error;
}

async function feedsFor(test: Case, model: Model, original: RunningModel): Promise<readonly Feeds[] | string> {
  if (test.inputs === 'unreadable') return 'the JavaScript binding takes tensors only';
  if (test.inputs !== undefined) {
    return test.inputs.map(
      (tensors) => new Map(tensors.map((tensor, i) => [model.graph.inputs[i]?.name ?? '', tensor])),
    );
  }
  const { source, reason } = await samplesThatRun(model.graph, original);
  if (source === undefined) return reason ?? 'no input could be made';
  const feeds: Feeds[] = [];
  for await (const sample of source.samples()) feeds.push(sample.feeds);
  return feeds;
}

async function runAll(session: RunningModel, feeds: readonly Feeds[]): Promise<ReadonlyMap<string, Tensor>[] | string> {
  try {
    const results = [];
    for (const each of feeds) results.push(await session.run(each));
    return results;
  } catch (error) {
    return messageOf(error);
  }
}

const notImplemented = /could not find an implementation|not implemented/i;

type Compare = (expected: Tensor, actual: Tensor) => string | undefined;

async function compareWith(
  bytes: Uint8Array,
  feeds: readonly Feeds[],
  expected: readonly ReadonlyMap<string, Tensor>[],
  compare: Compare,
  target?: TargetProfile,
): Promise<Verdict> {
  const session = await tryOpen(bytes);
  if (typeof session === 'string') {
    // What another target runs need not run here; what is for this runtime must.
    const elsewhere = target !== undefined && target.name !== 'ort-cpu' && notImplemented.test(session);
    return elsewhere ? unsupported(session) : differs(`does not load: ${session}`);
  }
  try {
    const results = await runAll(session, feeds);
    if (typeof results === 'string') return differs(`does not run: ${results}`);
    for (const [index, outputs] of expected.entries()) {
      for (const [name, tensor] of outputs) {
        const actual = results[index]!.get(name);
        const reason = actual === undefined ? 'is missing' : compare(tensor, actual);
        if (reason !== undefined) return differs(`output "${name}" ${reason}`);
      }
    }
    return { status: 'same' };
  } finally {
    await session.close();
  }
}

const typeText = ({ dtype, dims }: Tensor): string => `${dtype}[${dims}]`;

function sameBits(expected: Tensor, actual: Tensor): string | undefined {
  if (typeText(expected) !== typeText(actual)) return `is ${typeText(actual)}, was ${typeText(expected)}`;
  const strings = (tensor: Tensor) => (tensor.strings ?? []).map((text) => Buffer.from(text).toString('hex')).join();
  const same = Buffer.compare(expected.storage.bytes(), actual.storage.bytes()) === 0;
  return same && strings(expected) === strings(actual) ? undefined : 'has other bits';
}

function withinRounding(expected: Tensor, actual: Tensor): string | undefined {
  if (typeText(expected) !== typeText(actual)) return `is ${typeText(actual)}, was ${typeText(expected)}`;
  const errors = new ErrorAccumulator();
  errors.add(expected, actual);
  return toleranceViolation(errors.result(), { ...tolerances.fp32, discrete: 0 });
}
