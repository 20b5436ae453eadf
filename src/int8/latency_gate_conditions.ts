import { hostCpu } from '../backends/ort/host.js';
import { openCalibrationData } from '../calibrate/calibrate.js';
import type { Feeds } from '../calibrate/sources/source.js';
import { type Diagnostic, DiagnosticError } from '../ir/diagnostic.js';
import { isDequantize, isQuantize } from '../passes/quantize/existing_pairs.js';
import { type FloatNodes, withFloats } from './int8_candidate.js';
import { type GateReport, gateLatency } from './latency_gate.js';
import { ortClock } from './latency_gate_clock.js';
import type { Int8Plan } from './quantize_int8.js';

/** Whether measured time decides which nodes stay in float. */
export type GateSettings = {
  /**
   * `latency`: the model is timed in the runtime, and what 8 bits do not make faster stays in float. The default where
   * that can be done and nobody has decided: the target is timed by the runtime here, its processor is this one, there
   * are samples to run, and neither `include` nor `floats` is given.
   */
  readonly gate?: 'latency' | 'none';
  /** How long to measure; 20 unless told. */
  readonly gateSeconds?: number;
};

const defaultSeconds = 20;

/**
 * Runs the latency gate where it was asked for, or where nothing was said and it can be, on a plan with nodes left in
 * float that a search for accuracy found.
 * @throws DiagnosticError `usage/gate-not-possible`.
 */
export async function applyGate(
  plan: Int8Plan,
  searched: FloatNodes,
): Promise<{ floats: FloatNodes; report: GateReport } | undefined> {
  const { gate, gateSeconds: seconds = defaultSeconds, include = [] } = plan.quantization;
  // Who gives a decision, or names the layers, has decided.
  if (gate === 'none' || (gate === undefined && (plan.areFloatsGiven || include.length > 0))) return undefined;
  const obstacle = obstacleTo(plan);
  if (obstacle !== undefined) {
    if (gate === undefined) return undefined;
    throw new DiagnosticError({ code: 'usage/gate-not-possible', message: `nothing can be timed: ${obstacle}` });
  }
  const feeds = await firstSample(plan);
  if (feeds === undefined) return undefined;
  plan.onProgress?.stage?.('timing');
  return gateLatency({ ...plan, quantization: withFloats(plan.quantization, searched) }, ortClock(feeds), {
    seconds,
    ...(plan.onProgress?.sample && { onStep: plan.onProgress.sample }),
  });
}

function obstacleTo({ model, target, cpu, placement, calibration }: Int8Plan): string | undefined {
  if (target.timedBy === undefined) return `${target.name} does not run here`;
  const { kind } = hostCpu();
  if (cpu !== kind) return `int8 is laid out for ${cpu}, and this processor is ${kind}`;
  if (calibration?.data === undefined) return 'there are no samples to run';
  if ([...model.graph.nodes].some((node) => isQuantize(node) || isDequantize(node)))
    return 'the model brought 8 bits along';
  return placement.computes.length === 0 ? 'nothing runs on 8 bits' : undefined;
}

async function firstSample({ model, calibration = {} }: Int8Plan): Promise<Feeds | undefined> {
  const source = await openCalibrationData(model, calibration.data, calibration);
  for await (const { feeds } of source.samples()) return feeds;
  return undefined;
}

/** What a user has to be told about a decision. */
export const gateDiagnostics = (report: GateReport): readonly Diagnostic[] =>
  report.chosen !== 'float'
    ? []
    : [
        {
          code: 'quantize/no-gain',
          severity: 'warning',
          message: `8 bits do not make the model faster here (${report.before.toFixed(2)} of its float time): it stays in float`,
          help: 'Give --gate none to have it on 8 bits anyway, for its size',
        },
      ];
