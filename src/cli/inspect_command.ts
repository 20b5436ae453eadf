import { Command, InvalidArgumentError } from 'commander';
import type { CostSummary } from '../evaluate/cost_summary.js';
import type { ModelSummary } from '../evaluate/summary.js';
import { parseCount } from './data_options.js';

type Flags = {
  readonly json?: boolean;
  readonly text?: boolean;
  readonly dim: Readonly<Record<string, number>>;
  readonly top: number;
};

export const inspectCommand = (): Command =>
  new Command('inspect')
    .description('Show what a model is made of and what a run of it takes, without running it')
    .argument('<model>', 'ONNX file')
    .option('--json', 'print JSON')
    .option('--text', 'print every node')
    .option('--dim <name=size>', 'size of an open dimension of the inputs; may be given for each', parseSize, {})
    .option('--top <count>', 'how many of the nodes with the most multiplications to list', parseCount, 10)
    .addHelpText(
      'after',
      '\nExamples:\n  $ onnxopt inspect model.onnx\n  $ onnxopt inspect model.onnx --dim batch=1 --dim width=320\n  $ onnxopt inspect model.onnx --json | jq .operators',
    )
    .action(async (file: string, flags: Flags) => {
      const [{ loadModel }, { summarizeModel }, { summarizeCost }, { toJson }] = await Promise.all([
        import('../ir/onnx/files.js'),
        import('../evaluate/summary.js'),
        import('../evaluate/cost_summary.js'),
        import('./table.js'),
      ]);
      const model = loadModel(file);
      if (flags.text) {
        const { formatModel } = await import('../ir/text.js');
        process.stdout.write(`${formatModel(model)}\n`);
        return;
      }
      const summary = summarizeModel(model);
      const cost = summarizeCost(model, { dims: flags.dim, top: flags.top });
      process.stdout.write(
        `${flags.json ? toJson({ file, ...summary, cost }) : await describe(file, summary, cost)}\n`,
      );
    });

async function describe(file: string, summary: ModelSummary, cost: CostSummary): Promise<string> {
  const [{ formatBytes, formatTable }, { costLines, digits }] = await Promise.all([
    import('./table.js'),
    import('./cost_report.js'),
  ]);
  const opsets = Object.entries(summary.opsets).map(([domain, version]) => `${domain} ${version}`);
  const inner = [
    ...(summary.subgraphs > 0 ? [`${summary.subgraphs} subgraphs`] : []),
    ...(summary.functions > 0 ? [`${summary.functions} functions`] : []),
  ];
  const weights = Object.entries(summary.weightBytesByType).map(([type, bytes]) => `${type} ${formatBytes(bytes)}`);
  const lines = [
    file,
    `IR version ${summary.irVersion}, opset ${opsets.join(', ')}${summary.producer ? `, by ${summary.producer}` : ''}`,
    `${summary.nodes} nodes${inner.length > 0 ? ` (with ${inner.join(' and ')})` : ''}, ${summary.initializers} initializers, ${formatBytes(summary.weightBytes)} of constants${weights.length > 0 ? ` (${weights.join(', ')})` : ''}, ${digits(summary.parameters)} parameters`,
    ...summary.inputs.map(
      ({ name, type, hasDefault }) => `input   ${name}: ${type}${hasDefault ? ' (has a default)' : ''}`,
    ),
    ...summary.outputs.map(({ name, type }) => `output  ${name}: ${type}`),
    '',
    ...costLines(cost),
    '',
    formatTable([
      ['operator', 'nodes'],
      ...Object.entries(summary.operators).map(([name, count]) => [name, String(count)]),
    ]),
  ];
  if (summary.unknownOperators.length > 0) {
    lines.push('', `not known here, left as they are: ${summary.unknownOperators.join(', ')}`);
  }
  return lines.join('\n');
}

function parseSize(text: string, before: Readonly<Record<string, number>>): Record<string, number> {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('A name and a size are needed, such as batch=1.');
  return { ...before, [text.slice(0, at)]: parseCount(text.slice(at + 1)) };
}
