import { Command } from 'commander';
import { addOutputOptions } from './optimize_command.js';
import type { RunFlags } from './run_optimize.js';

export const simplifyCommand = (): Command =>
  addOutputOptions(
    new Command('simplify')
      .description('Fewer nodes, the same results')
      .argument('<model>', 'ONNX file')
      .option('--target <name>', 'what the result is to run on (default: ort-cpu; portable: standard operators only)'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ onnxopt simplify model.onnx -o simple.onnx --report\n  $ onnxopt simplify model.onnx -o simple.onnx --target portable',
    )
    .action(async (model: string, flags: RunFlags & { readonly target?: string }) => {
      const { runOptimize } = await import('./run_optimize.js');
      await runOptimize(model, flags, { target: flags.target ?? 'ort-cpu', precision: 'fp32' });
    });
