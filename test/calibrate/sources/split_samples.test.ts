import { describe, expect, it } from 'vitest';
import { tensorReader } from '../../../src/calibrate/sources/array_reader.js';
import type { InputSpec, Split } from '../../../src/calibrate/sources/source.js';
import { splitSamples } from '../../../src/calibrate/sources/split_samples.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { diagnosticOf, input, values } from './sample_files.js';

const array = (name: string, ...dims: number[]) => {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return tensorReader(
    floatTensor(
      Array.from({ length: count }, (_, index) => index),
      dims,
    ),
    name,
  );
};

const split = (arrays: Record<string, ReturnType<typeof array>>, inputs: InputSpec[], rule: Split) =>
  splitSamples(new Map(Object.entries(arrays)), inputs, rule);

/** The dimensions and values of one input in every sample. */
async function parts(set: ReturnType<typeof splitSamples>, name: string): Promise<string[]> {
  const all: string[] = [];
  for (let index = 0; index < set.count; index++) {
    const tensor = (await set.read(index)).get(name)!;
    all.push(`[${tensor.dims}] ${values(tensor)}`);
  }
  return all;
}

describe("splitSamples with 'auto'", () => {
  it('cuts an array longer than a batch fixed at 1', async () => {
    const set = split({ x: array('x', 3, 2) }, [input('x', [1, 2])], 'auto');
    expect(await parts(set, 'x')).toEqual(['[1,2] 0,1', '[1,2] 2,3', '[1,2] 4,5']);
  });

  it('takes an array with one more axis for a stack of samples', async () => {
    const set = split({ x: array('x', 2, 1, 2) }, [input('x', ['N', 2])], 'auto');
    expect(await parts(set, 'x')).toEqual(['[1,2] 0,1', '[1,2] 2,3']);
    expect(await parts(split({ x: array('x', 2) }, [input('x', [])], 'auto'), 'x')).toEqual(['[] 0', '[] 1']);
  });

  it.each([
    ['of a symbolic batch', [4, 2], ['N', 2]],
    ['of an unknown batch', [4, 2], [undefined, 2]],
    ['of a larger fixed batch', [4, 2], [2, 2]],
    ['that fits', [1, 2], [1, 2]],
    ['of another rank', [4], [1, 2]],
    ['with one more axis and other sizes', [4, 1, 3], [1, 2]],
    ['of unknown rank', [4, 2], undefined],
    ['without axes', [], ['N']],
  ] as const)('keeps an array %s whole', (_, dims, shape) => {
    expect(split({ x: array('x', ...dims) }, [input('x', shape)], 'auto').count).toBe(1);
  });

  it('cuts along with another array where the first axis is symbolic and as long', async () => {
    const inputs = [input('x', [1, 2]), input('y', ['N', 1]), input('z', ['M'])];
    const set = split({ x: array('x', 2, 2), y: array('y', 2, 1), z: array('z', 3) }, inputs, 'auto');
    expect(await parts(set, 'y')).toEqual(['[1,1] 0', '[1,1] 1']);
    expect(await parts(set, 'z')).toEqual(['[3] 0,1,2', '[3] 0,1,2']);
  });

  it('gives every sample the arrays that fit whole', async () => {
    const inputs = [input('x', [1, 2]), input('size', [2]), input('scale', [])];
    const set = split({ x: array('x', 2, 2), size: array('size', 2), scale: array('scale') }, inputs, 'auto');
    expect(await parts(set, 'size')).toEqual(['[2] 0,1', '[2] 0,1']);
    expect(await parts(set, 'scale')).toEqual(['[] 0', '[] 0']);
  });

  it('refuses arrays with different numbers of samples', async () => {
    const inputs = [input('x', [1, 2]), input('y', [1])];
    const work = () => split({ x: array('x.npy', 3, 2), y: array('y.npy', 2) }, inputs, 'auto');
    expect(await diagnosticOf(work)).toMatchObject({
      code: 'data/wrong-shape',
      where: 'y.npy',
      message: 'the array holds 2 samples, but x.npy holds 3',
    });
  });
});

describe('splitSamples when told', () => {
  it('cuts symbolic, unknown and larger fixed batches', async () => {
    expect(await parts(split({ x: array('x', 2, 1) }, [input('x', ['N', 1])], true), 'x')).toEqual([
      '[1,1] 0',
      '[1,1] 1',
    ]);
    expect(split({ x: array('x', 4, 1) }, [input('x', [undefined, 1])], true).count).toBe(4);
    expect(split({ x: array('x', 4, 1) }, [input('x')], true).count).toBe(4);
    const groups = split({ x: array('x', 4, 1) }, [input('x', [2, 1])], true);
    expect(await parts(groups, 'x')).toEqual(['[2,1] 0,1', '[2,1] 2,3']);
  });

  it('keeps whole what no fixed batch divides', () => {
    expect(split({ x: array('x', 5, 1) }, [input('x', [2, 1])], true).count).toBe(1);
  });

  it('refuses an array of no samples', async () => {
    expect(await diagnosticOf(() => split({ x: array('x.npy', 0, 1) }, [input('x', ['N', 1])], true))).toMatchObject({
      code: 'data/empty',
      where: 'x.npy',
    });
  });

  it('never cuts where split is false', () => {
    expect(split({ x: array('x', 3, 1, 2) }, [input('x', [1, 2])], false).count).toBe(1);
    expect(split({ x: array('x', 3, 2) }, [input('x', [1, 2])], false).count).toBe(1);
  });
});
