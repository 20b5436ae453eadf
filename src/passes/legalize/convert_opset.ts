// a model of one opset => the same model in another
// Needs: an exact equivalent of every node in the default domain; else nothing is changed (`convert/no-equivalent`).
import { cloneModel } from '../../ir/clone.js';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { Editor } from '../../ir/editor.js';
import { describeNode, type Model, type Node, opsetVersion } from '../../ir/graph.js';
import { Inference } from '../../ir/ops/inference/inference.js';
import { latestOpset } from '../../ir/ops/operator_schema.js';
import { definePass, type Pass } from '../pass.js';
import { convertGraphs, type Obstacle } from './opset/convert_graphs.js';
import { nodesReadersFirst, passName } from './opset/step_context.js';

/** A node with no exact equivalent in the target opset, why, and the opset version that it cannot get over. */
export type OpsetObstacle = Obstacle;

/** Conversion leads to no older opset; reading older ones is fine. */
export const oldestTargetOpset = 7;

/**
 * Converts the default domain of a model, its subgraphs and its functions up or down to `targetVersion`, and raises
 * the IR version where that opset asks for it. Exact or refused.
 * @throws DiagnosticError `convert/target-opset` for a version that cannot be a target; from the pass, before anything
 * has changed, `convert/unknown-opset` for a model of a newer opset than is known, and `convert/no-equivalent`.
 */
export function convertOpset(targetVersion: number): Pass {
  requireTarget(targetVersion);
  return definePass({
    name: passName,
    summary: `a model of any opset => the same model in opset ${targetVersion}`,
    scope: 'model',
    run(_graph, { model, editor }) {
      if (isConverted(model, targetVersion)) return;
      const [first, ...rest] = opsetObstacles(model, targetVersion);
      if (first !== undefined) throw noEquivalent(first, rest.length, targetVersion);
      const [missed] = convertTo(targetVersion, editor);
      if (missed !== undefined) {
        throw new InvariantError(`${describeNode(missed.node)} was converted on trial only: ${missed.reason}`);
      }
    },
  });
}

/**
 * Every node that keeps the model from being converted; none where `convertOpset` will do it. The model stays as it
 * is: the conversion is tried on a copy that shares its tensors.
 * @throws DiagnosticError `convert/target-opset`, `convert/unknown-opset`
 */
export function opsetObstacles(model: Model, targetVersion: number): readonly OpsetObstacle[] {
  requireTarget(targetVersion);
  requireKnown(model);
  const trial = cloneModel(model);
  const originals = new Map<Node, Node>();
  for (const [copy, original] of zip(allNodes(trial), allNodes(model))) originals.set(copy, original);
  return convertTo(targetVersion, new Editor(trial)).map(({ node, ...rest }) => ({
    node: originals.get(node)!,
    ...rest,
  }));
}

/** Starts from what the model itself tells, so that a model and its copy are converted alike. */
function convertTo(targetVersion: number, editor: Editor): readonly OpsetObstacle[] {
  raiseIrVersion(editor, targetVersion);
  return convertGraphs(editor, new Inference(editor.model), targetVersion);
}

/** The first IR version whose release had this opset: `VERSION_TABLE` of onnx.helper. */
export function leastIrVersion(opset: number): number {
  const [, irVersion] = irVersions.find(([since]) => opset >= since)!;
  return irVersion;
}

const irVersions = [
  [28, 14],
  [25, 13],
  [24, 12],
  [23, 11],
  [21, 10],
  [19, 9],
  [15, 8],
  [12, 7],
  [11, 6],
  [10, 5],
  [9, 4],
  [1, 3],
] as const;

/** From this IR version on, an initializer that is an input too can be overridden by the caller. */
const overridableSince = 4;

/** What no caller could override before stays so: weights of old models stop being inputs. */
function raiseIrVersion(editor: Editor, opset: number): void {
  const { model } = editor;
  const irVersion = leastIrVersion(opset);
  if (model.irVersion >= irVersion) return;
  if (model.irVersion < overridableSince && irVersion >= overridableSince) {
    for (const input of [...model.graph.inputs]) if (input.initializer !== null) editor.inputToInitializer(input);
  }
  editor.setModelProperties({ irVersion });
}

function requireTarget(version: number): void {
  const newest = latestOpset('')!;
  if (Number.isInteger(version) && version >= oldestTargetOpset && version <= newest) return;
  throw new DiagnosticError({
    code: 'convert/target-opset',
    message: `models are not converted to opset ${version}`,
    help: `Choose a version from ${oldestTargetOpset} to ${newest}`,
  });
}

function requireKnown(model: Model): void {
  const newest = latestOpset('')!;
  for (const part of [model, ...model.functions.values()]) {
    const current = part.opsetImports.get('') ?? part.opsetImports.get('ai.onnx') ?? newest;
    if (current <= newest) continue;
    throw new DiagnosticError({
      code: 'convert/unknown-opset',
      message: `what opset ${current} means is not known here`,
      where: 'name' in part ? `function "${part.name}"` : part.graph.name || 'graph',
      help: `The newest that can be converted is ${newest}`,
    });
  }
}

const isConverted = (model: Model, version: number): boolean =>
  [model, ...model.functions.values()].every(({ opsetImports }) => {
    const current = opsetImports.get('') ?? opsetImports.get('ai.onnx');
    return current === undefined || current === version;
  });

function noEquivalent({ node, reason, version }: OpsetObstacle, others: number, target: number): DiagnosticError {
  const more = others === 0 ? '' : `, and ${others} other ${others === 1 ? 'node has' : 'nodes have'} none either`;
  return new DiagnosticError({
    code: 'convert/no-equivalent',
    message: `${node.opType} has no equivalent in opset ${target}: ${reason}${more}`,
    where: describeNode(node),
    help: helpFor(node, version, target),
  });
}

function helpFor(node: Node, version: number | undefined, target: number): string {
  if (version === undefined) return 'It is not of the opset that the model imports: correct the import';
  const current = opsetVersion(node.graph, '') ?? target;
  return target < current
    ? `Stay at opset ${version} or newer, or express this node by other operators`
    : `Stay below opset ${version}, or express this node by other operators`;
}

function* allNodes(model: Model): Generator<Node> {
  for (const { graph } of [model, ...model.functions.values()]) yield* nodesReadersFirst(graph);
}

function* zip<A, B>(left: Iterable<A>, right: Iterable<B>): Generator<[A, B]> {
  const others = right[Symbol.iterator]();
  for (const item of left) {
    const other = others.next();
    if (other.done) return;
    yield [item, other.value];
  }
}
