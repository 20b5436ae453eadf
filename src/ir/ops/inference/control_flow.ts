import type { ValueType } from '../../value_type.js';
import { commonOutput } from './carried.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { inferLoop } from './loop.js';
import { inferScan } from './scan.js';

/** If: the branch that a known condition takes; else what both branches have in common. */
function inferIf(context: InferenceContext): void {
  const known = context.content(0);
  const condition = known?.elements.length === 1 ? known.elements[0] : undefined;
  const taken = typeof condition === 'number' ? [condition !== 0 ? 'then_branch' : 'else_branch'] : undefined;
  const branches = (taken ?? ['then_branch', 'else_branch']).map((name) => {
    const graph = context.graph(name);
    return graph && context.inferGraph(graph, []);
  });
  if (branches.some((outputs) => outputs !== undefined && outputs.length !== context.outputCount)) {
    const counts = branches.map((outputs) => outputs?.length ?? 0).join(' and ');
    context.fail('infer/if-outputs', `If has ${context.outputCount} outputs, its branches have ${counts}`);
  }
  for (let index = 0; index < context.outputCount; index += 1) {
    const [result, other] = branches.map((outputs) => outputs?.[index]);
    const both = taken ? result : result && other && commonOutput(result, other);
    context.setType(index, both?.type);
    context.setContent(index, both?.content);
  }
}

/** SequenceMap: the body sees one element of each sequence; its outputs become elements of sequences. */
function inferSequenceMap(context: InferenceContext): void {
  const body = context.graph('body');
  if (body === undefined) return;
  if (body.inputs.length !== context.inputCount || body.outputs.length < context.outputCount) {
    const given = `${body.inputs.length} inputs and ${body.outputs.length} outputs`;
    context.fail('infer/sequence-map-body', `the body with ${given} does not fit its SequenceMap`);
    return;
  }
  const types = body.inputs.map((_, index): ValueType | undefined => {
    const type = context.type(index);
    return type?.kind === 'sequence' ? type.element : type;
  });
  const contents = body.inputs.map((_, index) => context.anyContent(index));
  for (const [index, { type }] of context.inferGraph(body, types, contents).entries()) {
    context.setType(index, { kind: 'sequence', element: type });
  }
}

export const controlFlowRules: InferenceRules = {
  If: inferIf,
  Loop: inferLoop,
  Scan: inferScan,
  SequenceMap: inferSequenceMap,
};
