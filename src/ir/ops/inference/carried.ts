import type { Node } from '../../graph.js';
import { formatType, type ValueType } from '../../value_type.js';
import { type AnyContent, elementsEqual } from './content.js';
import type { InferredOutput } from './context.js';
import { commonType } from './merge.js';

/** Passes over a loop body before its carried shapes are given up; nested loops multiply them. */
const maxPasses = 4;

/** Loops nested deeper than this get one pass, with carried shapes unknown. */
const maxSettledNesting = 3;

/** What two ways to a value have in common. */
export const commonOutput = (a: InferredOutput, b: InferredOutput): InferredOutput => ({
  type: commonType(a.type, b.type),
  content: commonContent(a.content, b.content),
});

export function commonContent(a: AnyContent | undefined, b: AnyContent | undefined): AnyContent | undefined {
  if (a === undefined || b === undefined || a.dtype !== b.dtype || a.dims.length !== b.dims.length) return undefined;
  if (a.dims.some((dim, axis) => dim !== b.dims[axis])) return undefined;
  const elements = a.elements.map((element, index) =>
    elementsEqual(element, b.elements[index]) ? element : undefined,
  );
  return elements.every((element) => element === undefined) ? undefined : { dtype: a.dtype, dims: a.dims, elements };
}

/**
 * What is true of values that a loop carries from one iteration to the next, whatever the number of iterations: what
 * they start with and what comes out of each iteration have it in common. `run` infers one iteration and gives what
 * comes out, in the order of `start`; its last call was with the result.
 */
export function settleCarried(
  node: Node,
  start: readonly InferredOutput[],
  run: (carried: readonly InferredOutput[]) => readonly InferredOutput[],
): readonly InferredOutput[] {
  let carried = start;
  const passes = loopNesting(node) > maxSettledNesting ? 1 : maxPasses;
  for (let pass = 1; pass < passes; pass += 1) {
    const results = run(carried);
    const next = carried.map((value, index) => commonOutput(value, results[index] ?? unknown));
    if (next.every((value, index) => knowledge(value) === knowledge(carried[index]!))) return carried;
    carried = next;
  }
  carried = start.map(({ type }) => ({ type: withoutShape(type), content: undefined }));
  run(carried);
  return carried;
}

/** In words, the first element type that changes between iterations, which ONNX does not allow. */
export function changedElementType(
  start: readonly InferredOutput[],
  results: readonly InferredOutput[],
): string | undefined {
  for (const [index, { type }] of start.entries()) {
    const result = results[index]?.type;
    if (type?.kind !== 'tensor' || result?.kind !== 'tensor') continue;
    if (type.dtype !== undefined && result.dtype !== undefined && type.dtype !== result.dtype) {
      return `carried value ${index} is ${formatType(type)} before the first iteration and ${formatType(result)} after it`;
    }
  }
  return undefined;
}

const unknown: InferredOutput = { type: undefined, content: undefined };

/** How much is known. Joining takes away only, so that equal amounts before and after mean that nothing changed. */
const knowledge = ({ type, content }: InferredOutput): number =>
  typeKnowledge(type) + (content?.elements.filter((element) => element !== undefined).length ?? 0);

function typeKnowledge(type: ValueType | undefined): number {
  switch (type?.kind) {
    case undefined:
      return 0;
    case 'tensor':
      return (
        1 +
        (type.dtype === undefined ? 0 : 1) +
        (type.shape === undefined ? 0 : 1 + type.shape.filter((dim) => dim !== undefined).length)
      );
    case 'sequence':
    case 'optional':
      if (type.kind === 'sequence' && type.isEmpty) return Number.MAX_SAFE_INTEGER;
      return 1 + typeKnowledge(type.element);
    default:
      return 1;
  }
}

/** The part of a type that no iteration may change. */
function withoutShape(type: ValueType | undefined): ValueType | undefined {
  if (type?.kind === 'tensor') return { kind: 'tensor', dtype: type.dtype, shape: undefined };
  if (type?.kind === 'sequence' || type?.kind === 'optional') {
    return { kind: type.kind, element: withoutShape(type.element) };
  }
  return type?.kind === 'sparse' ? { ...type, shape: undefined } : type;
}

function loopNesting(node: Node): number {
  let depth = 0;
  for (let owner: Node | null = node; owner !== null; owner = owner.graph.owner) {
    if (owner.opType !== 'If') depth += 1;
  }
  return depth;
}
