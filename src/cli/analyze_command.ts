import { type AccuracyFigures, analyzeSensitivity, type SensitivityReport } from '../analyze_sensitivity.js';
import { findConfig, loadConfig } from '../config.js';
import { type Diagnostic, formatDiagnostic } from '../ir/diagnostic.js';
import { type AnalyzeFlags, analyzeOptions } from './analyze_options.js';
import { progressBar } from './progress_bar.js';
import { formatNumber, formatTable, toJson } from './table.js';

/** What `quantize --analyze` does: flags over configuration; then the ranking, as a table or JSON. */
export async function runAnalyze(model: string, flags: AnalyzeFlags): Promise<void> {
  const configFile = flags.config ?? findConfig(process.cwd());
  const config = configFile === undefined ? {} : await loadConfig(configFile);
  const options = analyzeOptions(flags);
  const { labels, metric, metricOutput, samples } = config.quantization ?? {};
  const bar = progressBar(flags.quiet === true || flags.json === true);
  const onDiagnostic = (diagnostic: Diagnostic) => {
    if (!flags.quiet) process.stderr.write(`${diagnostic.severity} ${formatDiagnostic(diagnostic)}\n`);
  };
  let report: SensitivityReport;
  try {
    report = await analyzeSensitivity({
      ...(config.target !== undefined && { target: config.target }),
      ...(config.cpu !== undefined && { cpu: config.cpu }),
      ...(labels !== undefined && { labels }),
      ...(metric !== undefined && { metric }),
      ...(metricOutput !== undefined && { metricOutput }),
      ...(samples !== undefined && { samples }),
      ...options,
      calibration: { ...config.calibration, ...options.calibration, onDiagnostic },
      quantization: { ...config.quantization, ...options.quantization },
      model,
      onProgress: bar,
    });
  } finally {
    bar.clear();
  }
  if (flags.json) process.stdout.write(`${toJson({ input: model, ...report })}\n`);
  else if (!flags.quiet) process.stdout.write(`${textReport(report)}\n`);
}

function textReport({ cpu, samples, metric, together, layers }: SensitivityReport): string {
  const headings = [
    'layer',
    'operator',
    'operations',
    'SQNR dB',
    'worst output',
    ...(metric ? [metric.name, 'drop'] : []),
  ];
  const row = (name: string, operator: string, cost: string, figures: AccuracyFigures) => [
    name,
    operator,
    cost,
    formatNumber(figures.sqnr),
    worstOf(figures),
    ...(metric ? [formatNumber(figures.metric ?? Number.NaN), formatNumber(figures.drop ?? Number.NaN)] : []),
  ];
  const rows = layers.map((layer) => row(layer.node, layer.operator, layer.cost.toPrecision(3), layer));
  const float = metric === undefined ? '' : `; ${metric.name} of float: ${formatNumber(metric.float)}`;
  return [
    formatTable([headings, ...rows, row('all together', '', '', together)]),
    `${layers.length} layers for ${cpu}, each alone on 8 bits, on ${samples} samples${float}`,
  ].join('\n\n');
}

const worstOf = ({ outputs, sqnr }: AccuracyFigures): string =>
  sqnr === Number.POSITIVE_INFINITY ? '' : (outputs.find((output) => output.sqnr === sqnr)?.name ?? '');
