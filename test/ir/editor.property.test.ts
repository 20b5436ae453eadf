import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cloneModel } from '../../src/ir/clone.js';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { floatTensor } from '../../src/ir/tensor.js';
import { formatModel } from '../../src/ir/text.js';
import { verifyModel } from '../../src/ir/verifier.js';
import { Chooser, type Outcome, Twin } from './editor_twin.js';
import { emptyGraph, isVisible, type NaiveGraph, type NaiveValue, readsIn } from './naive_graph.js';

const edits: Readonly<Record<string, (twin: Twin, choose: Chooser) => Outcome>> = {
  /** First, so that steps which do not matter shrink to it. */
  nothing: () => 'same',
  insert(twin, choose) {
    const graph = choose.from(twin.graphs())!;
    const before = choose.below(2) === 0 ? null : (choose.from(graph.nodes) ?? null);
    const inputs = Array.from({ length: choose.below(4) }, () => chosenValue(twin, choose, graph));
    return twin.insert(graph, inputs, 1 + choose.below(2), before);
  },
  insertWithBody(twin, choose) {
    const graph = choose.from(twin.graphs())!;
    const captured = [chosenValue(twin, choose, graph), chosenValue(twin, choose, graph)].filter(
      (each) => each !== null,
    );
    if (captured.length === 0) return 'same';
    const before = choose.below(2) === 0 ? null : (choose.from(graph.nodes) ?? null);
    return twin.insertWithBody(graph, captured, before, choose.below(4) > 0);
  },
  erase(twin, choose) {
    const node = choose.from(twin.nodes());
    if (node === undefined) return 'same';
    if (node.outputs.some((output) => output !== null && (output.pinned || twin.isRead(output)))) {
      return twin.refused(() => twin.editor.eraseNode(node.real));
    }
    twin.editor.eraseNode(node.real);
    node.graph.nodes.splice(node.graph.nodes.indexOf(node), 1);
    return 'changed';
  },
  setInput(twin, choose) {
    const node = choose.from(twin.nodes());
    if (node === undefined) return 'same';
    const index = choose.below(node.inputs.length + 2);
    const value = chosenValue(twin, choose, node.graph);
    const edit = () => twin.editor.setInput(node.real, index, value?.real ?? null);
    if ((node.inputs[index] ?? null) === value) {
      edit();
      return 'same';
    }
    const then = () => {
      while (node.inputs.length <= index) node.inputs.push(null);
      node.inputs[index] = value;
    };
    if (value !== null) return twin.reading(value, [node.graph], [node], edit, then);
    edit();
    then();
    return 'changed';
  },
  truncateInputs(twin, choose) {
    const node = choose.from(twin.nodes());
    if (node === undefined) return 'same';
    const length = choose.below(node.inputs.length + 1);
    const before = node.inputs.length;
    twin.editor.truncateInputs(node.real, length);
    node.inputs.length = length;
    return before === length ? 'same' : 'changed';
  },
  replaceAllUses(twin, choose) {
    const from = choose.from(twin.values());
    const to = choose.from(twin.values());
    if (from === undefined || to === undefined) return 'same';
    const reads = readsIn(twin.main).filter(({ value }) => value === from);
    const edit = () => twin.editor.replaceAllUses(from.real, to.real);
    if (from === to || reads.length === 0) {
      edit();
      return 'same';
    }
    const graphs = reads.map(({ graph }) => graph);
    const readers = reads.map(({ reader }) => reader);
    return twin.reading(to, graphs, readers, edit, () => {
      for (const read of reads) read.redirect(to);
    });
  },
  addOutput(twin, choose) {
    const graph = choose.from(twin.graphs())!;
    const value = chosenValue(twin, choose, graph);
    return value === null ? 'same' : twin.addOutput(graph, value);
  },
  removeOutput(twin, choose) {
    const output = choose.from(twin.graphs().flatMap(({ outputs }) => outputs));
    if (output === undefined) return 'same';
    twin.editor.removeOutput(output.real);
    output.graph.outputs.splice(output.graph.outputs.indexOf(output), 1);
    return 'changed';
  },
  setOutputValue(twin, choose) {
    const output = choose.from(twin.graphs().flatMap(({ outputs }) => outputs));
    const value = choose.from(twin.values());
    if (output === undefined || value === undefined) return 'same';
    const edit = () => twin.editor.setOutputValue(output.real, value.real);
    if (output.value === value) {
      edit();
      return 'same';
    }
    return twin.reading(value, [output.graph], [output.graph.owner], edit, () => {
      output.value = value;
    });
  },
  omitOutput(twin, choose) {
    const value = choose.from(twin.values().filter(({ producer }) => producer !== null));
    if (value === undefined) return 'same';
    if (value.pinned || twin.isRead(value)) {
      return twin.refused(() => twin.editor.omitOutput(value.real));
    }
    twin.editor.omitOutput(value.real);
    const { outputs } = value.producer!;
    outputs[outputs.indexOf(value)] = null;
    while (outputs.at(-1) === null) outputs.pop();
    return 'changed';
  },
  rename(twin, choose) {
    const value = choose.from(twin.values());
    if (value === undefined) return 'same';
    const name = choose.from(['n', 'o', 'o_1', 'v0', 'v0_1', 'x'])!;
    if (value.pinned) return twin.refused(() => twin.editor.renameValue(value.real, name));
    const isSame = value.name === name;
    value.name = '';
    const taken = twin.names();
    value.name = twin.editor.renameValue(value.real, name);
    expect(taken.includes(value.name)).toBe(false);
    expect(value.name === name).toBe(isSame || !taken.includes(name));
    return isSame ? 'same' : 'changed';
  },
  pin(twin, choose) {
    const value = choose.from(twin.values());
    if (value === undefined || choose.below(3) > 0) return 'same';
    twin.editor.pin(value.real);
    value.pinned = true;
    return 'either';
  },
  addInput(twin, choose) {
    const graph = choose.from(twin.graphs())!;
    const taken = twin.names();
    graph.inputs.push(twin.value(twin.editor.addInput(graph.real, 'x', undefined), graph, null, 'x', taken));
    return 'changed';
  },
  removeInput(twin, choose) {
    const value = choose.from(twin.graphs().flatMap(({ inputs }) => inputs));
    if (value === undefined) return 'same';
    const edit = () => twin.editor.removeInput(value.real);
    if (value.pinned || twin.isRead(value)) return twin.refused(edit);
    edit();
    value.graph.inputs.splice(value.graph.inputs.indexOf(value), 1);
    return 'changed';
  },
  addConstant(twin, choose) {
    const graph = choose.from(twin.graphs())!;
    const taken = twin.names();
    const real = twin.editor.addInitializer(graph.real, floatTensor([1]), 'w');
    graph.constants.push(twin.value(real, graph, null, 'w', taken));
    return 'changed';
  },
  /** A constant that a node reads before it stands anywhere. */
  readDraftConstant(twin, choose) {
    const node = choose.from(twin.nodes());
    if (node === undefined) return 'same';
    const taken = twin.names();
    const real = twin.editor.draftConstant(node.graph.real, floatTensor([1]), 'k');
    twin.editor.setInput(node.real, 0, real);
    const value = twin.value(real, node.graph, null, 'onnxopt::k', taken);
    node.graph.constants.push(value);
    node.inputs[0] = value;
    return 'changed';
  },
  eraseConstant(twin, choose) {
    const value = choose.from(twin.graphs().flatMap(({ constants }) => constants));
    if (value === undefined) return 'same';
    const edit = () => twin.editor.eraseInitializer(value.real);
    if (value.pinned || twin.isRead(value)) return twin.refused(edit);
    edit();
    value.graph.constants.splice(value.graph.constants.indexOf(value), 1);
    return 'changed';
  },
  /** A new body for a node that stands in the graph, in the place of the old one where it had one. */
  replaceBody(twin, choose) {
    const node = choose.from(twin.nodes());
    if (node === undefined) return 'same';
    const captured = chosenValue(twin, choose, node.graph);
    const body = emptyGraph(twin.editor.createSubgraph(node.real, 'body'), node);
    twin.editor.setAttribute(node.real, { name: 'body', kind: 'graph', value: body.real });
    node.bodies.set('body', body);
    if (captured !== null && isVisible(captured, node.graph)) twin.fillBody(body, [captured]);
    return 'changed';
  },
  removeBody(twin, choose) {
    const node = choose.from(twin.nodes());
    if (node === undefined) return 'same';
    twin.editor.removeAttribute(node.real, 'body');
    return node.bodies.delete('body') ? 'changed' : 'same';
  },
  /** Erases whatever nobody reads while it walks the nodes backwards. */
  eraseUnread(twin, choose) {
    const graph = choose.from(twin.graphs())!;
    if (choose.below(4) > 0) return 'same';
    let erased = 0;
    for (const real of graph.real.nodes.reversed()) {
      if (!real.outputs.every((output) => output === null || (output.uses.size === 0 && !output.pinned))) continue;
      twin.editor.eraseNode(real);
      graph.nodes = graph.nodes.filter((node) => node.real !== real);
      erased += 1;
    }
    for (const node of graph.nodes) {
      expect(node.outputs.some((output) => output !== null && (output.pinned || twin.isRead(output)))).toBe(true);
    }
    return erased > 0 ? 'changed' : 'same';
  },
};

/** Mostly a value that can be read in `graph`; sometimes any, or none. */
function chosenValue(twin: Twin, choose: Chooser, graph: NaiveGraph): NaiveValue | null {
  const kind = choose.below(12);
  if (kind === 11) return null;
  const values = kind === 10 ? twin.values() : twin.values().filter((value) => isVisible(value, graph));
  return choose.from(values) ?? null;
}

/** Building and linking come more often than taking away, so that there is something to take away. */
const kinds = [...Object.keys(edits), 'insert', 'insert', 'insert', 'insertWithBody', 'setInput', 'replaceAllUses'];

const step = fc.record({
  kind: fc.constantFrom(...kinds),
  numbers: fc.array(fc.nat(999), { minLength: 8, maxLength: 12 }),
});

describe('the editor, under random edits', () => {
  it('keeps uses, order, names and revision as a naive graph works them out from scratch', () => {
    const property = fc.property(fc.array(step, { minLength: 30, maxLength: 100, size: 'max' }), (steps) => {
      const twin = new Twin();
      const { editor } = twin;
      editor.setOpsetImport('', 21);
      for (const kind of ['addInput', 'addConstant', 'insert', 'insertWithBody']) edits[kind]!(twin, new Chooser([]));
      for (const { kind, numbers } of steps) {
        const { revision } = editor;
        const outcome = edits[kind]!(twin, new Chooser(numbers));
        if (outcome === 'same') expect(editor.revision).toBe(revision);
        if (outcome === 'changed') expect(editor.revision).toBeGreaterThan(revision);
        twin.compare();
      }
      const clone = cloneModel(editor.model);
      expect(verifyModel(clone)).toEqual([]);
      expect(formatModel(clone)).toBe(formatModel(editor.model));
      const bytes = encodeModel(editor.model);
      expect(Buffer.compare(bytes, encodeModel(clone))).toBe(0);
      expect(verifyModel(decodeModel(bytes)).filter(({ severity }) => severity === 'error')).toEqual([]);
    });
    fc.assert(property, { numRuns: 300 });
  });
});
