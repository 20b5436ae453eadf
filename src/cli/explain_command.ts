import { Argument, Command, Option } from 'commander';
import type { Explanation, Site } from '../explain.js';
import type { FpContract } from '../passes/target_profile.js';

type Flags = {
  readonly target?: string;
  readonly fpContract?: FpContract;
  readonly list?: boolean;
  readonly json?: boolean;
};

export const explainCommand = (): Command =>
  new Command('explain')
    .description('Where a rule rewrote a model, where it nearly did, and why not')
    .addArgument(new Argument('[rule]', 'name of a rule'))
    .addArgument(new Argument('[model]', 'ONNX file'))
    .option('--target <name>', 'what the result is to run on (default: ort-cpu)')
    .addOption(new Option('--fp-contract <mode>', 'how freely floats are rewritten').choices(['strict', 'default']))
    .option('--list', 'list all rules')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ onnxopt explain --list\n  $ onnxopt explain fuse-gelu model.onnx\n  $ onnxopt explain fuse-conv-batchnorm model.onnx --json | jq .declined',
    )
    .action(async (rule: string | undefined, model: string | undefined, flags: Flags, command: Command) => {
      const [{ explain, rules }, { formatTable, toJson }] = await Promise.all([
        import('../explain.js'),
        import('./table.js'),
      ]);
      if (flags.list) {
        const rows = rules().map(({ name, licence = '', summary }) => [name, licence, summary]);
        const table = formatTable([['rule', 'licence', ''], ...rows]);
        process.stdout.write(`${flags.json ? toJson(rules()) : table}\n`);
        return;
      }
      if (rule === undefined || model === undefined) {
        command.error('error: name a rule and a model, or --list', { exitCode: 2, code: 'commander.missingArgument' });
        return;
      }
      const explanation = await explain({
        model,
        rule,
        ...(flags.target !== undefined && { target: flags.target }),
        ...(flags.fpContract && { fpContract: flags.fpContract }),
      });
      process.stdout.write(`${flags.json ? toJson(explanation) : describe(explanation)}\n`);
    });

function describe({ rule, fired, declined, near }: Explanation): string {
  const list = (title: string, lines: readonly string[]) => (lines.length === 0 ? [] : ['', title, ...lines]);
  const site = ({ where, reason }: Site) => `  ${where}: ${reason}`;
  return [
    `${rule.name}${rule.licence === undefined ? '' : ` (${rule.licence})`}: ${rule.summary}`,
    `fired ${fired.length} times, declined ${declined.length}, near ${near.length}`,
    ...list(
      'fired',
      fired.map((where) => `  ${where}`),
    ),
    ...list('declined', declined.map(site)),
    ...list('near', near.map(site)),
  ].join('\n');
}
