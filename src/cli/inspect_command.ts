import { Command } from 'commander';
import type { ModelSummary } from '../evaluate/summary.js';

type Flags = { readonly json?: boolean; readonly text?: boolean };

export const inspectCommand = (): Command =>
  new Command('inspect')
    .description('Show what a model is made of, without running it')
    .argument('<model>', 'ONNX file')
    .option('--json', 'print JSON')
    .option('--text', 'print every node')
    .addHelpText(
      'after',
      '\nExamples:\n  $ onnxopt inspect model.onnx\n  $ onnxopt inspect model.onnx --json | jq .operators',
    )
    .action(async (file: string, flags: Flags) => {
      const [{ loadModel }, { summarizeModel }, { toJson }] = await Promise.all([
        import('../ir/onnx/files.js'),
        import('../evaluate/summary.js'),
        import('./table.js'),
      ]);
      const model = loadModel(file);
      if (flags.text) {
        const { formatModel } = await import('../ir/text.js');
        process.stdout.write(`${formatModel(model)}\n`);
        return;
      }
      const summary = summarizeModel(model);
      process.stdout.write(`${flags.json ? toJson({ file, ...summary }) : await describe(file, summary)}\n`);
    });

async function describe(file: string, summary: ModelSummary): Promise<string> {
  const { formatBytes, formatTable } = await import('./table.js');
  const opsets = Object.entries(summary.opsets).map(([domain, version]) => `${domain} ${version}`);
  const inner = [
    ...(summary.subgraphs > 0 ? [`${summary.subgraphs} subgraphs`] : []),
    ...(summary.functions > 0 ? [`${summary.functions} functions`] : []),
  ];
  const weights = Object.entries(summary.weightBytesByType).map(([type, bytes]) => `${type} ${formatBytes(bytes)}`);
  const lines = [
    file,
    `IR version ${summary.irVersion}, opset ${opsets.join(', ')}${summary.producer ? `, by ${summary.producer}` : ''}`,
    `${summary.nodes} nodes${inner.length > 0 ? ` (with ${inner.join(' and ')})` : ''}, ${summary.initializers} initializers, ${formatBytes(summary.weightBytes)} of constants${weights.length > 0 ? ` (${weights.join(', ')})` : ''}`,
    ...summary.inputs.map(
      ({ name, type, hasDefault }) => `input   ${name}: ${type}${hasDefault ? ' (has a default)' : ''}`,
    ),
    ...summary.outputs.map(({ name, type }) => `output  ${name}: ${type}`),
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
