import { Command, Option } from 'commander';
import type { CheckOptions } from '../evaluate/check.js';
import type { Comparison } from '../evaluate/compare.js';
import type { tolerances } from '../evaluate/tolerance.js';
import { addDataOptions, type DataFlags, openOptions, parseCount } from './data_options.js';

type Flags = DataFlags & {
  readonly data?: string;
  readonly limit?: number;
  readonly precision?: keyof typeof tolerances;
  readonly json?: boolean;
  readonly quiet?: boolean;
};

export const compareCommand = (): Command =>
  addDataOptions(
    new Command('compare')
      .description('Measure how far the outputs of one model are from those of another')
      .argument('<reference>', 'ONNX file')
      .argument('<candidate>', 'ONNX file')
      .option(
        '--data <path>',
        'samples: a folder, file, glob or module; random ones from the declared types without it',
      )
      .option('--limit <count>', 'samples to compare at most', parseCount, 32)
      .addOption(
        new Option('--precision <name>', 'what may differ follows from it (default: what the candidate shows)').choices(
          ['fp32', 'fp16', 'bf16', 'int8', 'int8-weights', 'int4'],
        ),
      )
      .option('--json', 'print JSON')
      .option('--quiet', 'print nothing but errors'),
  )
    .addHelpText('after', '\nExamples:\n  $ onnxopt compare model.onnx fast.onnx --data samples/')
    .action(async (referenceFile: string, candidateFile: string, flags: Flags) => {
      const [
        { loadModel },
        { apparentPrecision },
        { checkModel, CheckFailedError, halfCandidateOf },
        { ortRunner },
        { progressBar },
      ] = await Promise.all([
        import('../ir/onnx/files.js'),
        import('../evaluate/apparent_precision.js'),
        import('../evaluate/check.js'),
        import('../backends/ort/run.js'),
        import('./progress_bar.js'),
      ]);
      const { DiagnosticError } = await import('../ir/diagnostic.js');
      const reference = loadModel(referenceFile);
      const candidate = loadModel(candidateFile);
      const precision = flags.precision ?? apparentPrecision(candidate);
      const bar = progressBar(flags.quiet === true || flags.json === true);
      bar.stage?.('comparing');
      try {
        const options: CheckOptions = {
          ...openOptions(flags),
          ...(flags.data !== undefined && { data: flags.data }),
          limit: flags.limit ?? 32,
          ...(bar.sample && { onSample: bar.sample }),
        };
        const runner = ortRunner({ worker: true });
        const half = halfCandidateOf(reference, candidate);
        const check = await checkModel(reference, candidate, precision, runner, options, half);
        bar.clear();
        if (check.status === 'skipped') throw new DiagnosticError({ code: 'compare/not-run', message: check.reason });
        await print(check.comparison, flags);
        if (check.spelledOut !== undefined && !flags.quiet && !flags.json) {
          process.stdout.write(`the candidate was compared with its roundings spelled out: ${check.spelledOut}\n`);
        }
      } catch (error) {
        bar.clear();
        if (error instanceof CheckFailedError) await print(error.comparison, flags);
        throw error;
      }
    });

async function print(comparison: Comparison, flags: Flags): Promise<void> {
  const { formatTable, toJson } = await import('./table.js');
  if (flags.json) process.stdout.write(`${toJson(comparison)}\n`);
  else if (!flags.quiet) {
    const { comparisonRows } = await import('./comparison_rows.js');
    process.stdout.write(
      `${[...comparison.signature, ...comparison.retyped, formatTable(comparisonRows(comparison))].join('\n')}\n`,
    );
    process.stdout.write(
      `${comparison.samples} samples: ${comparison.passed ? 'within tolerance' : 'OUT OF TOLERANCE'}\n`,
    );
  }
}
