import { expect, it } from 'vitest';
import { findTarget, targets } from '../../../src/backends/target.js';
import type { Attribute } from '../../../src/ir/attribute.js';
import { type Dim, evaluate } from '../../../src/ir/dim.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import type { Tensor } from '../../../src/ir/tensor.js';
import { verifyModel } from '../../../src/ir/verifier.js';
import { optimize } from '../../../src/optimize.js';
import { ModelBuilder, operatorsOf } from '../../build_model.js';
import { type Flavour, sampleTensor } from '../../edge_values.js';
import { type Allowance, answerOf, answersDiffer, exact, openPlain, signaturesDiffer } from '../../same_answers.js';

/** A small model that some rewrite somewhere got wrong, or its sibling that may be rewritten. */
export type Trap = {
  /** A sentence that says what must stay true. */
  readonly name: string;
  /** Default 17. */
  readonly opset?: number;
  readonly build: (b: ModelBuilder) => void;
  /** Sizes of the symbols; each binding is run. Default: one binding without symbols. */
  readonly bindings?: readonly Readonly<Record<string, number>>[];
  /** Inputs that are not made from their types, one set a run. */
  readonly feeds?: readonly Readonly<Record<string, Tensor>>[];
  /** Default: plain, finite and edge values where outputs must be equal bit by bit, plain and finite ones otherwise. */
  readonly flavours?: readonly Flavour[];
  /** Default: the same bits. */
  readonly allowance?: Allowance;
  /** Whether NaN and infinity may come out otherwise where rules may assume finite numbers; default no. */
  readonly assumesFinite?: boolean;
  /** Operators that simplifying for ONNX Runtime on the CPU leaves none of: the rewrite fires where it may. */
  readonly gone?: readonly string[];
};

/** Each trap through `optimize` for every target, against the original with the runtime's optimizations off. */
export function testTraps(traps: readonly Trap[]): void {
  for (const trap of traps) {
    it(trap.name, async () => {
      const original = buildTrap(trap);
      const forms = await simplifiedForms(original);
      for (const operator of trap.gone ?? []) {
        expect(operatorsOf(forms.find(({ targets: of }) => of.includes('ort-cpu (default)'))!.model)).not.toContain(
          operator,
        );
      }
      await expectSameAnswers(trap, original, forms);
    });
  }
}

function buildTrap(trap: Trap): Model {
  const b = new ModelBuilder(trap.opset);
  trap.build(b);
  const model = b.build();
  const broken = verifyModel(model).filter(({ severity }) => severity === 'error');
  expect(broken).toEqual([]);
  return model;
}

const fixed = { precision: 'fp32', check: false, verifyTypes: true } as const;

type Form = { readonly targets: string[]; readonly model: Model; readonly contract: 'default' | 'strict' };

/**
 * What the targets make of a model; those that make the same of it share a form. Under the strict contract no rule may
 * change a bit.
 */
async function simplifiedForms(original: Model): Promise<Form[]> {
  const forms = new Map<string, Form>();
  const settings = [
    ...[findTarget('portable'), findTarget('ort-cpu')].map((target) => ({ target, fpContract: 'strict' as const })),
    ...targets.map((target) => ({ target, fpContract: 'default' as const })),
  ];
  for (const { target, fpContract } of settings) {
    const { model } = await optimize({ ...fixed, model: original, target, fpContract });
    const bytes = encodeModel(model);
    const key = Buffer.from(bytes).toString('latin1');
    const form = forms.get(key);
    const name = `${target.name} (${fpContract})`;
    if (form === undefined) forms.set(key, { targets: [name], model: decodeModel(bytes), contract: fpContract });
    else form.targets.push(name);
    expect(signaturesDiffer(original, model), name).toBeUndefined();
  }
  return [...forms.values()];
}

async function expectSameAnswers(trap: Trap, original: Model, forms: readonly Form[]): Promise<void> {
  const allowance = trap.allowance ?? exact;
  const reference = await openPlain(original);
  const candidates = await Promise.all(forms.map(async (form) => ({ form, session: await openPlain(form.model) })));
  try {
    let answered = 0;
    for (const { feeds, label, flavour } of feedsOf(trap, original)) {
      const expected = await answerOf(reference, feeds);
      if (typeof expected !== 'string') answered += 1;
      for (const { form, session } of candidates) {
        if (trap.assumesFinite && flavour === 'edges' && form.contract === 'default') continue;
        const actual = await answerOf(session, feeds);
        const what = `${form.targets.join(', ')} on ${label}:\n${operatorsOf(form.model).join(' ')}`;
        if (typeof expected === 'string') continue;
        if (typeof actual === 'string') throw new Error(`does not run for ${what}: ${actual}`);
        expect(answersDiffer(expected, actual, form.contract === 'strict' ? exact : allowance), what).toBeUndefined();
      }
    }
    expect(answered, 'runs of the original that gave an answer').toBeGreaterThan(0);
  } finally {
    await reference.close();
    for (const { session } of candidates) await session.close();
  }
}

function* feedsOf(
  trap: Trap,
  model: Model,
): Generator<{ feeds: Map<string, Tensor>; label: string; flavour: Flavour }> {
  const exactly = (trap.allowance ?? exact).relative === 0;
  const flavours = trap.flavours ?? (exactly ? ['plain', 'finite', 'edges'] : ['plain', 'finite']);
  for (const binding of trap.bindings ?? [{}]) {
    for (const flavour of flavours) {
      for (const [set, given] of (trap.feeds ?? [{}]).entries()) {
        const feeds = new Map<string, Tensor>();
        for (const [index, input] of model.graph.inputs.entries()) {
          const tensor = (given as Readonly<Record<string, Tensor>>)[input.name];
          feeds.set(input.name, tensor ?? sampleOf(input, binding, index * 7 + set + 1, flavour));
        }
        yield { feeds, label: `${flavour} values, ${JSON.stringify(binding)}, set ${set}`, flavour };
      }
    }
  }
}

function sampleOf(input: Value, binding: Readonly<Record<string, number>>, seed: number, flavour: Flavour): Tensor {
  const { type } = input;
  if (type?.kind !== 'tensor' || type.dtype === undefined) throw new Error(`"${input.name}" needs a feed`);
  const dims = (type.shape ?? []).map((dim) => sizeOf(dim, binding));
  return sampleTensor(type.dtype, dims, seed, flavour);
}

function sizeOf(dim: Dim | undefined, binding: Readonly<Record<string, number>>): number {
  const size = dim === undefined ? undefined : evaluate(dim, new Map(Object.entries(binding)));
  if (size === undefined) throw new Error('a symbol is not bound');
  return Number(size);
}

/** A node with subgraphs, each filled by its function. */
export function withBodies(
  b: ModelBuilder,
  opType: string,
  inputs: readonly (Value | null)[],
  bodies: Readonly<Record<string, (body: ModelBuilder) => void>>,
  options: { readonly outputs?: number; readonly attributes?: readonly Attribute[] } = {},
): Value[] {
  const node = b.editor.draft({
    graph: b.graph,
    opType,
    inputs,
    outputs: options.outputs ?? 1,
    attributes: options.attributes ?? [],
  });
  for (const [name, fill] of Object.entries(bodies)) {
    const graph = b.editor.createSubgraph(node, name);
    fill(new ModelBuilder(17, graph, b.editor));
    b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
  }
  b.editor.attach(node);
  return node.outputs.flatMap((value) => (value === null ? [] : [value]));
}
