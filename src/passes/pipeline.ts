import { type Diagnostic, DiagnosticError, formatDiagnostic, InvariantError } from '../ir/diagnostic.js';
import { Editor } from '../ir/editor.js';
import { describeNode, type Model, type Node } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { constantBytes, countNodes, modelGraphs } from '../ir/traversal.js';
import { verifyModel } from '../ir/verifier.js';
import type { Decline, Evaluator, Pass, PassContext, RuleEvent } from './pass.js';
import { type FpContract, licencesOf, type TargetProfile } from './target_profile.js';

/** One line of a pipeline, with the reason it stands where it stands; or lines repeated until none changes anything. */
export type PipelineStep =
  | { readonly pass: Pass; readonly reason: string }
  | { readonly repeat: readonly PipelineStep[]; readonly atMost: number; readonly reason: string };

export type PassReport = {
  readonly pass: string;
  readonly changes: number;
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  /** Nodes taken out and put in. */
  readonly removed: number;
  readonly added: number;
  /** Bytes of constants gained, or saved where negative. */
  readonly weightBytes: number;
  readonly milliseconds: number;
  /** How often each rule rewrote something. */
  readonly fired: Readonly<Record<string, number>>;
};

export type PipelineReport = {
  readonly passes: readonly PassReport[];
  readonly diagnostics: readonly Diagnostic[];
  readonly declines: readonly { readonly rule: string; readonly where: string; readonly reason: string }[];
};

export type PipelineOptions = {
  readonly target: TargetProfile;
  readonly evaluate?: Evaluator;
  readonly maxGrowthBytes?: number;
  /** Infers all types again after each pass and reports contradictions as errors of that pass. */
  readonly verifyTypes?: boolean;
  /** `default` unless told. */
  readonly fpContract?: FpContract;
  /** Hears of every rule that fired, declined or came near; to describe near misses takes time. */
  readonly onRule?: ((event: RuleEvent) => void) | undefined;
  /** Called before each pass, for progress. */
  onPass?(name: string): void;
};

const defaultMaxGrowthBytes = 256 * 1024;

/** Near misses are for people to read: past this many, the rest is only counted by rule. */
const maxDeclines = 10_000;

/**
 * Runs passes over a model in place. After each, the structure is verified.
 * @throws DiagnosticError `verify/…` for a model that is broken as it comes; InvariantError naming the pass that broke it.
 */
export async function runPipeline(
  model: Model,
  steps: readonly PipelineStep[],
  options: PipelineOptions,
): Promise<PipelineReport> {
  return new PipelineRun(model, options).run(steps);
}

class PipelineRun {
  private readonly context: PassContext;
  private readonly options: PipelineOptions;
  private readonly passes: PassReport[] = [];
  private readonly diagnostics: Diagnostic[] = [];
  private readonly declines: Decline[] = [];
  private fired: Record<string, number> = {};

  constructor(model: Model, options: PipelineOptions) {
    this.options = options;
    this.context = {
      model,
      editor: new Editor(model),
      inference: new Inference(model),
      target: options.target,
      ...(options.evaluate && { evaluate: options.evaluate }),
      maxGrowthBytes: options.maxGrowthBytes ?? defaultMaxGrowthBytes,
      licences: licencesOf(options.fpContract ?? 'default'),
      report: (diagnostic) => this.diagnostics.push(diagnostic),
      decline: (decline) => {
        if (this.declines.length < maxDeclines) this.declines.push(decline);
        this.tell('declined', decline.rule, decline.node, decline.reason);
      },
      fired: (rule, node) => {
        this.fired[rule] = (this.fired[rule] ?? 0) + 1;
        this.tell('fired', rule, node);
      },
      ...(options.onRule && {
        nearMiss: ({ rule, node, reason }: Decline) => this.tell('near', rule, node, reason),
      }),
    };
  }

  private tell(kind: RuleEvent['kind'], rule: string, node: Node, reason?: string): void {
    this.options.onRule?.({ kind, rule, where: describeNode(node), ...(reason !== undefined && { reason }) });
  }

  async run(steps: readonly PipelineStep[]): Promise<PipelineReport> {
    const broken = verifyModel(this.context.model).find(({ severity }) => severity === 'error');
    // What the file already had is not blamed on the first pass.
    if (broken !== undefined) throw new DiagnosticError(broken);
    await this.steps(steps);
    return {
      passes: this.passes,
      diagnostics: [...this.context.inference.diagnostics, ...this.diagnostics],
      declines: this.declines.map(({ rule, node, reason }) => ({ rule, where: node.name || node.opType, reason })),
    };
  }

  private async steps(steps: readonly PipelineStep[]): Promise<boolean> {
    let changed = false;
    for (const step of steps) {
      if ('pass' in step) changed = (await this.pass(step.pass)) || changed;
      else changed = (await this.repeat(step.repeat, step.atMost)) || changed;
    }
    return changed;
  }

  private async repeat(steps: readonly PipelineStep[], atMost: number): Promise<boolean> {
    let changed = false;
    for (let round = 0; round < atMost; round += 1) {
      if (!(await this.steps(steps))) return changed;
      changed = true;
    }
    return changed;
  }

  private async pass(pass: Pass): Promise<boolean> {
    const { context } = this;
    this.options.onPass?.(pass.name);
    const { revision, nodesAdded, nodesRemoved } = context.editor;
    const weightsBefore = constantBytes(context.model);
    const nodesBefore = countNodes(context.model);
    const start = performance.now();
    this.fired = {};
    const graphs = pass.scope === 'model' ? [context.model.graph] : [...modelGraphs(context.model)].reverse();
    for (const graph of graphs) await pass.run(graph, context);
    const changes = context.editor.revision - revision;
    if (changes > 0) this.verify(pass);
    this.passes.push({
      pass: pass.name,
      changes,
      nodesBefore,
      nodesAfter: countNodes(context.model),
      removed: context.editor.nodesRemoved - nodesRemoved,
      added: context.editor.nodesAdded - nodesAdded,
      weightBytes: changes === 0 ? 0 : constantBytes(context.model) - weightsBefore,
      milliseconds: performance.now() - start,
      fired: this.fired,
    });
    return changes > 0;
  }

  private verify(pass: Pass): void {
    const broken = verifyModel(this.context.model).find(({ severity }) => severity === 'error');
    if (broken !== undefined) throw brokenBy(pass, broken);
    if (!this.options.verifyTypes) return;
    const fresh = new Inference(this.context.model);
    fresh.inferAll();
    const known = new Set(this.context.inference.diagnostics.map(formatDiagnostic));
    const contradiction = fresh.diagnostics.find((diagnostic) => !known.has(formatDiagnostic(diagnostic)));
    if (contradiction !== undefined) throw brokenBy(pass, contradiction);
  }
}

const brokenBy = (pass: Pass, diagnostic: Diagnostic): InvariantError =>
  new InvariantError(
    `pass ${pass.name} broke the model: ${formatDiagnostic(diagnostic)}. ` +
      `Reproduce with: onnxopt simplify MODEL.onnx -o out.onnx --stop-after ${pass.name}`,
    { cause: new DiagnosticError(diagnostic) },
  );
