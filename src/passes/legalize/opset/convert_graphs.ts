import type { Editor } from '../../../ir/editor.js';
import { calledFunction, type Graph, type Model, type ModelFunction, type Node } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { operatorVersions } from '../../../ir/ops/operator_schema.js';
import { fitSchema } from './fit_schema.js';
import type { Move } from './step.js';
import { nodesReadersFirst, StepContext } from './step_context.js';
import { steps } from './steps.js';

/**
 * A node that cannot be converted, and the opset version whose step it does not get over; no version where it does not
 * fit the opset that the model imports to begin with.
 */
export type Obstacle = { readonly node: Node; readonly reason: string; readonly version: number | undefined };

/**
 * Converts every graph to `target`, one opset version after the other, and sets the imports. What cannot be converted
 * is left as it stands, which makes the result worthless: nodes are named as they are in the converted model.
 */
export function convertGraphs(editor: Editor, inference: Inference, target: number): readonly Obstacle[] {
  const { model } = editor;
  const context = new StepContext(editor, inference, target);
  return [null, ...model.functions.values()].flatMap((fn) => convertRoot(model, fn, context));
}

function convertRoot(model: Model, fn: ModelFunction | null, context: StepContext): readonly Obstacle[] {
  const graph = (fn ?? model).graph;
  const imports = (fn ?? model).opsetImports;
  const domains = ['', 'ai.onnx'].filter((domain) => imports.has(domain));
  const current = imports.get(domains[0] ?? '');
  const nodes = [...nodesReadersFirst(graph)].filter(isStandard);
  if (current === undefined) {
    return nodes.map((node) => ({ node, reason: 'the default domain is not imported', version: undefined }));
  }
  const obstacles = nodes.flatMap((node) => missing(node, current));
  const stuck = new Set(obstacles.map(({ node }) => node));
  const isUp = current < context.target;
  const length = Math.abs(context.target - current);
  for (let step = 1; step <= length; step += 1) {
    const version = isUp ? current + step : current - step + 1;
    for (const obstacle of convertStep(graph, version, isUp, stuck, context)) {
      stuck.add(obstacle.node);
      obstacles.push(obstacle);
    }
    for (const domain of domains) context.editor.setOpsetImport(domain, isUp ? version : version - 1, fn);
  }
  return obstacles.map(({ node, ...rest }) => ({ node: context.origin(node), ...rest }));
}

function missing(node: Node, current: number): readonly Obstacle[] {
  const first = operatorVersions('', node.opType)[0];
  if (first === undefined) return [{ node, reason: `the standard has no operator ${node.opType}`, version: undefined }];
  if (first.since <= current) return [];
  const reason = `${node.opType} exists from opset ${first.since} on, the model imports ${current}`;
  return [{ node, reason, version: undefined }];
}

/** Takes all nodes over one version. */
function convertStep(
  graph: Graph,
  version: number,
  isUp: boolean,
  stuck: ReadonlySet<Node>,
  context: StepContext,
): readonly Obstacle[] {
  const obstacles: Obstacle[] = [];
  for (const node of [...nodesReadersFirst(graph)]) {
    if (!node.attached || stuck.has(node) || !isStandard(node)) continue;
    const reason = convertNode(node, version, isUp, context);
    if (reason !== undefined) obstacles.push({ node, reason, version });
  }
  return obstacles;
}

function convertNode(node: Node, version: number, isUp: boolean, context: StepContext): string | undefined {
  const { opType } = node;
  const versions = operatorVersions('', opType);
  const at = versions.findIndex(({ since }) => since === version);
  if (at < 0 || (isUp && at === 0)) return undefined;
  const [from, to] = isUp ? [versions[at - 1], versions[at]] : [versions[at], versions[at - 1]];
  const step = Object.hasOwn(steps, opType) ? steps[opType]?.[version] : undefined;
  const reason = move(node, isUp ? step?.up : step?.down, to !== undefined, context);
  if (reason !== undefined || node.opType !== opType || from === undefined || to === undefined) return reason;
  return fitSchema(node, from, to, context);
}

function move(node: Node, how: Move | undefined, exists: boolean, context: StepContext): string | undefined {
  if (how === undefined)
    return exists ? 'nobody has told yet whether it means the same there' : 'it does not exist there';
  if (how === 'same') return undefined;
  if (typeof how === 'object') return how.refuse;
  const reference = [...node.attributes.values()].find(({ kind }) => kind === 'reference');
  if (reference !== undefined) return `attribute "${reference.name}" is only known where the function is called`;
  return how(node, context);
}

const isStandard = (node: Node): boolean =>
  (node.domain === '' || node.domain === 'ai.onnx') && calledFunction(node) === undefined;
