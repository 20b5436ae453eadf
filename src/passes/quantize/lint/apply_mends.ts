import type { Editor } from '../../../ir/editor.js';
import { describeNode, type Model } from '../../../ir/graph.js';
import { Inference } from '../../../ir/ops/inference/inference.js';
import { modelGraphs } from '../../../ir/traversal.js';
import { definePass, type Pass } from '../../pass.js';
import type { QuantizationScheme, TargetProfile } from '../../target_profile.js';
import type { Finding, Fix, LintRule } from './lint_rule.js';
import { lintRules } from './lint_rules.js';

/** A finding with the rule that made it, and its place as it was then. */
export type Found = { readonly rule: LintRule; readonly where: string; readonly finding: Finding };

/** What every rule finds in every graph of a model. */
export const findAll = (model: Model, target: TargetProfile, scheme: QuantizationScheme): Found[] =>
  lintRules.flatMap((rule) => findingsOf(rule, model, target, scheme));

function findingsOf(rule: LintRule, model: Model, target: TargetProfile, scheme: QuantizationScheme): Found[] {
  const context = { model, target, scheme, inference: new Inference(model) };
  return [...modelGraphs(model)].flatMap((graph) =>
    Array.from(rule.find(graph, context), (finding) => ({ rule, where: describeNode(finding.node), finding })),
  );
}

/** A mend can uncover another finding; each takes away what it found, so few rounds do. */
const maxRounds = 8;

/** Applies the mends of these kinds, one at a time, since each may take away what the next was about. */
export function applyMends(
  editor: Editor,
  target: TargetProfile,
  scheme: QuantizationScheme,
  kinds: readonly Fix['kind'][],
): Found[] {
  const mended: Found[] = [];
  for (let round = 0; round < maxRounds; round += 1) {
    const before = editor.revision;
    for (const rule of lintRules) {
      for (const each of findingsOf(rule, editor.model, target, scheme)) {
        const { node, fix } = each.finding;
        const revision = editor.revision;
        if (fix === undefined || !kinds.includes(fix.kind) || !node.attached) continue;
        fix.apply(editor);
        if (editor.revision !== revision) mended.push(each);
      }
    }
    if (editor.revision === before) break;
  }
  return mended;
}

/** Says that pairs which a model brought along break rules of the target; they stay, since who made them may mean them. */
export const reportBrokenRules = (scheme: QuantizationScheme): Pass =>
  definePass({
    name: 'report-broken-rules',
    summary: 'Q/DQ pairs that break rules of the target => a diagnostic',
    scope: 'model',
    run(_graph, { model, target, report }) {
      const found = findAll(model, target, scheme);
      if (found.length === 0) return;
      const codes = [...new Set(found.map(({ rule }) => rule.code))].join(', ');
      report({
        code: 'quantize/pairs-break-rules',
        severity: 'info',
        message: `${found.length} of the pairs break rules of ${target.name}: ${codes}`,
        help: `onnxopt lint --target ${target.name} tells where and why`,
      });
    },
  });
