// a model => the same in operators, an opset and an IR version that the target loads
// Needs: an exact spelling of what the target does not run, and exact equivalents in its opset. What has none stays, and
// is reported: `legalize/not-supported`, `legalize/opset`, `legalize/ir-version`.
import { type DataType, dataTypeBits } from '../../ir/data_type.js';
import { describeNode, type Model, opsetVersion } from '../../ir/graph.js';
import { modelGraphs } from '../../ir/traversal.js';
import { definePass, type PassContext } from '../pass.js';
import { convertOpset, leastIrVersion, oldestTargetOpset, opsetObstacles } from './convert_opset.js';
import { isFunction, unfitReason } from './unfit.js';
import { opsetForUnfusing, unfuseGraph, unfusingObstacle } from './unfuse_operators.js';

export const legalizeForTarget = definePass({
  name: 'legalize-for-target',
  summary: 'a model of any form => operators, opset and IR version that the target loads',
  scope: 'model',
  run(_graph, context) {
    raiseOpset(context);
    for (const graph of modelGraphs(context.model)) unfuseGraph(graph, context);
    fitOpset(context);
    fitIrVersion(context);
    reportUnfit(context);
  },
});

/** Some operators are spelled in newer opsets only. */
function raiseOpset(context: PassContext): void {
  const { model, target } = context;
  let wanted = 0;
  for (const graph of modelGraphs(model)) {
    for (const node of graph.nodes) wanted = Math.max(wanted, opsetForUnfusing(node, context) ?? 0);
  }
  if (wanted === 0 || wanted > target.opset.max || leastIrVersion(wanted) > target.irVersion) return;
  if (opsetObstacles(model, wanted).length === 0) void convertOpset(wanted).run(model.graph, context);
}

function fitOpset(context: PassContext): void {
  const { model, target } = context;
  const current = opsetVersion(model.graph, '');
  if (current === undefined) return;
  const { min, max } = target.opset;
  const wanted = Math.max(min, Math.min(current, max));
  if (wanted === current || wanted < oldestTargetOpset) return;
  const obstacles = opsetObstacles(model, wanted);
  for (const { node, reason } of obstacles) {
    context.report({
      code: 'legalize/opset',
      severity: 'warning',
      message: `${node.opType} has no equivalent in opset ${wanted}, ${current > max ? 'the newest' : 'the oldest'} that ${target.name} loads: ${reason}`,
      where: describeNode(node),
      help: `The model stays at opset ${current}`,
    });
  }
  if (obstacles.length > 0) return;
  void convertOpset(wanted).run(model.graph, context);
}

function fitIrVersion({ model, editor, target, report }: PassContext): void {
  const { irVersion } = model;
  if (irVersion <= target.irVersion) return;
  let needed = leastIrVersion(opsetVersion(model.graph, '') ?? 1);
  for (const version of elementVersions(model)) needed = Math.max(needed, version);
  if (needed <= target.irVersion) {
    editor.setModelProperties({ irVersion: target.irVersion });
    return;
  }
  report({
    code: 'legalize/ir-version',
    severity: 'warning',
    message: `the model needs IR version ${needed}, and ${target.name} loads ${target.irVersion}`,
  });
}

/** IR versions that brought the types of constants: comments of `TensorProto.DataType` in onnx.proto. */
function* elementVersions(model: Model): Generator<number> {
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) {
      if (initializer !== null && initializer.kind !== 'sparse') yield versionOf(initializer.dtype);
    }
  }
}

function versionOf(dtype: DataType): number {
  if (dataTypeBits(dtype) === 2) return 13;
  if (dtype === 'float8e8m0') return 12;
  if (dtype === 'float4e2m1') return 11;
  if (dataTypeBits(dtype) === 4) return 10;
  return dtype.startsWith('float8') ? 9 : 3;
}

function reportUnfit(context: PassContext): void {
  for (const graph of modelGraphs(context.model)) {
    for (const node of graph.nodes) {
      const reason = unfitReason(node, context.target);
      // Runtimes put the definition of a standard function in its place.
      if (reason === undefined || (isFunction(node) && !Object.hasOwn(context.target.refuses, node.opType))) continue;
      const obstacle = unfusingObstacle(node, context) ?? 'no other operators are known that spell it';
      context.report({
        code: 'legalize/not-supported',
        severity: 'warning',
        message: `${reason}; ${obstacle}`,
        where: describeNode(node),
        help: 'The node stays as it is: the target may refuse the model',
      });
    }
  }
}
