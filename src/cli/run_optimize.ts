import fs from 'node:fs';
import { formatRanges } from '../calibrate/ranges_file.js';
import { findConfig, loadConfig } from '../config.js';
import { CheckFailedError } from '../evaluate/check.js';
import type { CastReport } from '../half/cast_to_half.js';
import { formatFloats } from '../int8/floats_file.js';
import type { GateReport } from '../int8/latency_gate.js';
import type { WeightReport } from '../int8/round_weights.js';
import { type Diagnostic, formatDiagnostic } from '../ir/diagnostic.js';
import { type OptimizeOptions, type OptimizeResult, optimize } from '../optimize.js';
import type { QuantizeWeightsResult } from '../quantize_weights.js';
import { castText } from './cast_report.js';
import { comparisonRows } from './comparison_rows.js';
import { progressBar } from './progress_bar.js';
import { searchLines } from './search_lines.js';
import { formatBytes, formatTable, toJson } from './table.js';

export type RunFlags = {
  /** Nothing is written without it. */
  readonly output?: string;
  readonly config?: string;
  readonly check?: boolean;
  readonly verify?: boolean;
  readonly externalData?: 'keep' | 'always' | 'never';
  readonly maxGrowth?: number;
  readonly fpContract?: 'strict' | 'default';
  readonly saveRanges?: string;
  /** Say what became of the cast, and nothing of a file. */
  readonly dryRun?: boolean;
  readonly saveFloats?: string;
  readonly report?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
};

/** What a command does with the merged options. */
export type Job = (options: OptimizeOptions) => Promise<JobResult>;

type JobResult = OptimizeResult & Partial<Pick<QuantizeWeightsResult, 'weights'>>;

/** Flags over configuration over defaults; then the job, and what it says. */
export async function runOptimize(
  model: string,
  flags: RunFlags,
  options: Partial<OptimizeOptions>,
  job: Job = optimize,
): Promise<void> {
  const configFile = flags.config ?? findConfig(process.cwd());
  const config = configFile === undefined ? {} : await loadConfig(configFile);
  const bar = progressBar(flags.quiet === true || flags.json === true);
  const onDiagnostic = (diagnostic: Diagnostic) => {
    if (!flags.quiet) warn(diagnostic);
  };
  let result: JobResult;
  try {
    result = await job({
      ...config,
      ...options,
      calibration: { ...config.calibration, ...options.calibration, onDiagnostic },
      ...mergedParts(config, options),
      ...(flags.check === false ? { check: false } : mergedCheck(config.check, options.check)),
      ...(flags.externalData && { save: { externalData: flags.externalData } }),
      ...(flags.maxGrowth !== undefined && { maxGrowthBytes: flags.maxGrowth }),
      ...(flags.fpContract && { fpContract: flags.fpContract }),
      ...(flags.verify && { verifyTypes: true }),
      model,
      ...(flags.output !== undefined && { output: flags.output }),
      onProgress: bar,
    });
  } catch (error) {
    bar.clear();
    if (error instanceof CheckFailedError && !flags.quiet) {
      process.stderr.write(`${formatTable(comparisonRows(error.comparison))}\nnothing was written\n`);
    }
    throw error;
  }
  bar.clear();
  if (flags.saveRanges !== undefined && result.quantization !== undefined) {
    fs.writeFileSync(flags.saveRanges, formatRanges(result.quantization));
  }
  if (flags.saveFloats !== undefined && result.quantization !== undefined) {
    fs.writeFileSync(flags.saveFloats, formatFloats(result.quantization.floatNodes));
  }
  if (flags.dryRun && result.cast !== undefined) {
    printPlan(model, result.cast, flags);
    return;
  }
  if (flags.json) process.stdout.write(`${toJson(jsonReport(model, result))}\n`);
  else if (!flags.quiet) process.stdout.write(`${textReport(model, result, flags.report === true)}\n`);
  if (!flags.quiet && !flags.json) for (const diagnostic of result.diagnostics) warn(diagnostic);
}

function printPlan(input: string, cast: CastReport, flags: RunFlags): void {
  if (flags.json) process.stdout.write(`${toJson({ input, cast: castForJson(cast) })}\n`);
  else if (!flags.quiet) {
    process.stdout.write(`${castText(cast, flags.report === true)}\n`);
    for (const diagnostic of cast.diagnostics) warn(diagnostic);
  }
}

/** Without the texts, which say the same. */
const castForJson = ({ description: _description, plan: _plan, diagnostics: _diagnostics, ...rest }: CastReport) =>
  rest;

const warn = (diagnostic: Diagnostic): void => {
  process.stderr.write(`${diagnostic.severity} ${formatDiagnostic(diagnostic)}\n`);
};

/** What a configuration says of a precision that flags replace by another does not count. */
function mergedParts(
  config: Partial<OptimizeOptions>,
  options: Partial<OptimizeOptions>,
): Pick<OptimizeOptions, 'quantization' | 'half'> {
  const precision = options.precision ?? config.precision ?? 'fp32';
  const isHalf = precision.endsWith('16');
  const isWhole = precision === 'fp16' || precision === 'bf16';
  const half = { ...(isHalf && config.half), ...options.half };
  return {
    quantization: { ...(!isWhole && config.quantization), ...options.quantization },
    ...(Object.keys(half).length > 0 && { half }),
  };
}

function mergedCheck(
  config: OptimizeOptions['check'],
  options: OptimizeOptions['check'],
): Pick<OptimizeOptions, 'check'> {
  if (options === undefined || options === false) return config === undefined ? {} : { check: config };
  return { check: { ...(config || {}), ...options } };
}

function jsonReport(input: string, { model: _model, quantization, cast, ...result }: JobResult): object {
  const {
    ranges: _ranges,
    floatNodes: _floatNodes,
    diagnostics: _diagnostics,
    ...rest
  } = quantization ?? { ranges: undefined, floatNodes: undefined, diagnostics: undefined };
  return {
    input,
    output: result.files?.model,
    ...result,
    ...(quantization && { quantization: rest }),
    ...(cast && { cast: castForJson(cast) }),
  };
}

function textReport(input: string, result: JobResult, withPasses: boolean): string {
  const { before, after, quantization, check, files } = result;
  const row = (name: string, a: number, b: number, format: (value: number) => string = String) => [
    name,
    format(a),
    format(b),
    a === 0 ? '' : `${(((b - a) / a) * 100).toFixed(1)} %`,
  ];
  const sections = [
    formatTable([
      ['', 'before', 'after', 'change'],
      ...(result.bytes ? [row('file', result.bytes.before, result.bytes.after, formatBytes)] : []),
      row('nodes', before.nodes, after.nodes),
      row('weights', before.weightBytes, after.weightBytes, formatBytes),
    ]),
  ];
  if (withPasses) {
    sections.push(passTable(result.passes), ...ruleTable(result.passes));
  }
  if (quantization !== undefined) sections.push(quantizationText(quantization, withPasses));
  if (result.cast !== undefined) sections.push(castText(result.cast, withPasses));
  if (result.weights?.scheme !== undefined) sections.push(weightsText(result.weights, withPasses));
  sections.push(
    check.status === 'skipped'
      ? `NOT CHECKED: ${check.reason}`
      : `${formatTable(comparisonRows(check.comparison))}\nchecked against the original on ${check.comparison.samples} samples (${check.data})`,
    ...(check.status === 'passed' ? check.comparison.retyped : []),
  );
  if (files) sections.push(`${input} => ${files.model}${files.data ? ` and ${files.data}` : ''}`);
  return sections.join('\n\n');
}

const passTable = (passes: OptimizeResult['passes']): string =>
  formatTable([
    ['pass', 'changes', 'nodes removed', 'added', 'weights', 'ms'],
    ...passes.map(({ pass, changes, removed, added, weightBytes, milliseconds }) => [
      pass,
      String(changes),
      String(removed),
      String(added),
      weightBytes === 0 ? '0 B' : `${weightBytes < 0 ? '-' : '+'}${formatBytes(Math.abs(weightBytes))}`,
      milliseconds.toFixed(1),
    ]),
  ]);

function ruleTable(passes: OptimizeResult['passes']): string[] {
  const counts = new Map<string, number>();
  for (const { fired } of passes) {
    for (const [rule, count] of Object.entries(fired)) counts.set(rule, (counts.get(rule) ?? 0) + count);
  }
  const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([rule, count]) => [rule, String(count)]);
  return rows.length === 0 ? [] : [formatTable([['rule', 'fired'], ...rows])];
}

function quantizationText(report: NonNullable<OptimizeResult['quantization']>, all: boolean): string {
  const { precision, cpu, eightBit, floats, samples, search, gate, weights } = report;
  const lines = [
    `${precision === 'int8' ? `int8 for ${cpu}` : precision}: ${eightBit} nodes on 8 bits, ${floats.length} left in float, calibrated on ${samples} samples`,
  ];
  const searched = search === undefined ? [] : searchLines(search, all);
  return [
    ...lines,
    ...(gate ? gateLines(gate, all) : []),
    ...floatLines(floats, all),
    ...(weights ? weightLines(weights, all) : []),
    ...searched,
  ].join('\n');
}

function weightLines({ rounded, corrected, left }: WeightReport, all: boolean): string[] {
  const counts = [
    ...(rounded.length > 0 ? [`learned rounding in ${rounded.length} layers`] : []),
    ...(corrected > 0 ? [`corrected biases in ${corrected} layers`] : []),
  ];
  const errors = rounded.map(({ node, error }) => `  rounded: ${node}: ${error.toFixed(3)} of the error of nearest`);
  const done = counts.length === 0 ? [] : [`  ${counts.join(', ')}`];
  return [...done, ...(all ? errors : []), ...reasonLines('as it was', left, all)];
}

function gateLines(gate: GateReport, all: boolean): string[] {
  const { before, after, chosen, regions, untimed, measurements, busy } = gate;
  const disturbed = '  other programs held the processor: decided by the processor time of one thread';
  const times = `${before.toFixed(2)} of its float time with all on 8 bits, ${after.toFixed(2)} as it is now`;
  const { runs, seconds } = measurements;
  const line = `latency gate: ${chosen === 'float' ? 'left in float, ' : ''}${times}; ${runs} runs in ${seconds.toFixed(0)} s`;
  const lost = regions.filter(({ kept }) => !kept);
  const shown = (all ? regions : lost).map(
    ({ nodes, ratio, kept }) => `  ${kept ? '8 bits' : 'float'}: ${nodes.join(', ')}: 8 bits take ${ratio.toFixed(3)}`,
  );
  return [
    line,
    ...(busy ? [disturbed] : []),
    ...shown,
    ...(untimed > 0 ? [`  ${untimed} parts were not timed: --gate-seconds gives more time`] : []),
  ];
}

function weightsText({ layers, floats }: QuantizeWeightsResult['weights'], all: boolean): string {
  const line = `${layers} ${layers === 1 ? 'layer has' : 'layers have'} quantized weights, ${floats.length} left in float`;
  return [line, ...floatLines(floats, all)].join('\n');
}

const floatLines = (floats: Reasons, all: boolean): string[] => reasonLines('float', floats, all);

type Reasons = QuantizeWeightsResult['weights']['floats'];

function reasonLines(label: string, nodes: Reasons, all: boolean): string[] {
  if (all) return nodes.map(({ node, reason }) => `  ${label}: ${node}: ${reason}`);
  const byReason = new Map<string, number>();
  for (const { reason } of nodes) byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
  return [...byReason].map(([reason, count]) => `  ${label}: ${count} × ${reason}`);
}
