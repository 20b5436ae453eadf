import { cloneModel } from '../ir/clone.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { type Expr, evaluate, formatDim, substitute, symbolsOf } from '../ir/dim.js';
import { Editor } from '../ir/editor.js';
import type { Model, Node } from '../ir/graph.js';
import type { NodeCost } from '../ir/ops/cost/cost.js';
import { modelCost } from '../ir/ops/cost/model_cost.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { type Shape, tensorType } from '../ir/value_type.js';

/** A count, as text where it depends on open dimensions (see `formatDim`); null where it is not known. */
export type CountText = number | bigint | string | null;

/** Units and what counts as what: see `NodeCost`. */
export type CostFigures = {
  readonly macs: CountText;
  readonly elementOps: CountText;
  readonly bytesRead: CountText;
  readonly bytesWritten: CountText;
};

/** What one run of a model takes. */
export type CostSummary = CostFigures & {
  /** By figure, the nodes that it leaves out, as `Operator "name"`. */
  readonly unknown: Readonly<Record<keyof CostFigures, readonly string[]>>;
  /** The nodes with the most MACs; of as many MACs, those that move the most bytes. */
  readonly largest: readonly (CostFigures & { readonly node: string; readonly operator: string })[];
};

export type CostOptions = {
  /** Sizes of open dimensions of the inputs, by name; the others stay. */
  readonly dims?: Readonly<Record<string, number>>;
  /** How many of the largest nodes to name; 10 by default. */
  readonly top?: number;
};

/** Where expressions are compared, every open dimension counts as this. */
const assumedSize = 64;

/**
 * What one run of a model takes, from its shapes alone.
 * @throws DiagnosticError `usage/unknown-dimension` for a size of a dimension that no input has.
 */
export function summarizeCost(model: Model, { dims = {}, top = 10 }: CostOptions = {}): CostSummary {
  const bound = Object.keys(dims).length === 0 ? model : withSizes(model, dims);
  const { nodes, total, unknown } = modelCost(bound, new Inference(bound));
  const ranked = nodes
    .map(({ node, cost }) => ({ node, cost, macs: assumed(cost.macs), bytes: assumedBytes(cost) }))
    .filter(({ macs, bytes }) => macs > 0 || bytes > 0)
    .sort((a, b) => b.macs - a.macs || b.bytes - a.bytes);
  const labels = (left: readonly Node[]) => left.map((node) => `${operatorLabel(node)} "${nodeLabel(node)}"`);
  return {
    ...figures(total),
    unknown: {
      macs: labels(unknown.macs),
      elementOps: labels(unknown.elementOps),
      bytesRead: labels(unknown.bytesRead),
      bytesWritten: labels(unknown.bytesWritten),
    },
    largest: ranked.slice(0, top).map(({ node, cost }) => ({
      node: nodeLabel(node),
      operator: operatorLabel(node),
      ...figures(cost),
    })),
  };
}

/** A copy whose inputs have these sizes, so that inference knows them as numbers. */
function withSizes(model: Model, dims: Readonly<Record<string, number>>): Model {
  const sizes = new Map<string, Expr>(Object.entries(dims));
  const copy = cloneModel(model);
  const editor = new Editor(copy);
  const names = new Set<string>();
  for (const input of copy.graph.inputs) {
    if (input.type?.kind !== 'tensor' || input.type.shape === undefined) continue;
    for (const dim of input.type.shape) if (typeof dim === 'object') for (const name of symbolsOf(dim)) names.add(name);
    const shape: Shape = input.type.shape.map((dim) => {
      const size = dim === undefined ? undefined : substitute(dim, sizes);
      return typeof size === 'bigint' ? undefined : size;
    });
    editor.setType(input, tensorType(input.type.dtype, shape));
  }
  for (const name of sizes.keys()) {
    if (names.has(name)) continue;
    const known = names.size === 0 ? 'its inputs have none' : `its inputs have ${[...names].join(', ')}`;
    throw new DiagnosticError({
      code: 'usage/unknown-dimension',
      message: `the model has no open dimension "${name}": ${known}`,
    });
  }
  return copy;
}

const figures = (cost: NodeCost): CostFigures => ({
  macs: text(cost.macs),
  elementOps: text(cost.elementOps),
  bytesRead: text(cost.bytesRead),
  bytesWritten: text(cost.bytesWritten),
});

const text = (count: Expr | undefined): CountText =>
  count === undefined ? null : typeof count === 'object' ? formatDim(count) : count;

/** A count as a number, open dimensions assumed; 0 where it is not known. */
export function assumed(count: Expr | undefined): number {
  if (count === undefined) return 0;
  const sizes = typeof count === 'object' ? [...symbolsOf(count)].map((name) => [name, assumedSize] as const) : [];
  return Number(evaluate(count, new Map(sizes)) ?? 0);
}

const assumedBytes = ({ bytesRead, bytesWritten }: NodeCost): number => assumed(bytesRead) + assumed(bytesWritten);

const operatorLabel = ({ domain, opType }: Node): string =>
  domain === '' || domain === 'ai.onnx' ? opType : `${domain}:${opType}`;

const nodeLabel = (node: Node): string => node.name || (node.outputs.find((output) => output !== null)?.name ?? '');
