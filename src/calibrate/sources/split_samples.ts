import { DiagnosticError } from '../../ir/diagnostic.js';
import { reshapeTensor, type Tensor } from '../../ir/tensor.js';
import type { Shape } from '../../ir/value_type.js';
import type { ArrayReader } from './array_reader.js';
import type { InputSpec, Split } from './source.js';

/** How one array gives samples: as it is, in groups of rows, or as rows that lose the first axis. */
type Cut =
  | { readonly kind: 'whole' }
  | { readonly kind: 'rows'; readonly size: number; readonly count: number }
  | { readonly kind: 'stack'; readonly count: number };

/** Samples that arrays hold together. */
export type SampleSet = {
  readonly count: number;
  read(index: number): Promise<Map<string, Tensor>>;
};

/**
 * Decides how many samples the arrays hold, by the rule of `Split`.
 * @param arrays by input name; names that no input has are passed on whole.
 * @throws DiagnosticError `data/wrong-shape` where arrays disagree on the number, `data/empty` where it is 0.
 */
export function splitSamples(
  arrays: ReadonlyMap<string, ArrayReader>,
  inputs: readonly InputSpec[],
  split: Split,
): SampleSet {
  const shapes = new Map(inputs.map(({ name, type }) => [name, type?.kind === 'tensor' ? type.shape : undefined]));
  const cuts = new Map([...arrays].map(([name, array]) => [name, cutOf(array.dims, shapes.get(name), split)] as const));
  const count = sampleCount(arrays, cuts);
  if (count > 1) {
    for (const [name, { dims }] of arrays) {
      const shape = shapes.get(name);
      const loose = shape === undefined || (shape.length === dims.length && typeof shape[0] !== 'number');
      if (cuts.get(name)!.kind === 'whole' && loose && dims[0] === count)
        cuts.set(name, { kind: 'rows', size: 1, count });
    }
  }
  return {
    count,
    read: async (index) => {
      const feeds = new Map<string, Tensor>();
      for (const [name, array] of arrays) feeds.set(name, await readCut(array, cuts.get(name)!, index));
      return feeds;
    },
  };
}

function cutOf(dims: readonly number[], shape: Shape | undefined, split: Split): Cut {
  const [length, ...rest] = dims;
  if (split === false || length === undefined) return { kind: 'whole' };
  if (shape === undefined) return split === true ? { kind: 'rows', size: 1, count: length } : { kind: 'whole' };
  if (dims.length === shape.length + 1 && shape.every((dim, axis) => typeof dim !== 'number' || dim === rest[axis])) {
    return { kind: 'stack', count: length };
  }
  if (dims.length !== shape.length) return { kind: 'whole' };
  const batch = shape[0];
  if (typeof batch !== 'number') return split === true ? { kind: 'rows', size: 1, count: length } : { kind: 'whole' };
  const groups = batch > 0 && length > batch && length % batch === 0 && (batch === 1 || split === true);
  return groups ? { kind: 'rows', size: batch, count: length / batch } : { kind: 'whole' };
}

function sampleCount(arrays: ReadonlyMap<string, ArrayReader>, cuts: ReadonlyMap<string, Cut>): number {
  let first: { where: string; count: number } | undefined;
  for (const [name, cut] of cuts) {
    if (cut.kind === 'whole') continue;
    const { where } = arrays.get(name)!;
    if (cut.count === 0) {
      throw new DiagnosticError({ code: 'data/empty', message: 'the array holds no sample', where });
    }
    if (first !== undefined && first.count !== cut.count) {
      throw new DiagnosticError({
        code: 'data/wrong-shape',
        message: `the array holds ${cut.count} samples, but ${first.where} holds ${first.count}`,
        where,
        help: 'Give every input the same number of samples, or set split to false',
      });
    }
    first ??= { where, count: cut.count };
  }
  return first?.count ?? 1;
}

async function readCut(array: ArrayReader, cut: Cut, index: number): Promise<Tensor> {
  switch (cut.kind) {
    case 'whole':
      return array.readAll();
    case 'rows':
      return array.readRows(index * cut.size, cut.size);
    case 'stack':
      return reshapeTensor(await array.readRows(index, 1), array.dims.slice(1));
  }
}
