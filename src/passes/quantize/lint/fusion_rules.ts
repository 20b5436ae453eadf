import { constantTensor } from '../../../ir/constant.js';
import type { Node, Value } from '../../../ir/graph.js';
import { shapesEqual } from '../../../ir/value_type.js';
import type { QuantizationScheme } from '../../target_profile.js';
import { isDequantize, isQuantize, pairOf, sameParameters } from '../existing_pairs.js';
import { skipOf } from '../residual.js';
import { defineLintRule, isLayer, roleOf } from './lint_rule.js';
import { readingFloat } from './mends.js';

const operands = (node: Node): [number, Value][] =>
  [...node.inputs.entries()].flatMap(([index, input]) =>
    input === null || constantTensor(input) !== undefined ? [] : [[index, input] as [number, Value]],
  );

/** The layer that gives a value, itself or through its BatchNormalization. */
function layerBehind(value: Value, scheme: QuantizationScheme): Node | undefined {
  const { producer } = value;
  const before = producer?.opType === 'BatchNormalization' ? producer.inputs[0]?.producer : producer;
  return isLayer(before, scheme) ? before : undefined;
}

export const pairInsideLayer = defineLintRule({
  code: 'lint/pair-inside-layer',
  summary: 'Q/DQ between a layer and its BatchNormalization, activation or bias',
  *find(graph, { scheme }) {
    for (const node of graph.nodes) {
      const role = roleOf(node, scheme);
      const inputs = operands(node);
      if (role !== 'fuse' && (role !== 'residual' || inputs.length !== 1)) continue;
      for (const [index, input] of inputs) {
        const pair = input.producer === null ? undefined : pairOf(input.producer);
        const layer = pair && layerBehind(pair.value, scheme);
        if (layer === undefined) continue;
        yield {
          node,
          why: `a pair stands between ${layer.opType} "${layer.name}" and its ${node.opType}: two kernels run where one would`,
          mend: `let ${node.opType} read the float result; a pair belongs behind it`,
          ...readingFloat(node, index),
        };
      }
    }
  },
});

export const pairsOnBothBranches = defineLintRule({
  code: 'lint/pair-on-layer-branch',
  summary: 'Q/DQ on the branch of a residual sum that ends in a layer',
  *find(graph, { scheme, inference }) {
    const endsIn = scheme.fusesResidual ?? [];
    for (const node of graph.nodes) {
      const inputs = operands(node);
      if (roleOf(node, scheme) !== 'residual' || inputs.length !== 2) continue;
      const values = inputs.map(([, input]) =>
        input.producer === null ? input : (pairOf(input.producer)?.value ?? input),
      );
      const shape = inference.shapeOf(values[0]!);
      if (shape === undefined || !shapesEqual(shape, inference.shapeOf(values[1]!))) continue;
      const ends = values.map((value, at) => {
        const layer = layerBehind(value, scheme);
        const isOnlyReader = [value, inputs[at]![1]].every(({ uses }) => uses.size === 1);
        return layer !== undefined && endsIn.includes(layer.opType) && isOnlyReader;
      });
      const isCounted = (each: Node) => endsIn.includes(each.opType);
      const skip = skipOf([values[0]!, values[1]!], [ends[0]!, ends[1]!], isCounted);
      if (skip === undefined) continue;
      const [index, bare] = inputs[1 - skip]!;
      if (bare === values[1 - skip]) continue;
      yield {
        node,
        why: `the branch that ends in ${layerBehind(values[1 - skip]!, scheme)!.opType} has a pair: the sum cannot become part of that layer`,
        mend: 'keep a pair on the other branch only',
        ...readingFloat(node, index),
      };
    }
  },
});

export const joinedScales = defineLintRule({
  code: 'lint/joined-scales',
  summary: 'tensors of different scales joined by Concat',
  *find(graph, { scheme }) {
    for (const node of graph.nodes) {
      if (roleOf(node, scheme) !== 'join') continue;
      const ends = [...node.inputs.map((input) => input?.producer).filter(isDequantize), ...quantizersOf(node)];
      const [first, ...others] = ends;
      if (first === undefined || others.every((each) => sameParameters(first, each))) continue;
      yield {
        node,
        why: `its inputs and its output have ${distinctCount(ends)} scales: each is converted before it is joined`,
        mend: 'one scale for all, from the widest of their ranges',
      };
    }
  },
});

export const movedScales = defineLintRule({
  code: 'lint/moved-scale',
  summary: 'another scale behind an operator that only moves data',
  *find(graph, { scheme }) {
    for (const node of graph.nodes) {
      const before = node.inputs[0]?.producer;
      if (roleOf(node, scheme) !== 'move' || !isDequantize(before)) continue;
      if (quantizersOf(node).every((after) => sameParameters(before, after))) continue;
      yield {
        node,
        why: 'its output has another scale than its input: it runs in float, with a conversion on either side',
        mend: 'give its output the scale of its input',
      };
    }
  },
});

const quantizersOf = (node: Node): Node[] =>
  node.outputs.flatMap((output) =>
    Array.from(output?.uses ?? [], (use) => (use.kind === 'node' && use.index === 0 ? use.user : undefined)).filter(
      isQuantize,
    ),
  );

const distinctCount = (nodes: readonly Node[]): number =>
  nodes.filter((node, at) => nodes.findIndex((each) => sameParameters(each, node)) === at).length;
