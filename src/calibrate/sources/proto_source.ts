import { basename, dirname } from 'node:path/posix';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { decodeTensorProto } from '../../ir/onnx/tensor_codec.js';
import type { Tensor } from '../../ir/tensor.js';
import { type DataFile, readFileBytes } from './file_bytes.js';
import type { Feeds, InputSpec, ReadLimits, Sample, SampleSource } from './source.js';

/**
 * Samples from serialized TensorProtos, laid out as ONNX test data: `test_data_set_0/input_0.pb`. Each folder with
 * `input_<n>.pb` files is one sample; other `.pb` files in it, such as `output_0.pb`, are passed over. Tensors go to the
 * inputs they are named after; where one of them is not, or names repeat, tensor n goes to the model's input n.
 * Where no file is called `input_<n>.pb` and the model has one input, each file is a sample, save `output_<n>.pb`.
 * @throws DiagnosticError `data/unknown-input`, `data/empty`; when values are read also `data/malformed-pb`.
 */
export function protoSource(
  files: readonly DataFile[],
  inputs: readonly InputSpec[],
  description: string,
  options: { readonly limits: ReadLimits },
): SampleSource {
  const sets = groupSets(files, inputs);
  async function* samples(): AsyncGenerator<Sample> {
    for (const { name, files } of sets) {
      const tensors = new Map<number, Tensor>();
      for (const [index, file] of files) tensors.set(index, await readTensor(file, options.limits.maxBytes));
      yield { name, feeds: nameTensors(tensors, files, inputs) };
    }
  }
  return { description, count: sets.length, samples };
}

type DataSet = { readonly name: string; readonly files: ReadonlyMap<number, DataFile> };

function groupSets(files: readonly DataFile[], inputs: readonly InputSpec[]): DataSet[] {
  const sets = new Map<string, Map<number, DataFile>>();
  for (const file of files) {
    const index = inputIndex(file);
    if (index === undefined) continue;
    const folder = dirname(file.name);
    const set = sets.get(folder) ?? new Map<number, DataFile>();
    sets.set(folder, set.set(index, file));
  }
  if (sets.size > 0) {
    return [...sets].map(([folder, set]) => ({ name: folder === '.' ? firstName(set) : folder, files: set }));
  }
  const named = inputs.length === 1 ? undefined : files[0];
  if (named !== undefined) {
    throw new DiagnosticError({
      code: 'data/unknown-input',
      message: 'the file name names no input of the model',
      where: named.name,
      help:
        inputs.length === 0
          ? 'The model takes no input'
          : `Name the files <sample>/input_0.pb to <sample>/input_${inputs.length - 1}.pb`,
    });
  }
  const others = files.length === 1 ? files : files.filter(({ name }) => !/^output_\d+\.pb$/i.test(basename(name)));
  if (others.length === 0) {
    const help = 'Name the files input_0.pb and so on';
    throw new DiagnosticError({ code: 'data/empty', message: 'outputs, but no inputs', where: files[0]?.name, help });
  }
  return others.map((file) => ({ name: file.name, files: new Map([[0, file]]) }));
}

const firstName = (set: ReadonlyMap<number, DataFile>): string => [...set.values()][0]?.name ?? '';

function inputIndex({ name }: DataFile): number | undefined {
  const [, digits] = /^input_(\d{1,6})\.pb$/i.exec(basename(name)) ?? [];
  return digits === undefined ? undefined : Number.parseInt(digits, 10);
}

async function readTensor(file: DataFile, maxBytes: number): Promise<Tensor> {
  const bytes = await readFileBytes(file, maxBytes);
  try {
    return decodeTensorProto(bytes);
  } catch (cause) {
    if (cause instanceof InvariantError || !(cause instanceof Error)) throw cause;
    throw new DiagnosticError(
      {
        code: 'data/malformed-pb',
        message: `no readable TensorProto: ${cause instanceof DiagnosticError ? cause.diagnostic.message : cause.message}`,
        where: file.name,
        help: 'Write the file again with onnx.save_tensor',
      },
      { cause },
    );
  }
}

function nameTensors(
  tensors: ReadonlyMap<number, Tensor>,
  files: ReadonlyMap<number, DataFile>,
  inputs: readonly InputSpec[],
): Feeds {
  const wanted = new Set(inputs.map(({ name }) => name));
  const own = [...tensors.values()].map(({ name }) => name);
  if (new Set(own).size === own.length && own.every((name) => name !== undefined && wanted.has(name))) {
    return new Map([...tensors.values()].map((tensor) => [tensor.name ?? '', tensor]));
  }
  return new Map(
    [...tensors].map(([index, tensor]) => {
      const input = inputs[index];
      if (input === undefined) {
        throw new DiagnosticError({
          code: 'data/unknown-input',
          message: `the model takes ${inputs.length} inputs: none has the number ${index}`,
          where: files.get(index)?.name,
          help: 'Number the files from input_0.pb in the order of the model, or name the tensors after its inputs',
        });
      }
      return [input.name, tensor];
    }),
  );
}
