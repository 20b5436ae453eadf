import type { Value } from '../../ir/graph.js';

/**
 * Why `output` cannot simply be replaced by `input`: a graph output needs a producer in its own graph that can take its
 * name, or the file would need an Identity in the place of what was saved.
 */
export function standInObstacle(input: Value, output: Value): string | undefined {
  const slots = [...output.uses].flatMap((use) => (use.kind === 'output' ? [use.user] : []));
  if (slots.length === 0) return undefined;
  if (input.producer === null) return 'a graph output would be an input or initializer';
  if (slots.length > 1 || slots[0]!.graph !== input.graph) return 'a graph output needs a producer of its own';
  const taken = [...input.uses].some((use) => use.kind === 'output');
  return taken || input.pinned ? 'its input is a graph output under another name' : undefined;
}
