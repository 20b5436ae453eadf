import fs from 'node:fs';
import path from 'node:path';
import { findTarget } from '../../src/backends/target.js';
import { formatTable } from '../../src/cli/table.js';
import { type Model, opsetVersion } from '../../src/ir/graph.js';
import { loadModel } from '../../src/ir/onnx/files.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { optimize } from '../../src/optimize.js';
import type { Case } from './cases.js';

/** An operator written out as primitives, and whether simplifying it for ONNX Runtime on the CPU wrote it back. */
export type Restoration = {
  readonly name: string;
  readonly operator: string;
  /** Whether the target has a kernel of its own for the operator; undefined where that is not recorded. */
  readonly runs: boolean | undefined;
  readonly restored: boolean;
  /** What stands there instead. */
  readonly left: string;
};

/** The share of expanded operators that the target has and that are to be written back. */
const bar = 0.7;

/**
 * For a node test named `…_expanded…`: its operators after simplifying against those of the test of the same name
 * without it. Empty for other tests.
 */
export async function restoration(test: Case): Promise<Restoration[]> {
  const plain = test.name.replace(/_expanded(_ver\d+)?$/, '');
  const twinFile = path.join(path.dirname(path.dirname(test.model)), plain, 'model.onnx');
  if (plain === test.name || test.group !== 'node tests' || !fs.existsSync(twinFile)) return [];
  const target = findTarget('ort-cpu');
  const twin = loadModel(twinFile);
  const { model } = await optimize({ model: test.model, target, check: false });
  const [wanted, left] = [operatorsOf(twin), operatorsOf(model)];
  const node = [...twin.graph.nodes].find(({ opType }) => opType !== 'Constant');
  if (node === undefined) return [];
  const version = opsetVersion(twin.graph, node.domain) ?? 1;
  return [
    {
      name: test.name,
      operator: node.domain === '' ? node.opType : `${node.domain}.${node.opType}`,
      runs: target.runs(node.domain, node.opType, version),
      restored: wanted === left,
      left,
    },
  ];
}

/** With their domains, sorted, without the Constants that only some exporters write. */
const operatorsOf = (model: Model): string =>
  [...modelGraphs(model)]
    .flatMap((graph) => [...graph.nodes])
    .filter(({ opType }) => opType !== 'Constant')
    .map(({ domain, opType }) => (domain === '' || domain === 'ai.onnx' ? opType : `${domain}.${opType}`))
    .sort()
    .join(' ');

/** A row an operator, and the share over those that the target has. */
export function restorationText(all: readonly Restoration[]): string {
  const operators = [...new Set(all.map(({ operator }) => operator))].sort();
  const rows = operators.map((operator) => {
    const cases = all.filter((each) => each.operator === operator);
    const restored = cases.filter((each) => each.restored);
    const other = cases.find((each) => !each.restored);
    return [
      operator,
      String(cases.length),
      String(restored.length),
      cases.every(({ runs }) => runs === true) ? 'yes' : cases.some(({ runs }) => runs === true) ? 'some' : 'no',
      `${((100 * restored.length) / cases.length).toFixed(0)}%`,
      other === undefined ? '' : `${other.name}: ${other.left.slice(0, 100)}`,
    ];
  });
  const had = all.filter(({ runs }) => runs === true);
  const share = had.filter(({ restored }) => restored).length / Math.max(1, had.length);
  const header = ['written out', 'tests', 'restored', 'ort-cpu has it', '', 'left of one that was not'];
  return (
    `operators written out as primitives, after simplifying for ort-cpu:\n${formatTable([header, ...rows])}\n` +
    `${had.filter(({ restored }) => restored).length} of ${had.length} that ort-cpu has are restored: ` +
    `${(100 * share).toFixed(1)}% (wanted: ${100 * bar}%)`
  );
}
