import { ortEvaluator } from './backends/ort/run.js';
import { findTarget } from './backends/target.js';
import { cloneModel } from './ir/clone.js';
import { DiagnosticError } from './ir/diagnostic.js';
import type { Model } from './ir/graph.js';
import { loadModel } from './ir/onnx/files.js';
import type { RuleEvent } from './passes/pass.js';
import { runPipeline } from './passes/pipeline.js';
import { allPasses, simplifyPipeline } from './passes/pipelines.js';
import type { FpContract, Licence, TargetProfile } from './passes/target_profile.js';

export type Rule = {
  readonly name: string;
  /** `before => after` */
  readonly summary: string;
  /** undefined: the rule changes no floating-point computation, or asks for what its case needs. */
  readonly licence?: Licence;
  /** The pass that applies it. */
  readonly pass: string;
};

export type ExplainOptions = {
  readonly model: string | Model;
  readonly rule: string;
  /** Default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  readonly fpContract?: FpContract;
};

export type Site = { readonly where: string; readonly reason: string };

/** What became of a rule in a model, while the whole pipeline ran over it. */
export type Explanation = {
  readonly rule: Rule;
  readonly fired: readonly string[];
  /** Found, and left alone. Not listed where it fired later. */
  readonly declined: readonly Site[];
  /** Much of the pattern was there, and what was not. */
  readonly near: readonly Site[];
};

/** Every rule of the pipeline, in its order. A pass that is no list of rules is one rule of its own name. */
export const rules = (): readonly Rule[] =>
  allPasses.flatMap((pass) =>
    pass.rewrites === undefined
      ? [{ name: pass.name, summary: pass.summary, pass: pass.name }]
      : pass.rewrites.map(({ name, summary, licence }) => ({ name, summary, licence, pass: pass.name })),
  );

/**
 * Simplifies a copy of a model and tells where a rule fired, where it nearly did, and why not.
 * @throws DiagnosticError `usage/unknown-rule`, and what loading a model throws.
 */
export async function explain(options: ExplainOptions): Promise<Explanation> {
  const rule = findRule(options.rule);
  const target = typeof options.target === 'object' ? options.target : findTarget(options.target ?? 'ort-cpu');
  const model = cloneModel(typeof options.model === 'string' ? loadModel(options.model) : options.model);
  const events: RuleEvent[] = [];
  await runPipeline(model, simplifyPipeline, {
    target,
    evaluate: ortEvaluator(),
    ...(options.fpContract && { fpContract: options.fpContract }),
    onRule: (event) => {
      if (event.rule === rule.name) events.push(event);
    },
  });
  const fired = new Set(events.filter(({ kind }) => kind === 'fired').map(({ where }) => where));
  return { rule, fired: [...fired], declined: sites('declined', events, fired), near: sites('near', events, fired) };
}

/** One for each node and reason: a pipeline looks at the same node more than once. */
function sites(kind: RuleEvent['kind'], events: readonly RuleEvent[], fired: ReadonlySet<string>): Site[] {
  const found = new Map<string, Site>();
  for (const { kind: each, where, reason = '' } of events) {
    if (each === kind && !fired.has(where)) found.set(`${where}\n${reason}`, { where, reason });
  }
  return [...found.values()];
}

function findRule(name: string): Rule {
  const all = rules();
  const rule = all.find((each) => each.name === name);
  if (rule !== undefined) return rule;
  const close = all
    .filter((each) => each.name.includes(name) || each.pass === name)
    .map((each) => each.name)
    .sort((a, b) => a.length - b.length);
  throw new DiagnosticError({
    code: 'usage/unknown-rule',
    message: `there is no rule "${name}"`,
    help: close.length > 0 ? `Did you mean ${close.join(', ')}?` : 'onnxopt explain --list names them all',
  });
}
