import { mul } from '../../dim.js';
import type { CostContext, CostRule, CostRules, Count } from './cost.js';
import { activationOperations } from './element_operations.js';
import { elementsOf, plus, times } from './extent.js';

type Cell = {
  readonly gates: number;
  /** Activations for each direction, and how often one hidden unit goes through each in a step. */
  readonly activations: readonly (readonly [name: string, times: number])[];
  /** What else one hidden unit takes in a step, the bias and the peepholes aside. */
  readonly rest: number;
  readonly biases: (context: CostContext) => number;
  readonly peepholes: number;
};

/** ONNX `RNN`: f(x·W + h·R + b) */
const rnn: Cell = { gates: 1, activations: [['tanh', 1]], rest: 1, biases: () => 1, peepholes: 0 };

/** ONNX `GRU`: three gates, r ⊙ h, and (1 − z) ⊙ h̃ + z ⊙ h. */
const gru: Cell = {
  gates: 3,
  activations: [
    ['sigmoid', 2],
    ['tanh', 1],
  ],
  rest: 3 + 1 + 4,
  // The bias of the recurrence is added within the product of the reset gate.
  biases: ({ input }) => (input.int('linear_before_reset', 0) === 0 ? 3 : 4),
  peepholes: 0,
};

/** ONNX `LSTM`: four gates, f ⊙ c + i ⊙ c̃, and o ⊙ tanh(c). Peepholes add a product to three gates. */
const lstm: Cell = {
  gates: 4,
  activations: [
    ['sigmoid', 3],
    ['tanh', 1],
    ['tanh', 1],
  ],
  rest: 4 + 3 + 1,
  biases: () => 4,
  peepholes: 6,
};

const decoder = new TextDecoder();

/**
 * Every step of every direction multiplies gates·hidden by the input and by the hidden state. `sequence_lens` is not
 * considered: all sequences count as long as the longest.
 */
const recurrent =
  (cell: Cell, inputAxis = 2): CostRule =>
  (context) => {
    const { input } = context;
    const x = input.shape(0);
    const w = input.shape(1);
    const directions = input.string('direction', 'forward').toLowerCase() === 'bidirectional' ? 2 : 1;
    const gates = inputAxis === 2 ? w?.[1] : w?.[2];
    const hidden: Count = input.int('hidden_size', undefined) ?? hiddenSize(context, inputAxis);
    const steps = x?.length === 3 ? elementsOf(x.slice(0, 2)) : undefined;
    const width = x?.[2] ?? w?.[inputAxis];
    const units = times(steps, directions, hidden);
    const activations = cellActivations(context, cell, directions);
    // Clipping and a coupled forget gate take other operations.
    const isPlain = !input.attributes.has('clip') && input.int('input_forget', 0) === 0;
    const perUnit = cell.rest + (input.has(3) ? cell.biases(context) : 0) + (input.has(7) ? cell.peepholes : 0);
    return {
      macs: times(steps, directions, gates ?? mul(cell.gates, hidden), plus(width, hidden)),
      elementOps: isPlain ? plus(times(units, perUnit), times(steps, hidden, activations)) : undefined,
    };
  };

const hiddenSize = ({ input }: CostContext, inputAxis: number): Count => input.shape(2)?.[inputAxis === 2 ? 2 : 1];

/** Operations of the activations of one hidden unit in all directions; undefined for one of an unknown name. */
function cellActivations({ input }: CostContext, cell: Cell, directions: number): number | undefined {
  const attribute = input.attributes.get('activations');
  if (attribute !== undefined && attribute.kind !== 'strings') return undefined;
  const defaults = Array.from({ length: directions }, () => cell.activations.map(([name]) => name)).flat();
  const names = attribute === undefined ? defaults : attribute.value.map((name) => decoder.decode(name));
  if (names.length !== defaults.length) return undefined;
  let sum = 0;
  for (const [index, name] of names.entries()) {
    const operations = activationOperations(name);
    if (operations === undefined) return undefined;
    sum += operations * cell.activations[index % cell.activations.length]![1];
  }
  return sum;
}

export const recurrentCosts: CostRules = {
  RNN: recurrent(rnn),
  GRU: recurrent(gru),
  LSTM: recurrent(lstm),
  // Its weights are stored the other way round.
  'com.microsoft:DynamicQuantizeLSTM': recurrent(lstm, 1),
};
