// a shape value computed again, by whatever way => the value that held it first
// Needs: every element of both known, as numbers or expressions that are equal for all sizes, and the same type. A value
// that feeds a graph output stays. Each replacement leaves one value less that is read.
import { dimKey, type Expr } from '../../ir/dim.js';
import type { Value } from '../../ir/graph.js';
import { type Content, maxContentElements } from '../../ir/ops/inference/content.js';
import { hasControlFlow, isOpaque, isRandom } from '../../ir/ops/traits.js';
import { definePass, type PassContext } from '../pass.js';

const name = 'reuse-shape-values';

export const reuseShapeValues = definePass({
  name,
  summary: 'a shape value computed again, by whatever way => the value that held it first',
  scope: 'graphs',
  run(graph, context) {
    const first = new Map<string, Value>();
    for (const node of graph.nodes) {
      if (isOpaque(node) || isRandom(node) || hasControlFlow(node)) continue;
      for (const output of node.outputs) {
        if (output === null || output.pinned || output.uses.size === 0) continue;
        const key = contentKey(context.inference.contentOf(output));
        if (key === undefined) continue;
        const earlier = first.get(key);
        if (earlier === undefined) first.set(key, output);
        else reuse(output, earlier, context);
      }
    }
  },
});

function reuse(output: Value, earlier: Value, { editor, decline }: PassContext): void {
  const node = output.producer!;
  if ([...output.uses].some(({ kind }) => kind === 'output')) {
    decline({ rule: name, node, reason: 'a graph output keeps its producer' });
    return;
  }
  editor.replaceAllUses(output, earlier);
  if (node.outputs.every((other) => other === null || (other.uses.size === 0 && !other.pinned))) editor.eraseNode(node);
}

/**
 * The same text for the same type and elements. undefined where an element is not known, and where all are numbers:
 * those become constants.
 */
function contentKey(known: Content | undefined): string | undefined {
  if (known === undefined || known.elements.length > maxContentElements) return undefined;
  const elements = known.elements.filter((element): element is Expr => element !== undefined);
  if (elements.length < known.elements.length || !elements.some((element) => typeof element === 'object')) {
    return undefined;
  }
  return `${known.dtype}[${known.dims.join()}] ${elements.map(dimKey).join(' ; ')}`;
}
