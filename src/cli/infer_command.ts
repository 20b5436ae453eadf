import { Command, Option } from 'commander';
import type { InferTypesResult } from '../infer_types.js';
import type { SaveOptions } from '../ir/onnx/files.js';

type Flags = {
  readonly output?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly strict?: boolean;
  readonly externalData?: NonNullable<SaveOptions['externalData']>;
};

export const inferCommand = (): Command =>
  new Command('infer')
    .description('State the type and shape of every value, as far as they are certain')
    .argument('<model>', 'ONNX file')
    .option('-o, --output <file>', 'where the result is written (optional with --json)')
    .option('--strict', 'exit with 1 and write nothing where the model contradicts itself')
    .addOption(
      new Option('--external-data <mode>', 'weights in a file of their own').choices(['keep', 'always', 'never']),
    )
    .option('--json', 'print every value as JSON')
    .option('--quiet', 'print nothing but errors')
    .addHelpText(
      'after',
      `
Examples:
  $ onnxopt infer model.onnx -o typed.onnx
  $ onnxopt infer model.onnx --json | jq '.graphs[0].values[] | select(.source == "unknown")'
  $ onnxopt infer model.onnx --json --strict`,
    )
    .action(async (file: string, flags: Flags) => {
      const [{ inferTypes }, { DiagnosticError, formatDiagnostic }, { toJson }] = await Promise.all([
        import('../infer_types.js'),
        import('../ir/diagnostic.js'),
        import('./table.js'),
      ]);
      if (flags.output === undefined && !flags.json) {
        throw new DiagnosticError({
          code: 'usage/no-output',
          message: 'infer needs -o or --json',
          help: 'onnxopt infer --help shows examples',
        });
      }
      const result = inferTypes({
        model: file,
        ...(flags.output !== undefined && { output: flags.output }),
        ...(flags.strict && { strict: true }),
        ...(flags.externalData && { save: { externalData: flags.externalData } }),
      });
      const { diagnostics } = result;
      if (flags.json) process.stdout.write(`${toJson(await jsonReport(file, result))}\n`);
      else if (!flags.quiet) {
        for (const each of diagnostics) process.stderr.write(`${each.severity} ${formatDiagnostic(each)}\n`);
        process.stdout.write(`${await textReport(file, result)}\n`);
      }
      if (!flags.strict || diagnostics.length === 0) return;
      const [{ where, message, code }] = diagnostics as [(typeof diagnostics)[number]];
      throw new DiagnosticError({
        code: 'infer/strict',
        message: `${contradictions(diagnostics.length)}, the first: ${code}: ${message}`,
        ...(where !== undefined && { where }),
        ...(flags.output !== undefined && { help: 'Nothing was written' }),
      });
    });

async function jsonReport(input: string, { graphs, diagnostics, files }: InferTypesResult): Promise<object> {
  const [{ formatDim }, { formatType }] = await Promise.all([import('../ir/dim.js'), import('../ir/value_type.js')]);
  return {
    input,
    ...(files && { output: files.model, ...(files.data && { data: files.data }) }),
    graphs: graphs.map(({ graph, values }) => ({
      graph,
      values: values.map(({ name, role, type, source }) => {
        const tensor = type?.kind === 'tensor' || type?.kind === 'sparse' ? type : undefined;
        const shape = tensor?.shape?.map((dim) => (typeof dim === 'object' ? formatDim(dim) : (dim ?? null)));
        return { name, role, type: formatType(type), dtype: tensor?.dtype ?? null, shape: shape ?? null, source };
      }),
    })),
    diagnostics,
  };
}

async function textReport(file: string, { graphs, diagnostics, files }: InferTypesResult): Promise<string> {
  const [{ formatTable }, { staticShape }] = await Promise.all([import('./table.js'), import('../ir/value_type.js')]);
  const rows = graphs.map(({ graph, values }) => {
    const results = values.filter(({ role }) => role === 'value' || role === 'output');
    const shapes = results.map(({ type }) => (type?.kind === 'tensor' ? type.shape : undefined));
    const counts = [
      results.length,
      results.filter(({ source }) => source === 'inferred').length,
      results.filter(({ type }) => type !== undefined).length,
      shapes.filter((shape) => shape !== undefined).length,
      shapes.filter((shape) => shape?.every((dim) => dim !== undefined)).length,
      shapes.filter((shape) => staticShape(shape) !== undefined).length,
    ];
    return [graph, ...counts.map(String)];
  });
  const heading = ['graph', 'values', 'added to', 'typed', 'of known rank', 'of known sizes', 'of fixed sizes'];
  const written =
    files === undefined ? 'nothing was written' : `${file} => ${files.model}${files.data ? ` and ${files.data}` : ''}`;
  const found = diagnostics.length === 0 ? [] : [contradictions(diagnostics.length)];
  return [formatTable([heading, ...rows]), ...found, written].join('\n\n');
}

const contradictions = (count: number): string => `${count} contradiction${count === 1 ? '' : 's'}`;
