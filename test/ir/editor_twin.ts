import { expect } from 'vitest';
import { DiagnosticError, InvariantError } from '../../src/ir/diagnostic.js';
import { Editor } from '../../src/ir/editor.js';
import type { Value } from '../../src/ir/graph.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { verifyModel } from '../../src/ir/verifier.js';
import {
  emptyGraph,
  graphsBelow,
  isVisible,
  type NaiveGraph,
  type NaiveNode,
  type NaiveValue,
  orderFor,
  type Read,
  readsIn,
  valuesOf,
} from './naive_graph.js';

/** What a step did: the revision must have grown, must have stayed, or may be either. */
export type Outcome = 'changed' | 'same' | 'either';

/** Chooses by the numbers of a step, one after the other; 0 chooses the first, so that shrunk steps are simple. */
export class Chooser {
  private readonly numbers: readonly number[];
  private used = 0;

  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  below(limit: number): number {
    this.used += 1;
    return (this.numbers[this.used - 1] ?? 0) % limit;
  }

  from<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.below(items.length)];
  }
}

/** The editor and the naive graph, changed side by side. */
export class Twin {
  readonly editor = new Editor();
  readonly main: NaiveGraph = emptyGraph(this.editor.model.graph, null);
  /** The body of the draft at work, whose names are taken although it is not in the model. */
  draftBody: NaiveGraph | null = null;

  graphs = (): NaiveGraph[] => graphsBelow(this.main);
  nodes = (): NaiveNode[] => this.graphs().flatMap(({ nodes }) => nodes);
  values = (): NaiveValue[] => this.graphs().flatMap(valuesOf);
  names(): string[] {
    const graphs = this.draftBody === null ? this.graphs() : [...this.graphs(), this.draftBody];
    return graphs.flatMap((graph) => [
      ...valuesOf(graph).map(({ name }) => name),
      ...graph.outputs.map(({ real }) => real.name),
    ]);
  }
  isRead = (value: NaiveValue): boolean => readsIn(this.main).some((read) => read.value === value);

  /** A value as the editor made it; its name is `wanted` where that was free, else made from it. */
  value(
    real: Value,
    graph: NaiveGraph,
    producer: NaiveNode | null,
    wanted: string,
    taken: readonly string[],
  ): NaiveValue {
    if (taken.includes(wanted)) expect(real.name.startsWith(`${wanted}_`)).toBe(true);
    else expect(real.name).toBe(wanted);
    expect(taken).not.toContain(real.name);
    return { real, graph, producer, name: real.name, pinned: false };
  }

  /** The readers stand behind the producer from now on, or, where that is a circle, the edit is refused. */
  order(value: NaiveValue, readers: readonly (NaiveNode | null)[]): void {
    const order = orderFor(value, readers);
    if (order !== 'circle') value.graph.nodes = [...order];
  }

  refused(edit: () => unknown, error: typeof InvariantError | typeof DiagnosticError = InvariantError): Outcome {
    expect(edit).toThrow(error);
    return 'same';
  }

  /** Runs an edit by which `readers`, in `graphs`, read `value`, and then `then`; or sees it refused. */
  reading(
    value: NaiveValue,
    graphs: readonly NaiveGraph[],
    readers: readonly (NaiveNode | null)[],
    edit: () => unknown,
    then: () => void,
  ): Outcome {
    if (!graphs.every((graph) => isVisible(value, graph))) return this.refused(edit);
    if (orderFor(value, readers) === 'circle') return this.refused(edit, DiagnosticError);
    edit();
    this.order(value, readers);
    then();
    return 'changed';
  }

  insert(
    graph: NaiveGraph,
    inputs: readonly (NaiveValue | null)[],
    outputs: number,
    before: NaiveNode | null,
  ): Outcome {
    const { editor } = this;
    const taken = this.names();
    const edit = () =>
      editor.insertNode(
        {
          graph: graph.real,
          opType: 'Sum',
          inputs: inputs.map((input) => input?.real ?? null),
          outputs: Array.from({ length: outputs }, (_, index) => ({ name: `v${index}` })),
        },
        before?.real,
      );
    const read = inputs.filter((input) => input !== null);
    if (!read.every((value) => isVisible(value, graph))) return this.refused(edit);
    if (read.some((value) => orderFor(value, [graph.owner]) === 'circle')) return this.refused(edit, DiagnosticError);
    const real = edit();
    const node: NaiveNode = { real, graph, inputs: [...inputs], outputs: [], bodies: new Map() };
    for (const [index, output] of real.outputs.entries()) {
      node.outputs.push(this.value(output!, graph, node, `v${index}`, [...taken]));
      taken.push(output!.name);
    }
    const at = before === null ? graph.nodes.length : graph.nodes.indexOf(before);
    graph.nodes.splice(at, 0, node);
    for (const value of read) this.order(value, [node]);
    return 'changed';
  }

  /** Fills a body with two nodes and an output, as far as what they read allows. */
  fillBody(body: NaiveGraph, captured: readonly NaiveValue[]): void {
    this.insert(body, captured, 1, null);
    this.insert(body, [captured[0]!, body.nodes[0]?.outputs[0] ?? null], 1, null);
    const result = valuesOf(body).at(-1) ?? captured[0]!;
    this.addOutput(body, result);
  }

  addOutput(graph: NaiveGraph, value: NaiveValue): Outcome {
    const { editor } = this;
    const name = editor.freshName('o');
    const taken = this.names();
    expect(taken).not.toContain(name);
    if (!taken.includes('o')) expect(name).toBe('o');
    const edit = () => {
      graph.outputs.push({ real: editor.addOutput(graph.real, value.real, name), graph, value });
    };
    return this.reading(value, [graph], [graph.owner], edit, () => undefined);
  }

  /** A draft with a body; attached, or discarded. */
  insertWithBody(graph: NaiveGraph, captured: readonly NaiveValue[], before: NaiveNode | null, keep: boolean): Outcome {
    const { editor } = this;
    const real = editor.draft({
      graph: graph.real,
      opType: 'If',
      inputs: [captured[0]!.real],
      outputs: [{ name: 'branch' }],
    });
    const node: NaiveNode = { real, graph, inputs: [captured[0]!], outputs: [], bodies: new Map() };
    const body = emptyGraph(editor.createSubgraph(real, 'body'), node);
    editor.setAttribute(real, { name: 'body', kind: 'graph', value: body.real });
    node.bodies.set('body', body);
    this.draftBody = body;
    this.fillBody(body, captured);
    const taken = this.names();
    this.draftBody = null;
    const isRefused = [captured[0]!, ...readsIn(body).map(({ value }) => value)].some(
      (value) => value.graph !== body && (!isVisible(value, graph) || orderFor(value, [graph.owner]) === 'circle'),
    );
    if (isRefused) expect(() => editor.attach(real, before?.real)).toThrow();
    if (isRefused || !keep) {
      editor.discard(real);
      return 'either';
    }
    editor.attach(real, before?.real);
    node.outputs.push(this.value(real.outputs[0]!, graph, node, 'branch', taken));
    graph.nodes.splice(before === null ? graph.nodes.length : graph.nodes.indexOf(before), 0, node);
    for (const { value } of [...node.inputs.map((value) => ({ value: value! })), ...readsIn(body)]) {
      if (value.graph !== body) this.order(value, [node]);
    }
    return 'changed';
  }

  /** Both say the same. */
  compare(): void {
    expect(verifyModel(this.editor.model)).toEqual([]);
    const graphs = this.graphs();
    const realGraphs = new Set(modelGraphs(this.editor.model));
    expectSame(
      [realGraphs.size, ...graphs.map(({ real }) => realGraphs.has(real))],
      [graphs.length, ...graphs.map(() => true)],
      'graphs',
    );
    const reads = new Map<NaiveValue, Read['use'][]>();
    for (const { value, use } of readsIn(this.main)) {
      const uses = reads.get(value);
      if (uses === undefined) reads.set(value, [use]);
      else uses.push(use);
    }
    for (const graph of graphs) {
      const { real, nodes, inputs, outputs } = graph;
      expectSame(
        [...real.nodes],
        nodes.map((node) => node.real),
        'nodes',
      );
      expectSame(
        real.inputs,
        inputs.map((input) => input.real),
        'inputs of a graph',
      );
      expectSame(
        real.outputs,
        outputs.map((output) => output.real),
        'outputs of a graph',
      );
      expectSame(
        real.outputs.map(({ value }) => value),
        outputs.map(({ value }) => value.real),
        'what feeds outputs',
      );
      const values = valuesOf(graph);
      expectSame(
        values.map(({ name }) => real.values.get(name)),
        values.map((value) => value.real),
        'names',
      );
      expectSame([real.values.size], [values.length], 'values');
      for (const value of values) {
        const listed = Array.from(value.real.uses, ({ user, ...use }) => ({
          user,
          index: 'index' in use ? use.index : 0,
        }));
        const read = reads.get(value) ?? [];
        const isListed = read.every(({ user, index }) =>
          listed.some((use) => use.user === user && use.index === index),
        );
        expectSame([listed.length, isListed], [read.length, true], 'uses');
      }
      for (const { real: node, ...naive } of nodes) {
        expectSame(
          node.inputs,
          naive.inputs.map((input) => input?.real ?? null),
          'inputs of a node',
        );
        expectSame(
          node.outputs,
          naive.outputs.map((output) => output?.real ?? null),
          'outputs of a node',
        );
      }
    }
    const names = this.values().map(({ name }) => name);
    expectSame([new Set(names).size], [names.length], 'names given once');
  }
}

/** By identity: the parts lead to one another, so that comparing them deeply takes long. */
function expectSame(actual: readonly unknown[], expected: readonly unknown[], what: string): void {
  const isSame = actual.length === expected.length && actual.every((item, index) => item === expected[index]);
  if (!isSame) expect.fail(`${what} differ`);
}
