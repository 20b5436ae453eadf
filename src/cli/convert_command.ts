import { Command } from 'commander';
import { parseCount } from './data_options.js';
import { addOutputOptions } from './optimize_command.js';
import type { RunFlags } from './run_optimize.js';

export const convertCommand = (): Command =>
  addOutputOptions(
    new Command('convert')
      .description('The same model in another opset, or the node that has no equivalent there')
      .argument('<model>', 'ONNX file')
      .requiredOption('--opset <version>', 'opset of the default domain', parseCount),
  )
    .addHelpText('after', '\nExamples:\n  $ onnxopt convert model.onnx -o model17.onnx --opset 17')
    .action(async (model: string, flags: RunFlags & { readonly opset: number }) => {
      const [{ runOptimize }, { convertOpset }] = await Promise.all([
        import('./run_optimize.js'),
        import('../passes/legalize/convert_opset.js'),
      ]);
      const pipeline = [{ pass: convertOpset(flags.opset), reason: 'asked for' }];
      await runOptimize(model, flags, { target: 'portable', precision: 'fp32', pipeline });
    });
