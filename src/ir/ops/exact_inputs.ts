import type { Node } from '../graph.js';
import { schemaDomain } from './operator_schema.js';

/**
 * Inputs whose numbers are positions, sizes or bits rather than data, so that a rounded one is another one: by domain,
 * then operator. Those that may be integers only are not listed.
 */
const inputs: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  '': {
    BitCast: [0],
    GridSample: [1],
    MelWeightMatrix: [0, 1, 2, 3, 4],
    OneHot: [0, 1],
    Range: [0, 1, 2],
    Resize: [1, 2],
    RoiAlign: [1],
    Tile: [1],
    Upsample: [1],
  },
  'com.microsoft': {
    CropAndResize: [1],
    GridSample: [1],
    Range: [0, 1, 2],
  },
};

const none: readonly number[] = [];

/** The inputs of a node that must keep their exact numbers. */
export function exactInputs({ domain, opType }: Pick<Node, 'domain' | 'opType'>): readonly number[] {
  const operators = inputs[schemaDomain(domain)];
  return (operators !== undefined && Object.hasOwn(operators, opType) && operators[opType]) || none;
}
