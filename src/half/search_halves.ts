import { ortRunner } from '../backends/ort/run.js';
import type { RunningModel } from '../calibrate/runner.js';
import type { SampleSource } from '../calibrate/sources/source.js';
import { type CheckOptions, openReference, openSpelled } from '../evaluate/check.js';
import { compareOutputs } from '../evaluate/compare.js';
import type { Tolerance } from '../evaluate/tolerance.js';
import { cloneModel } from '../ir/clone.js';
import { DiagnosticError, InvariantError } from '../ir/diagnostic.js';
import type { Model, Node } from '../ir/graph.js';
import { nestedGraphs } from '../ir/topological_order.js';
import { runPipeline } from '../passes/pipeline.js';
import { afterCastPipeline } from '../passes/pipelines.js';
import { applyPrecisionPlan } from '../passes/precision/apply_precision_plan.js';
import type { DecidedPlan } from '../passes/precision/build_precision_plan.js';
import type { NodePrecision, PrecisionPlan } from '../passes/precision/precision_plan.js';
import type { TargetProfile } from '../passes/target_profile.js';
import type { Progress } from '../progress.js';

/** How nodes were found that stay in float. */
export type CastSearch = {
  readonly samples: number;
  /** Nodes that are in float for the sake of the error. */
  readonly nodes: readonly string[];
  readonly steps: readonly CastSearchStep[];
};

export type CastSearchStep = {
  /** Nodes asked for in float beside those that the rules keep. */
  readonly floats: number;
  /** Of the worst output, in dB. */
  readonly sqnr: number;
  readonly reached: boolean;
};

export type CastSearchRequest = {
  readonly model: Model;
  readonly original: Model;
  readonly target: TargetProfile;
  /** The bar is its tolerance. */
  readonly check: CheckOptions & { readonly tolerance: Tolerance };
  readonly maxEvaluations?: number | undefined;
  readonly onProgress?: Progress | undefined;
};

type Replan = (forced: ReadonlyMap<Node, NodePrecision>) => DecidedPlan;

const defaultMaxEvaluations = 40;

/** Samples where nothing else is said; a check takes as many. */
const defaultSamples = 8;

/**
 * Finds few nodes to leave in float so that every output is within the tolerance: where the plan as it is does not reach
 * it, all its 16-bit nodes are asked for in float, and given back in runs of the topological order, halves first, as long
 * as the bar holds. Every set that counts was measured, all its roundings spelled out.
 * @throws DiagnosticError `cast/accuracy-not-reached`; `cast/nothing-to-measure` where the original does not run.
 */
export async function searchHalves(
  request: CastSearchRequest,
  plan: DecidedPlan,
  replan: Replan,
): Promise<{ readonly plan: DecidedPlan; readonly search: CastSearch }> {
  const { original, check, onProgress } = request;
  onProgress?.stage?.('searching nodes for float');
  const reference = await openReference(original, ortRunner({ worker: onProgress !== undefined }), check, false);
  if (typeof reference === 'string') {
    throw new DiagnosticError({
      code: 'cast/nothing-to-measure',
      message: reference,
      help: 'Give samples of your own',
    });
  }
  try {
    return await new Search(request, plan, replan, reference).run();
  } finally {
    await reference.running.close();
  }
}

type Tried = { readonly floats: readonly Node[]; readonly plan: DecidedPlan; readonly reached: boolean };

class Search {
  private readonly steps: CastSearchStep[] = [];
  private readonly tried = new Map<string, Tried>();
  private readonly most: number;
  private readonly numbers: ReadonlyMap<Node, number>;
  private samples = 0;

  constructor(
    private readonly request: CastSearchRequest,
    private readonly plan: DecidedPlan,
    private readonly replan: Replan,
    private readonly reference: { readonly running: RunningModel; readonly samples: SampleSource },
  ) {
    this.most = request.maxEvaluations ?? defaultMaxEvaluations;
    this.numbers = new Map(nodesOf(request.model).map((node, index) => [node, index]));
  }

  async run(): Promise<{ plan: DecidedPlan; search: CastSearch }> {
    const plain = await this.measure([]);
    const halves = [...this.plan.nodes].flatMap(([node, { type }]) => (type === 'half' ? [node] : []));
    let best = plain?.reached ? plain : await this.measure(halves);
    if (!best?.reached) throw this.notReached();
    for (let size = Math.ceil(best.floats.length / 2); best.floats.length > 0 && size >= 1; size = nextSize(size)) {
      for (let start = 0; start < best.floats.length && this.steps.length < this.most; ) {
        const { floats }: Tried = best;
        const fewer = [...floats.slice(0, start), ...floats.slice(start + size)];
        const tried = await this.measure(fewer);
        if (tried?.reached) best = tried;
        else start += size;
      }
    }
    const nodes = best.floats.map((node) => node.name || (node.outputs[0]?.name ?? ''));
    return { plan: best.plan, search: { samples: this.samples, nodes, steps: this.steps } };
  }

  /** undefined where no more may be measured. */
  private async measure(floats: readonly Node[]): Promise<Tried | undefined> {
    const key = floats.map((node) => this.numbers.get(node)).join();
    const known = this.tried.get(key);
    if (known !== undefined || this.steps.length >= this.most) return known;
    const reason = 'the error would be larger than was asked for';
    const plan =
      floats.length === 0 ? this.plan : this.replan(new Map(floats.map((node) => [node, { type: 'float', reason }])));
    const { check, target, model } = this.request;
    const copy = cloneModel(model);
    await runPipeline(
      copy,
      [{ pass: applyPrecisionPlan(planOfCopy(plan, model, copy)), reason: 'to be measured' }, ...afterCastPipeline],
      { target },
    );
    const { onProgress } = this.request;
    const candidate = await openSpelled(copy, ortRunner({ worker: onProgress !== undefined }));
    try {
      const { running, samples } = this.reference;
      const names = this.request.original.graph.outputs.map(({ name }) => name);
      const limit = check.limit ?? defaultSamples;
      const compared = await compareOutputs(running, candidate, names, samples, check.tolerance, { limit });
      this.samples = compared.samples;
      const sqnr = Math.min(Number.POSITIVE_INFINITY, ...compared.outputs.map(({ error }) => error.sqnr));
      const tried = { floats, plan, reached: compared.passed };
      this.steps.push({ floats: floats.length, sqnr, reached: compared.passed });
      this.tried.set(key, tried);
      return tried;
    } finally {
      await candidate.close();
    }
  }

  private notReached(): DiagnosticError {
    const best = Math.max(...this.steps.map(({ sqnr }) => sqnr));
    return new DiagnosticError({
      code: 'cast/accuracy-not-reached',
      message: `no plan was found that is as true as asked for; the best of ${this.steps.length} measured has ${best.toFixed(1)} dB`,
      help: 'Allow a larger error, more evaluations, or keep inputs and outputs in float32',
    });
  }
}

const nextSize = (size: number): number => (size === 1 ? 0 : Math.ceil(size / 2));

const nodesOf = (model: Model): Node[] => [...nestedGraphs(model.graph)].flatMap((graph) => [...graph.nodes]);

/** The same plan for a copy of its model, which has the same parts in the same order. */
export function planOfCopy(plan: PrecisionPlan, model: Model, copy: Model): PrecisionPlan {
  const copies = nodesOf(copy);
  const nodes = new Map<Node, NodePrecision>();
  for (const [index, node] of nodesOf(model).entries()) {
    const decided = plan.nodes.get(node);
    const same = copies[index];
    if (same?.opType !== node.opType) throw new InvariantError('a copy has other nodes than its model');
    if (decided !== undefined) nodes.set(same, decided);
  }
  return {
    half: plan.half,
    nodes,
    inputs: new Set(copy.graph.inputs.filter((_, index) => plan.inputs.has(model.graph.inputs[index]!))),
    outputs: new Set(copy.graph.outputs.filter((_, index) => plan.outputs.has(model.graph.outputs[index]!))),
  };
}
