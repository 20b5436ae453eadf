import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { symbol } from '../../../../src/ir/dim.js';
import type { Editor } from '../../../../src/ir/editor.js';
import type { Node } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { tensorType } from '../../../../src/ir/value_type.js';
import { ModelBuilder, randomTensor } from '../../../build_model.js';
import { inferAndRun, type RunInput } from './infer_and_run.js';
import { type Given, inferOne, typed } from './infer_one.js';

const int32 = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  tensorFromData('int32', dims, Int32Array.from(values));
const prompt: RunInput = [['B', 'S'], int32([1, 2, 3, 4, 5, 6], [2, 3])];
const wanted = { longest: int32([8]), beams: int32([2]), results: int32([1]) };
const attributes = [intAttribute('eos_token_id', 9), intAttribute('pad_token_id', 9), intAttribute('vocab_size', 10)];

/** The least decoder that keeps keys and values: what comes next depends on the last token alone. */
function giveDecoder(node: Node, editor: Editor): void {
  const decoder = editor.createSubgraph(node, 'decoder');
  const builder = new ModelBuilder(21, decoder, editor);
  const tokens = builder.input('input_ids', ['b', 's'], 'int32');
  builder.input('position_ids', ['b', 's'], 'int32');
  builder.input('attention_mask', ['b', 't'], 'int32');
  const past = editor.addInput(decoder, 'past_0', tensorType('float', [2, symbol('b'), 1, symbol('p'), 4]));
  const logits = builder.op('Gather', [builder.constant('table', randomTensor([10, 10])), tokens]);
  const sizes = builder.op(
    'Concat',
    [
      builder.constant('two', int64Tensor([2])),
      builder.op('Gather', [builder.op('Shape', [tokens]), builder.constant('first', int64Tensor([0]))], {
        attributes: [intAttribute('axis', 0)],
      }),
      builder.constant('one', int64Tensor([1])),
      builder.op('Gather', [builder.op('Shape', [tokens]), builder.constant('second', int64Tensor([1]))], {
        attributes: [intAttribute('axis', 0)],
      }),
      builder.constant('four', int64Tensor([4])),
    ],
    { attributes: [intAttribute('axis', 0)] },
  );
  const state = builder.op('Expand', [builder.constant('zero', randomTensor([1])), sizes]);
  const present = builder.op('Concat', [past, state], { attributes: [intAttribute('axis', 3)] });
  builder.output(logits, 'logits', 'float', 3);
  builder.output(present, 'present_0', 'float', 5);
  editor.setAttribute(node, { name: 'decoder', kind: 'graph', value: decoder });
}

describe('text written token by token, as ONNX Runtime computes it', () => {
  const run = (opType: string, inputs: readonly RunInput[] = [], outputs = 1) =>
    inferAndRun(opType, [prompt, wanted.longest, ...inputs], { attributes, outputs, prepare: giveDecoder });

  it('is as long as it may get at most', async () => {
    expect(await run('GreedySearch')).toEqual({ types: ['int32[B, 8]'], wrong: [] });
    expect(await run('Sampling')).toEqual({ types: ['int32[B, 8]'], wrong: [] });
  });

  it('has scores of the results and of every step of a beam search', async () => {
    const given = [int32([1]), wanted.beams, wanted.results, floatTensor([1]), floatTensor([1])];
    expect(await run('BeamSearch', given, 3)).toEqual({
      types: ['int32[B, 1, 8]', 'float[B, 1]', 'float[8 - S, B, 2, 10]'],
      wrong: [],
    });
  });
});

describe('text written token by token, by its documentation', () => {
  const infer = (opType: string, inputs: readonly Given[], outputs: number) =>
    inferOne(opType, inputs, { domain: 'com.microsoft', outputs, attributes }).types;

  it('has the attention of the chosen heads of Whisper', () => {
    const features = typed('float', ['B', 80, 'F']);
    const { longest, beams, results } = wanted;
    const before = [features, longest, null, beams, results, typed('float16', [1]), null, null, null, null, null, null];
    expect(infer('WhisperBeamSearch', [...before, typed('int32', ['H', 2])], 5)).toEqual([
      'int32[B, 1, 8]',
      'float16[B, 1]',
      'float16[?, B, 2, 10]',
      'float[B, 1, H, ?, ?]',
      'float16[B]',
    ]);
  });

  it('is of unknown length where data say how long', () => {
    const tokens = typed('int32', ['B', 'S']);
    expect(infer('GreedySearch', [tokens, typed('int32', [1])], 1)).toEqual(['int32[B, ?]']);
    expect(infer('Sampling', [tokens, typed('int32', [1])], 2)).toEqual(['int32[B, ?]', 'float[B, 10]']);
    expect(infer('BeamSearch', [tokens, typed('int32', [1])], 2)).toEqual(['int32[B, ?, ?]', '?[B, ?]']);
  });
});
