import { evaluate, symbol } from '../../src/ir/dim.js';
import type { Model, Value } from '../../src/ir/graph.js';
import type { Tensor } from '../../src/ir/tensor.js';
import { tensorType } from '../../src/ir/value_type.js';
import { ModelBuilder } from '../build_model.js';
import { sampleTensor } from '../edge_values.js';
import { controlSteps, pickStep } from './random_graph/control_steps.js';
import { floatSteps } from './random_graph/float_steps.js';
import { integerSteps } from './random_graph/integer_steps.js';
import { layerSteps } from './random_graph/layer_steps.js';
import { movingSteps } from './random_graph/moving_steps.js';
import { patternSteps } from './random_graph/pattern_steps.js';
import { type Mode, Random, Scope, type Size, type Step } from './random_graph/scope.js';

export type RandomModel = {
  readonly model: Model;
  readonly mode: Mode;
  /** Valid inputs, for several sizes of the symbols. */
  readonly feeds: readonly ReadonlyMap<string, Tensor>[];
};

/** Sizes that the symbols `n` and `m` take in turn; no two symbols agree under all of them. */
const bindings = [
  { n: 2, m: 3 },
  { n: 1, m: 2 },
  { n: 4, m: 1 },
] as const;

/** Those whose operators the steps spell alike. */
const opsets = [14, 16, 17, 17, 17, 18, 20, 21] as const;

const steps: readonly Step[] = [
  ...floatSteps,
  ...patternSteps,
  ...layerSteps,
  ...movingSteps,
  ...integerSteps,
  ...controlSteps,
];

/** The same valid model each time: 1 to 30 steps, hundreds now and then. */
export function randomModel(seed: number): RandomModel {
  const random = new Random(seed);
  const mode: Mode = random.chance(0.5) ? 'exact' : 'rounding';
  const opset = random.from(opsets);
  const b = new ModelBuilder(opset);
  const scope = new Scope({ b, random, mode, bindings: bindings.length, opset });
  addInputs(scope);
  const count = random.chance(0.02) ? 150 + random.below(150) : 1 + random.below(random.from([6, 12, 30]));
  for (let step = 0; step < count; step += 1) pickStep(steps, random).apply(scope);
  addOutputs(scope);
  const model = b.build();
  const edges = mode === 'exact' && random.chance(0.4);
  const feeds = bindings.map(({ n, m }, binding) => {
    const sizes = new Map<string, number>([
      ['n', n],
      ['m', m],
    ]);
    return feedsOf(model, sizes, binding, edges && binding === 1);
  });
  return { model, mode, feeds };
}

function addInputs(scope: Scope): void {
  const { random, b } = scope;
  const symbols: Readonly<Record<string, Size>> = { n: bindings.map(({ n }) => n), m: bindings.map(({ m }) => m) };
  const count = 1 + random.below(4);
  for (let index = 0; index < count; index += 1) {
    const dtype = random.from(['float', 'float', 'float', 'int64', 'bool', 'int32', 'float16'] as const);
    const form = dtype === 'float' ? random.from(['image', 'sequence', 'any', 'any'] as const) : 'any';
    const dim = (): number | string => random.from([1, 2, 3, 4, 'n', 'm']);
    const image = () => [random.from(['n', 1, 2]), random.from([1, 2, 3]), 3, random.from([2, 4])];
    const sequence = () => [random.from(['n', 1, 2]), random.from(['m', 'm', 3]), random.from([4, 8])];
    const any = () => Array.from({ length: random.below(4) }, dim);
    const dims: (number | string)[] = { image, sequence, any }[form]();
    const sizes = dims.map((each) => (typeof each === 'number' ? scope.size(each) : symbols[each]!));
    const shape = dims.map((each) => (typeof each === 'number' ? each : symbol(each)));
    const value = b.editor.addInput(b.graph, `x${index}`, tensorType(dtype, shape));
    scope.keep(value, { dtype, dims: sizes, bound: 1, moved: true });
    const numbers = dims.filter((each) => typeof each === 'number');
    // What a caller may override, so that it is no constant.
    if (numbers.length === dims.length && index > 0 && random.chance(0.2)) {
      b.editor.setInitializer(value, scope.tensor(dtype, numbers));
    }
  }
}

/** Some of the values, one of them twice now and then; the rest are read inside or by nobody. */
function addOutputs(scope: Scope): void {
  const { random, b } = scope;
  const made = scope.items.filter(({ value }) => !value.isInput);
  const readable = made.length === 0 ? scope.items : made;
  const last = readable.at(-1)!;
  const chosen = new Set([last, ...readable.filter(() => random.chance(1.5 / readable.length))]);
  for (const [index, { value, dtype, dims }] of [...chosen].entries()) {
    const add = (source: Value, name: string) =>
      b.editor.addOutput(
        b.graph,
        source,
        name,
        tensorType(
          dtype,
          dims.map(() => undefined),
        ),
      );
    const isPlain = value.producer !== null && !value.isInput;
    add(isPlain && random.chance(0.7) ? value : b.op('Identity', [value]), `y${index}`);
    if (random.chance(0.15)) add(b.op('Identity', [value]), `again${index}`);
  }
}

function feedsOf(
  model: Model,
  sizes: ReadonlyMap<string, number>,
  seed: number,
  edges: boolean,
): ReadonlyMap<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  for (const [index, { name, type }] of model.graph.inputs.entries()) {
    if (type?.kind !== 'tensor' || type.dtype === undefined) continue;
    const dims = (type.shape ?? []).map((dim) => Number(dim === undefined ? undefined : evaluate(dim, sizes)));
    feeds.set(name, sampleTensor(type.dtype, dims, seed * 31 + index, edges ? 'edges' : 'plain'));
  }
  return feeds;
}
