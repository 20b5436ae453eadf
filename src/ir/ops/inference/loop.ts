import { asDim, type Dim, type Expr, lowerBound, max, upperBound } from '../../dim.js';
import type { Graph } from '../../graph.js';
import { elementCount } from '../../tensor.js';
import { type Shape, staticShape, tensorType, type ValueType } from '../../value_type.js';
import { changedElementType, settleCarried } from './carried.js';
import { type Content, content, integersOf } from './content.js';
import type { InferenceContext, InferredOutput } from './context.js';

const inputsBeforeCarried = 2;

/**
 * Loop: body inputs are the iteration number, the condition and the carried values, body outputs the condition, the
 * carried values and what is collected. Carried values may change their shape with each iteration, and there may be no
 * iteration at all.
 */
export function inferLoop(context: InferenceContext): void {
  const body = context.graph('body');
  if (body === undefined) return;
  const carriedCount = Math.max(0, context.inputCount - inputsBeforeCarried);
  if (
    body.inputs.length !== carriedCount + inputsBeforeCarried ||
    body.outputs.length <= Math.max(carriedCount, context.outputCount)
  ) {
    const given = `${body.inputs.length} inputs and ${body.outputs.length} outputs`;
    const wanted = `a Loop with ${carriedCount} carried values and ${context.outputCount} results`;
    context.fail('infer/loop-body', `the body with ${given} does not fit ${wanted}`);
    return;
  }

  const start = [startCondition(context, body)];
  for (let index = 0; index < carriedCount; index += 1) {
    start.push({
      type: context.type(index + inputsBeforeCarried),
      content: context.anyContent(index + inputsBeforeCarried),
    });
  }
  let results: readonly InferredOutput[] = [];
  const carried = settleCarried(context.node, start, (values) => {
    results = runBody(context, body, values);
    return results;
  });
  const changed = changedElementType(start.slice(1), results.slice(1));
  if (changed !== undefined) context.fail('infer/loop-type', changed);

  const trips = countTrips(context, integersOf(results[0]?.content));
  for (let index = 0; index < context.outputCount; index += 1) {
    if (index >= carriedCount) context.setType(index, collectedType(results[index + 1], trips));
    else {
      const result = (trips.count === 0 ? start : trips.some ? results : carried)[index + 1];
      context.setType(index, result?.type);
      context.setContent(index, result?.content);
    }
  }
}

/** The condition as the first iteration sees it: a scalar, or a vector of one where the body asks for that. */
function startCondition(context: InferenceContext, body: Graph): InferredOutput {
  const type = tensorType('bool', declaredScalar(body, 1) ?? (context.has(1) ? context.shape(1) : []));
  return { type, content: context.has(1) ? undefined : trueOf(type) };
}

function trueOf(type: ValueType | undefined): Content | undefined {
  const dims = type?.kind === 'tensor' ? staticShape(type.shape) : undefined;
  return dims !== undefined && elementCount(dims) === 1 ? content('bool', dims, [1]) : undefined;
}

/** The shape of a body input that takes a scalar or a vector of one, as its declaration asks for it. */
function declaredScalar(body: Graph, index: number): Shape | undefined {
  const type = body.inputs[index]?.type;
  if (type?.kind !== 'tensor' || type.shape === undefined) return undefined;
  return type.shape.length === 0 ? [] : type.shape.length === 1 ? [1] : undefined;
}

function runBody(
  context: InferenceContext,
  body: Graph,
  [condition, ...values]: readonly InferredOutput[],
): readonly InferredOutput[] {
  const iteration = tensorType('int64', declaredScalar(body, 0) ?? []);
  const types = [iteration, condition?.type, ...values.map(({ type }) => type)];
  // An iteration runs only where a given condition is true.
  const seen = context.has(1) ? trueOf(condition?.type) : integersOf(condition?.content);
  const contents = [undefined, seen, ...values.map((value) => value.content)];
  return context.inferGraph(body, types, contents);
}

export type Trips = {
  readonly count: Dim | undefined;
  /** Whether there is certainly an iteration. */
  readonly some: boolean;
};

/** How often the body runs; `goesOn` is the condition that comes out of each iteration. */
export function countTrips(context: InferenceContext, goesOn: Content | undefined): Trips {
  const first = context.has(1) ? scalar(context.content(1)) : 1;
  const limit = scalar(context.content(0));
  const most = upperBound(limit);
  if (first === 0 || (most !== undefined && most <= 0)) return { count: 0, some: false };
  const least = lowerBound(limit);
  const some = first === 1 && (!context.has(0) || (least !== undefined && least >= 1));
  // Without a condition among its inputs a Loop ignores the body's, says ONNX; ONNX Runtime does not.
  const runsOut = first === 1 && scalar(goesOn) === 1;
  return { count: runsOut ? asDim(max(limit, 0)) : undefined, some };
}

const scalar = (known: Content | undefined): Expr | undefined =>
  known?.elements.length === 1 ? known.elements[0] : undefined;

/** Without an iteration, ONNX Runtime makes the sizes it does not know 0. */
function collectedType(element: InferredOutput | undefined, { count, some }: Trips): ValueType | undefined {
  const type = element?.type;
  if (type?.kind !== 'tensor') return undefined;
  const dims = type.shape?.map((dim) => (some || typeof dim === 'number' ? dim : undefined));
  return tensorType(type.dtype, dims && [count, ...dims]);
}
