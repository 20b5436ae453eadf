import { hostCpu } from './backends/ort/host.js';
import { findTarget } from './backends/target.js';
import { cloneModel } from './ir/clone.js';
import { DiagnosticError } from './ir/diagnostic.js';
import { Editor } from './ir/editor.js';
import type { Model } from './ir/graph.js';
import { loadModel } from './ir/onnx/files.js';
import { applyMends, type Found, findAll } from './passes/quantize/lint/apply_mends.js';
import { int8Scheme, type TargetProfile } from './passes/target_profile.js';

export type LintOptions = {
  /** Default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  /** Kind of processor whose int8 the rules are of; that of this machine unless told. */
  readonly cpu?: string;
  /** Apply the mends that are exact or harmless, to a copy. */
  readonly fix?: boolean;
};

/** A Q/DQ pair or a layer that breaks a rule of the target. */
export type LintFinding = {
  /** Stable: `lint/…` */
  readonly code: string;
  /** graph > node */
  readonly where: string;
  /** What is the matter, and what it costs. */
  readonly why: string;
  readonly mend: string;
  /** Whether `fix` can mend it: without changing results, or with results no further from the float model. */
  readonly fix?: 'exact' | 'harmless';
};

export type LintResult = {
  /** The model that was given; with `fix`, a copy with the mends. */
  readonly model: Model;
  /** Without `fix` all that was found; with it, what is left. */
  readonly findings: readonly LintFinding[];
  readonly fixed: readonly LintFinding[];
};

/**
 * Names every Q/DQ pair that breaks a fusion or a rule of a target.
 * @throws DiagnosticError `usage/unknown-target`, `usage/precision-not-offered`, and what loading a model throws.
 */
export function lintModel(given: string | Model, options: LintOptions = {}): LintResult {
  const target = typeof options.target === 'object' ? options.target : findTarget(options.target ?? 'ort-cpu');
  const scheme = int8Scheme(target, options.cpu ?? hostCpu().kind);
  if (scheme === undefined) {
    throw new DiagnosticError({
      code: 'usage/precision-not-offered',
      message: `${target.name} is not given int8, so it has no rules for it`,
      ...(target.int8Refusal !== undefined && { help: target.int8Refusal }),
    });
  }
  const original = typeof given === 'string' ? loadModel(given) : given;
  if (options.fix !== true)
    return { model: original, findings: findAll(original, target, scheme).map(report), fixed: [] };
  const model = cloneModel(original);
  const fixed = applyMends(new Editor(model), target, scheme, ['exact', 'harmless']).map(report);
  return { model, findings: findAll(model, target, scheme).map(report), fixed };
}

const report = ({ rule, where, finding }: Found): LintFinding => ({
  code: rule.code,
  where,
  why: finding.why,
  mend: finding.mend,
  ...(finding.fix && { fix: finding.fix.kind }),
});
