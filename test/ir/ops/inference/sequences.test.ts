import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import { Editor } from '../../../../src/ir/editor.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { formatType, type ValueType } from '../../../../src/ir/value_type.js';
import { inferOne, type Size, typed } from './infer_one.js';

const sequence = (sizes?: readonly Size[]): ValueType => ({ kind: 'sequence', element: typed('float', sizes) });
const optional = (element: ValueType | undefined): ValueType => ({ kind: 'optional', element });

describe('sequences', () => {
  it('have elements of what all of them have in common', () => {
    const { types } = inferOne('SequenceConstruct', [typed('float', ['N', 3]), typed('float', ['N', 4])]);
    expect(types).toEqual(['sequence(float[N, ?])']);
    expect(inferOne('SequenceConstruct', [typed('float', [2]), 'untyped']).types).toEqual(['sequence(?)']);
  });

  it('start empty with the element type that is asked for, float by default', () => {
    expect(inferOne('SequenceEmpty', []).types).toEqual(['sequence(float[*])']);
    expect(inferOne('SequenceEmpty', [], { attributes: [intAttribute('dtype', 7)] }).types).toEqual([
      'sequence(int64[*])',
    ]);
    expect(inferOne('SequenceEmpty', [], { attributes: [intAttribute('dtype', 99)] }).types).toEqual([
      'sequence(?[*])',
    ]);
  });

  it('take what is inserted into account, and into an empty one only that', () => {
    const inserted = typed('float', ['N', 3]);
    expect(inferOne('SequenceInsert', [sequence([3, 3]), inserted]).types).toEqual(['sequence(float[?, 3])']);
    expect(inferOne('SequenceInsert', ['untyped', inserted]).types).toEqual(['sequence(?)']);

    const editor = new Editor();
    editor.setOpsetImport('', 20);
    const { graph } = editor.model;
    const x = editor.addInput(graph, 'x', inserted);
    const y = editor.addInput(graph, 'y', typed('float', ['M', 3]));
    let list = editor.insertNode({ graph, opType: 'SequenceEmpty', inputs: [], outputs: 1 }).outputs[0]!;
    const insert = (value: typeof x) =>
      editor.insertNode({ graph, opType: 'SequenceInsert', inputs: [list, value], outputs: 1 }).outputs[0]!;
    list = insert(x);
    const two = insert(y);
    const inference = new Inference(editor.model);
    expect(formatType(inference.typeOf(list))).toBe('sequence(float[N, 3])');
    expect(formatType(inference.typeOf(two))).toBe('sequence(float[?, 3])');
  });

  it('give their elements and their length', () => {
    const position = typed('int64', []);
    expect(inferOne('SequenceAt', [sequence(['N', 3]), position]).types).toEqual(['float[?, 3]']);
    expect(inferOne('SequenceAt', [typed('float', [3]), position]).types).toEqual(['?']);
    expect(inferOne('SequenceErase', [sequence([2, 3])]).types).toEqual(['sequence(float[2, 3])']);
    expect(inferOne('SequenceLength', [sequence()]).types).toEqual(['int64[]']);
  });
});

describe('SplitToSequence', () => {
  const split = (
    sizes: readonly Size[] | undefined,
    by: readonly number[] | number | null,
    ...attributes: Attribute[]
  ) =>
    inferOne(
      'SplitToSequence',
      [
        typed('float', sizes),
        ...(by === null ? [] : [typeof by === 'number' ? int64Tensor([by], []) : int64Tensor(by)]),
      ],
      { attributes },
    );
  const axis = (value: number) => intAttribute('axis', value);

  it('gives parts of 1 where it is not told how to split, without the axis on request', () => {
    expect(split(['N', 'M', 3], null, axis(-2)).types).toEqual(['sequence(float[N, 1, 3])']);
    expect(split(['N', 'M', 3], null, axis(1), intAttribute('keepdims', 0)).types).toEqual(['sequence(float[N, 3])']);
    // keepdims counts only where split is left out.
    expect(split([4, 3], 2, intAttribute('keepdims', 0)).types).toEqual(['sequence(float[2, 3])']);
  });

  it('gives parts of a size where all have that size', () => {
    expect(split([6, 3], 2).types).toEqual(['sequence(float[2, 3])']);
    expect(split([7, 3], 2).types).toEqual(['sequence(float[?, 3])']);
    expect(split(['N', 3], 2).types).toEqual(['sequence(float[?, 3])']);
    expect(split(['N', 3], [2, 2]).types).toEqual(['sequence(float[2, 3])']);
    expect(split(['N', 3], [2, 1]).types).toEqual(['sequence(float[?, 3])']);
  });

  it('keeps only the element type of a tensor of unknown rank', () => {
    expect(split(undefined, 2).types).toEqual(['sequence(float[*])']);
  });

  it('reports an axis that is none, and survives absurd sizes', () => {
    expect(split([4], 2, axis(1)).codes).toEqual(['infer/axis']);
    expect(split([], null).codes).toEqual(['infer/axis']);
    expect(split([4], 2, axis(2 ** 31)).types).toEqual(['sequence(float[*])']);
    for (const by of [0, -3, [], [-1]]) expect(split([4], by).types).toEqual(['sequence(float[?])']);
  });
});

describe('ConcatFromSequence', () => {
  const concat = (element: readonly Size[] | undefined, axis: number, newAxis = 0) =>
    inferOne('ConcatFromSequence', [sequence(element)], {
      attributes: [intAttribute('axis', axis), intAttribute('new_axis', newAxis)],
    });

  it('leaves the joined axis open', () => {
    expect(concat([2, 3], 1).types).toEqual(['float[2, ?]']);
    expect(concat(['N', 3], -2).types).toEqual(['float[?, 3]']);
  });

  it('puts a new axis where it is asked for', () => {
    expect(concat([2, 3], 0, 1).types).toEqual(['float[?, 2, 3]']);
    expect(concat([2, 3], -1, 1).types).toEqual(['float[2, 3, ?]']);
    expect(concat([], 0, 1).types).toEqual(['float[?]']);
  });

  it('keeps the element type alone where the rank is not known', () => {
    expect(concat(undefined, 0).types).toEqual(['float[*]']);
    expect(inferOne('ConcatFromSequence', ['untyped']).types).toEqual(['?']);
  });

  it('reports an axis that is none', () => {
    expect(concat(['N'], 1).codes).toEqual(['infer/axis']);
    expect(concat(['N'], -3, 1).codes).toEqual(['infer/axis']);
  });
});

describe('optionals', () => {
  it('hold what they are made of', () => {
    expect(inferOne('Optional', [typed('float', ['N'])]).types).toEqual(['optional(float[N])']);
    const type: Attribute = { name: 'type', kind: 'type', value: sequence(['N']) };
    expect(inferOne('Optional', [], { attributes: [type] }).types).toEqual(['optional(sequence(float[N]))']);
    expect(inferOne('Optional', []).types).toEqual(['optional(?)']);
  });

  it('give back what they hold, and so does what is no optional', () => {
    expect(inferOne('OptionalGetElement', [optional(typed('float', ['N']))]).types).toEqual(['float[N]']);
    expect(inferOne('OptionalGetElement', [sequence([2])]).types).toEqual(['sequence(float[2])']);
    const constant = inferOne('OptionalGetElement', [int64Tensor([4, 5])]);
    expect(constant).toMatchObject({ types: ['int64[2]'], contents: ['4, 5'] });
  });

  it('are known to be full or empty only where they are no optionals or left out', () => {
    expect(inferOne('OptionalHasElement', [optional(undefined)])).toMatchObject({
      types: ['bool[]'],
      contents: [undefined],
    });
    expect(inferOne('OptionalHasElement', [typed('float')]).contents).toEqual(['1']);
    expect(inferOne('OptionalHasElement', []).contents).toEqual(['0']);
    expect(inferOne('OptionalHasElement', ['untyped']).contents).toEqual([undefined]);
  });
});
