#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../version.js';
import { calibrateCommand } from './calibrate_command.js';
import { castCommand } from './cast_command.js';
import { compareCommand } from './compare_command.js';
import { convertCommand } from './convert_command.js';
import { explainCommand } from './explain_command.js';
import { inferCommand } from './infer_command.js';
import { inspectCommand } from './inspect_command.js';
import { lintCommand } from './lint_command.js';
import { optimizeCommand } from './optimize_command.js';
import { quantizeCommand } from './quantize_command.js';
import { simplifyCommand } from './simplify_command.js';

const helpHint = '(onnxopt COMMAND --help shows the options)';

// Only options are declared here: each command loads what it needs when it runs, so that --help is quick.
const program = new Command('onnxopt')
  .description('Makes ONNX models smaller and faster, and proves that they still answer the same.')
  .version(version)
  .showHelpAfterError(helpHint)
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  $ onnxopt optimize model.onnx -o fast.onnx --precision int8 --calibration-data samples/
  $ onnxopt simplify model.onnx -o simple.onnx
  $ onnxopt inspect model.onnx
  $ onnxopt compare model.onnx fast.onnx --data samples/

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the result does not answer as the original, 4 a budget was missed`,
  );

const commands = [
  optimizeCommand(),
  calibrateCommand(),
  simplifyCommand(),
  quantizeCommand(),
  castCommand(),
  convertCommand(),
  inferCommand(),
  compareCommand(),
  inspectCommand(),
  explainCommand(),
  lintCommand(),
];
for (const command of commands) {
  program.addCommand(command.exitOverride().showHelpAfterError(helpHint));
}

// Staged files are removed by exit listeners, which a signal alone would pass by. The program then dies by the signal
// itself (130 and 143 in a shell): an orderly exit would abort where the runtime is at work in another thread.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.emit('exit', signal === 'SIGINT' ? 130 : 143);
    process.kill(process.pid, signal);
  });
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode =
    error instanceof CommanderError ? usageExitCode(error) : (await import('./errors.js')).reportError(error);
}

function usageExitCode({ exitCode }: CommanderError): number {
  return exitCode === 0 ? 0 : 2;
}
