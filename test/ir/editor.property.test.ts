import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cloneModel } from '../../src/ir/clone.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { Editor } from '../../src/ir/editor.js';
import type { Graph, Node, Value } from '../../src/ir/graph.js';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { floatTensor } from '../../src/ir/tensor.js';
import { formatModel } from '../../src/ir/text.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { verifyModel } from '../../src/ir/verifier.js';

/** A step is three numbers: what to do, and where. Each is taken modulo what there is. */
const step = fc.tuple(fc.nat(9), fc.nat(10_000), fc.nat(10_000));

/** Who reads each value, counted from the nodes and outputs alone: what use lists must agree with. */
function countReaders(editor: Editor): Map<Value, number> {
  const counts = new Map<Value, number>();
  const add = (value: Value | null) => {
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  };
  for (const graph of modelGraphs(editor.model)) {
    for (const node of graph.nodes) for (const input of node.inputs) add(input);
    for (const slot of graph.outputs) add(slot.value);
  }
  return counts;
}

const pick = <T>(items: readonly T[], at: number): T | undefined => items[at % Math.max(1, items.length)];

/** Values that can be read in `graph`: its own and those of the graphs around it. */
function readable(graph: Graph): Value[] {
  const values: Value[] = [];
  for (let scope: Graph | undefined = graph; scope !== undefined; scope = scope.owner?.graph)
    values.push(...scope.values.values());
  return values;
}

function addIf(editor: Editor, graph: Graph, captured: Value): void {
  const node = editor.draft({ graph, opType: 'If', inputs: [captured], outputs: 1 });
  const body = editor.createSubgraph(node, 'then_branch');
  const inner = editor.insertNode({ graph: body, opType: 'Neg', inputs: [captured], outputs: 1 });
  editor.addOutput(body, inner.outputs[0]!);
  editor.setAttribute(node, { name: 'then_branch', kind: 'graph', value: body });
  editor.attach(node);
}

function apply(editor: Editor, [action, a, b]: readonly [number, number, number]): void {
  const graphs = [...modelGraphs(editor.model)];
  const graph = pick(graphs, a)!;
  const nodes: Node[] = [...graph.nodes];
  const values = readable(graph);
  const node = pick(nodes, b);
  const value = pick(values, b);
  switch (action) {
    case 0:
    case 1:
      if (value !== undefined) {
        const second = pick(values, a + b)!;
        const before =
          a % 3 === 0
            ? null
            : (nodes.find((each) =>
                [value, second].every((v) => v.producer === null || v.graph !== graph || v.producer.order < each.order),
              ) ?? null);
        editor.insertNode({ graph, opType: 'Add', inputs: [value, second], outputs: 1 + (b % 2) }, before);
      }
      break;
    case 2:
      if (value !== undefined) addIf(editor, graph, value);
      break;
    case 3:
      editor.addInitializer(graph, floatTensor([a]), `c${a % 7}`);
      break;
    case 4:
      if (node !== undefined && value !== undefined && node.inputs.length > 0)
        editor.setInput(node, a % node.inputs.length, value);
      break;
    case 5:
      if (node?.outputs.every((output) => output === null || output.uses.size === 0)) editor.eraseNode(node);
      break;
    case 6: {
      const other = pick([...graph.values.values()], a + 1);
      const own = pick([...graph.values.values()], b);
      if (own !== undefined && other !== undefined) editor.replaceAllUses(own, other);
      break;
    }
    case 7:
      if (value !== undefined && graph.owner === null)
        editor.addOutput(graph, value, `out${a}_${b}_${graph.outputs.length}`);
      break;
    case 8:
      if (value !== undefined && !value.isInput) editor.renameValue(value, `n${a % 11}`);
      break;
    default: {
      const slot = pick(graph.outputs, b);
      if (slot !== undefined && graph.owner === null) editor.removeOutput(slot);
    }
  }
}

describe('the editor, under random changes', () => {
  it('keeps every promise of the graph, and use lists that agree with a count from scratch', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const editor = new Editor();
        editor.setOpsetImport('', 17);
        editor.addInput(editor.model.graph, 'x', undefined);
        for (const each of steps) {
          const { revision } = editor;
          const before = formatModel(editor.model);
          try {
            apply(editor, each);
          } catch (error) {
            // A use that would close a circle is refused, and nothing has changed.
            if (!(error instanceof DiagnosticError) || error.diagnostic.code !== 'graph/cycle') throw error;
          }
          if (formatModel(editor.model) !== before) expect(editor.revision).toBeGreaterThan(revision);
          expect(verifyModel(editor.model)).toEqual([]);
        }
        for (const [value, count] of countReaders(editor)) expect(value.uses.size).toBe(count);
        const clone = cloneModel(editor.model);
        expect(verifyModel(clone)).toEqual([]);
        const bytes = encodeModel(editor.model);
        expect(Buffer.compare(bytes, encodeModel(clone))).toBe(0);
        expect(verifyModel(decodeModel(bytes)).filter(({ severity }) => severity === 'error')).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
