import { Command } from 'commander';
import type { LintFinding, LintResult } from '../lint.js';

type Flags = {
  readonly target?: string;
  readonly cpu?: string;
  readonly fix?: boolean;
  readonly output?: string;
  readonly json?: boolean;
};

export const lintCommand = (): Command =>
  new Command('lint')
    .description('Which Q/DQ pairs break a fusion or a rule of a target, and how to mend them')
    .argument('<model>', 'ONNX file')
    .option('--target <name>', 'what the model is to run on (default: ort-cpu)')
    .option('--cpu <kind>', 'processor whose int8 the rules are of (default: this one)')
    .option('--fix', 'apply the mends that change no result, or bring it no further from the float model')
    .option('-o, --output <file>', 'where the mended model is written, with --fix')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Exit codes: 0 nothing was found, or nothing is left; 1 something was

Examples:
  $ onnxopt lint model.onnx --target tensorrt@10
  $ onnxopt lint model.onnx --target tensorrt@11 --fix -o mended.onnx
  $ onnxopt lint model.onnx --target tensorrt@10 --json | jq -r '.findings[].code' | sort | uniq -c`,
    )
    .action(async (model: string, flags: Flags, command: Command) => {
      if ((flags.fix === true) !== (flags.output !== undefined)) {
        command.error('error: --fix and --output go together', { exitCode: 2, code: 'commander.missingArgument' });
        return;
      }
      const [{ lintModel }, { saveModel }, { toJson }] = await Promise.all([
        import('../lint.js'),
        import('../ir/onnx/files.js'),
        import('./table.js'),
      ]);
      const result = lintModel(model, {
        ...(flags.target !== undefined && { target: flags.target }),
        ...(flags.cpu !== undefined && { cpu: flags.cpu }),
        ...(flags.fix && { fix: true }),
      });
      if (flags.output !== undefined) saveModel(result.model, flags.output);
      const { findings, fixed } = result;
      process.stdout.write(`${flags.json ? toJson({ model, findings, fixed }) : describe(result)}\n`);
      if (findings.length > 0) process.exitCode = 1;
    });

function describe({ findings, fixed }: LintResult): string {
  const canFix = findings.filter(({ fix }) => fix !== undefined).length;
  const lines = fixed.map(({ code, where, fix, mend }) => `fixed (${fix}) ${code}: ${where}: ${mend}`);
  lines.push(...findings.flatMap(finding));
  if (fixed.length > 0) lines.push(`${fixed.length} fixed`);
  if (findings.length === 0) lines.push('nothing found');
  else lines.push(`${findings.length} found${canFix > 0 ? `, --fix mends ${canFix}` : ''}`);
  return lines.join('\n');
}

const finding = ({ code, where, why, mend }: LintFinding): string[] => [
  `${code}: ${where}`,
  `  ${why}`,
  `  mend: ${mend}`,
];
