// Conv(Pad(x, p)) => Conv(x) with pads
// AveragePool(Pad(x, p)) => AveragePool(x) with pads that count
// MaxPool(Pad(x, p)) => MaxPool(x) with pads
// Needs: a constant pad of spatial axes only that nothing else reads, and explicit pads. Conv and AveragePool: by 0.
// MaxPool: by −∞, or by a number that x is never under. Pools: no window in the pad alone.
import { type Attribute, getInt, getInts, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { knownBounds } from '../../../ir/ops/known_ranges.js';
import { any, op } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite } from '../../rewrite/rewrite.js';
import { joinPads, type SpatialPad, spatialPad, windowPads } from './constant_pad.js';

type Match = { readonly window: Node; readonly pad: Node; readonly x: Value };

const pad = op('pad', 'Pad', [any('x')], { moreInputs: true });

const autoPad = 'auto_pad';

export const fusePadConv = defineRewrite<Match>({
  name: 'fuse-pad-conv',
  summary: 'Conv(Pad(x)) => Conv(x) with pads',
  licence: 'reassociates',
  pattern: op('window', 'Conv', [pad], { moreInputs: true }),
  check({ window, pad }, { inference }) {
    const added = spatialPad(pad, inference);
    if (typeof added === 'string') return added;
    if (added.value !== 0) return 'it pads with another number than 0';
    return windowPads(window, added.before.length) === undefined ? 'the convolution pads by its own size' : undefined;
  },
  rewrite: ({ window, pad, x }, build, context) => [
    build.op('Conv', [x, ...window.inputs.slice(1)], {
      attributes: padded(window, spatialPad(pad, context.inference) as SpatialPad),
      name: window.name,
    }),
  ],
});

export const fusePadAveragePool = defineRewrite<Match>({
  name: 'fuse-pad-average-pool',
  summary: 'AveragePool(Pad(x)) => AveragePool(x) with pads that count',
  licence: 'reassociates',
  pattern: op('window', 'AveragePool', [pad]),
  check({ window, pad }, context) {
    if ((opsetVersion(window.graph, window.domain) ?? 1) < 7) return 'pads that count need opset 7';
    const added = spatialPad(pad, context.inference);
    if (typeof added === 'string') return added;
    if (added.value !== 0) return 'it pads with another number than 0';
    const own = windowPads(window, added.before.length);
    if (own?.some((size) => size !== 0) && getInt(window, 'count_include_pad', 0) === 0) {
      return "the pool's own pads do not count";
    }
    return poolObstacle(window, added);
  },
  rewrite: ({ window, pad, x }, build, context) => [
    build.op('AveragePool', [x], {
      attributes: [
        ...padded(window, spatialPad(pad, context.inference) as SpatialPad).filter(
          ({ name }) => name !== 'count_include_pad',
        ),
        intAttribute('count_include_pad', 1),
      ],
      name: window.name,
    }),
  ],
});

export const fusePadMaxPool = defineRewrite<Match>({
  name: 'fuse-pad-max-pool',
  summary: 'MaxPool(Pad(x)) => MaxPool(x) with pads',
  // Which of −0 and 0 is larger, and what becomes of NaN, depends on where a window begins.
  licence: 'assumes-finite',
  pattern: op('window', 'MaxPool', [pad]),
  check({ window, pad, x }, context: CheckContext) {
    if (window.outputs[1] != null) return 'its indices are read';
    const added = spatialPad(pad, context.inference);
    if (typeof added === 'string') return added;
    const isLeast = added.value === Number.NEGATIVE_INFINITY || isNeverUnder(x, added.value, context.inference);
    if (!isLeast) return 'the pad may be larger than what the pool reads';
    return poolObstacle(window, added);
  },
  rewrite: ({ window, pad, x }, build, context) => [
    build.op('MaxPool', [x], {
      attributes: padded(window, spatialPad(pad, context.inference) as SpatialPad),
      name: window.name,
    }),
  ],
});

/** Of floats only: integers pad with their own least number. */
function isNeverUnder(x: Value, number: number, inference: Inference): boolean {
  const { producer } = x;
  if (producer === null || !['float', 'double', 'float16'].includes(inference.dtypeOf(x) ?? '')) return false;
  const { min } = knownBounds(producer.domain, producer.opType);
  return min !== undefined && number <= min;
}

/** Runtimes refuse pads as large as the kernel; smaller ones leave every window an element of x. */
function poolObstacle(window: Node, added: SpatialPad): string | undefined {
  const kernel = getInts(window, 'kernel_shape', []);
  const own = windowPads(window, added.before.length);
  if (own === undefined || kernel.length !== added.before.length) return 'the pool pads by its own size';
  if (getInt(window, 'ceil_mode', 0) !== 0) return 'the pool rounds its size up';
  if (getInts(window, 'dilations', []).some((step) => step !== 1)) return 'the kernel is dilated';
  const fits = joinPads(own, added).every((size, index) => size < kernel[index % kernel.length]!);
  return fits ? undefined : 'the pads would be as large as the kernel';
}

function padded(window: Node, added: SpatialPad): Attribute[] {
  const own = windowPads(window, added.before.length)!;
  const kept = [...window.attributes.values()].filter(({ name }) => name !== 'pads' && name !== autoPad);
  return [...kept, intsAttribute('pads', joinPads(own, added))];
}
