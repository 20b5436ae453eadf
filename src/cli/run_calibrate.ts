import fs from 'node:fs';
import path from 'node:path';
import { formatRanges } from '../calibrate/ranges_file.js';
import type { OpenSourceOptions } from '../calibrate/sources/open_source.js';
import type { Statistics } from '../calibrate/statistics.js';
import { formatStatistics } from '../calibrate/statistics_file.js';
import { calibrateModel, mergeShards, rangesFromStatistics } from '../calibrate_model.js';
import { DiagnosticError, formatDiagnostic } from '../ir/diagnostic.js';
import type { CalibrateFlags } from './calibrate_command.js';
import { progressBar } from './progress_bar.js';

export async function runCalibrate(
  model: string | undefined,
  flags: CalibrateFlags,
  reading: OpenSourceOptions,
): Promise<void> {
  const statistics = await statisticsOf(model, flags, reading);
  if (flags.shard !== undefined) writeWhole(flags.output, formatStatistics({ ...statistics, shard: flags.shard }));
  else {
    const ranges = formatRanges(rangesFromStatistics(statistics, flags));
    if (flags.saveStatistics !== undefined) writeWhole(flags.saveStatistics, formatStatistics(statistics));
    writeWhole(flags.output, ranges);
  }
  if (flags.quiet) return;
  const { samples, tensors } = statistics;
  process.stdout.write(`${tensors.size} tensors on ${samples} samples => ${flags.output}\n`);
}

async function statisticsOf(
  model: string | undefined,
  flags: CalibrateFlags,
  reading: OpenSourceOptions,
): Promise<Statistics> {
  const { merge, data, shard, limit, exclude } = flags;
  if (merge !== undefined) {
    const other = data !== undefined ? '--data' : shard !== undefined ? '--shard' : undefined;
    if (other !== undefined) throw usage(`--merge takes statistics, and ${other} goes with a run of the model`);
    return mergeShards(merge);
  }
  if (model === undefined || data === undefined) throw usage('a model and --data are needed, or --merge');
  const bar = progressBar(flags.quiet === true);
  try {
    return await calibrateModel({
      ...reading,
      model,
      data,
      ...(shard && { shard }),
      ...(limit !== undefined && { limit }),
      ...(exclude && { quantization: { exclude } }),
      ...(flags.target !== undefined && { target: flags.target }),
      ...(flags.cpu !== undefined && { cpu: flags.cpu }),
      ...(flags.precision && { precision: flags.precision }),
      onProgress: bar,
      onDiagnostic: (diagnostic) => {
        if (!flags.quiet) process.stderr.write(`${diagnostic.severity} ${formatDiagnostic(diagnostic)}\n`);
      },
    });
  } finally {
    bar.clear();
  }
}

const usage = (message: string): DiagnosticError =>
  new DiagnosticError({ code: 'usage/calibrate', message, help: 'onnxopt calibrate --help shows how' });

/** Beside its place first, so that nobody finds half a file. */
function writeWhole(file: string, text: string): void {
  const beside = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
  try {
    fs.writeFileSync(beside, text);
    fs.renameSync(beside, file);
  } catch (cause) {
    fs.rmSync(beside, { force: true });
    const message = `"${file}" cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new DiagnosticError({ code: 'save/failed', message }, { cause });
  }
}
