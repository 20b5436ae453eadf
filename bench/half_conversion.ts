import { ortRunner } from '../src/backends/ort/run.js';
import type { RunningModel } from '../src/calibrate/runner.js';
import { intAttribute } from '../src/ir/attribute.js';
import { type DataType, dataTypeCode } from '../src/ir/data_type.js';
import { Editor } from '../src/ir/editor.js';
import type { Model, Value } from '../src/ir/graph.js';
import { decodeHalf, encodeHalf, type HalfType } from '../src/ir/half_float.js';
import { int64Tensor, type Tensor, tensorData, tensorFromData } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';
import type { Bench, Measurement } from './measurement.js';

/** Seconds that a gigabyte of float32 may take in either direction. */
const bar = 1;

const halfTypes: readonly HalfType[] = ['float16', 'bfloat16'];

/** Weights as they are: around 0, a few of them subnormal as float16. */
export const halfBench: Bench = {
  name: 'half',
  summary: 'conversion between float32 and 16-bit floats on one thread, GB of float32 a second, fastest round',
  async run({ smoke }) {
    // Short, and the fastest of many: what takes the core meanwhile is no part of it.
    const count = 2 ** 20;
    const rounds = smoke ? 9 : 201;
    const floats = Float32Array.from({ length: count }, (_, index) => Math.sin(index) ** 3 * 0.05);
    const gigabytes = floats.byteLength / 1e9;
    const measurements: Measurement[] = [];
    for (const half of halfTypes) {
      const encoded = encodeHalf(half, floats);
      const directions = [
        { to: half, run: () => encodeHalf(half, floats), tensor: tensorFromData('float', [count], floats) },
        { to: 'float', run: () => decodeHalf(half, encoded), tensor: tensorFromData(half, [count], encoded) },
      ] as const;
      for (const { to, run, tensor } of directions) {
        const what = `${tensor.dtype} to ${to}`;
        const runtime = await ortRunner({ intraOpThreads: 1 })(castModel(tensor, to), { optimize: false });
        const own: number[] = [];
        const theirs: number[] = [];
        for (let round = 0; round < rounds; round += 1) {
          own.push(await secondsOf(run));
          theirs.push(await secondsOf(() => element(runtime)));
        }
        await runtime.close();
        measurements.push(
          { what, value: gigabytes / Math.min(...own), unit: 'GB/s' },
          { what: `${what}, Cast of the runtime`, value: gigabytes / Math.min(...theirs), unit: 'GB/s' },
          { what: `${what}, a GB`, value: Math.min(...own) / gigabytes, unit: 's', bar },
        );
      }
    }
    return measurements;
  },
};

async function secondsOf(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

const element = async (runtime: RunningModel): Promise<number> =>
  Number(tensorData((await runtime.run(new Map())).get('y')!)[0]);

/** Casts a constant and gives one element of what comes out, so that no copy of the result is measured. */
function castModel(tensor: Tensor, to: DataType): Model {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 8 });
  editor.setOpsetImport('', 17);
  editor.setGraphName(graph, 'cast');
  const op = (opType: string, inputs: readonly Value[], type?: DataType): Value =>
    editor.insertNode({
      graph,
      opType,
      inputs,
      outputs: 1,
      attributes: type === undefined ? [] : [intAttribute('to', dataTypeCode(type))],
    }).outputs[0]!;
  const cast = op('Cast', [editor.addInitializer(graph, tensor, 'x')], to);
  const bounds = [0, 1].map((at) => editor.addInitializer(graph, int64Tensor([at]), `at${at}`));
  editor.addOutput(graph, op('Cast', [op('Slice', [cast, ...bounds])], 'float'), 'y', tensorType('float'));
  return editor.model;
}
