import type { DataType } from '../ir/data_type.js';
import type { HalfType } from '../ir/half_float.js';

/** Which numbers a floating-point computation may be rewritten into. */
export type Licence =
  /** The same bits for every input. */
  | 'exact'
  /** Sums and products may be grouped anew: equal up to rounding. */
  | 'reassociates'
  /** Equal as long as nothing in between overflows; where it does, NaN or infinity may become a number. */
  | 'assumes-finite';

/** How freely floating-point computations may be rewritten. */
export type FpContract = 'strict' | 'default';

export const licencesOf = (contract: FpContract): ReadonlySet<Licence> =>
  new Set(contract === 'strict' ? ['exact'] : ['exact', 'reassociates', 'assumes-finite']);

/**
 * What a target does with an operator when its neighbours hold 8 bits.
 * - `compute`: the reason to quantize: inputs, weights and output want 8 bits.
 * - `compute-float-output`: the same, and it can give float where nobody reads 8 bits.
 * - `carry`: runs on 8 bits with scales of its own, worth it only between 8-bit neighbours.
 * - `move`: moves or picks elements; its output has its input's scale.
 * - `absorb`: an activation that the saturation of its producer's output replaces.
 * - `join`: joins tensors; all its inputs and its output have one scale.
 * - `fuse`: becomes part of the layer before it, so nothing goes between the two.
 * - `residual`: a `fuse` of two operands: one may come out of the layer it becomes part of, the other is read in 8 bits.
 * - `lead`: becomes part of the layer behind it; what that would read in 8 bits, this does.
 */
export type QuantizedRole =
  | 'compute'
  | 'compute-float-output'
  | 'carry'
  | 'move'
  | 'absorb'
  | 'join'
  | 'fuse'
  | 'residual'
  | 'lead';

/** Layers below these sizes have no 8-bit kernels that win; they stay in float always. */
export type SmallestLayers = {
  /**
   * A convolution has as many channels on both sides, unless both divide by `multiple`; they leave the same rest by
   * `alignment`, and a filter covers at most `places` of one channel, where those are told.
   */
  readonly conv: {
    readonly channels: number;
    readonly multiple: number;
    readonly alignment?: number;
    readonly places?: number;
  };
  /** Rows of the left operand (M), columns of the right one (N), products a sum (K). */
  readonly matrix: { readonly rows: number; readonly columns: number; readonly sums: number };
};

/** Types that activations are quantized to. */
export type QuantizedType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'float8e4m3fn';

/** How a target wants 8-bit tensors. */
export type QuantizationScheme = {
  readonly activation: { readonly dtype: QuantizedType; readonly symmetric: boolean };
  /** Types that it takes for activations where somebody asks, `activation.dtype` among them. */
  readonly activationTypes: readonly QuantizedType[];
  /** Always symmetric. `limit`: the largest magnitude, 64 where full range saturates the kernels' partial sums. */
  readonly weight:
    | { readonly dtype: 'int8'; readonly perChannel: boolean; readonly limit: 127 | 64 }
    | { readonly dtype: 'float8e4m3fn'; readonly perChannel: boolean; readonly limit: 448 };
  /** `int32`: scale s_x·s_w, zero point 0; `float`: left as it is. */
  readonly bias: 'int32' | 'float';
  /**
   * Layers that lose accuracy in 8 bits and gain little time: convolutions of one channel a group, layers that read the
   * model's input, sums of fewer products and layers of fewer output channels than this. They stay in float as long as
   * others do not.
   */
  readonly leaves: {
    readonly depthwise: boolean;
    readonly first: boolean;
    readonly shorterSums: number;
    readonly fewerOutputs: number;
  };
  readonly smallest?: SmallestLayers;
  /** Operators with role `compute` that an operator with role `residual` becomes part of. */
  readonly fusesResidual?: readonly string[];
  /** MatMul of two activations runs on 8 bits where none of its three sizes is above this; never unless told. */
  readonly longestProduct?: number;
  /** Operators that lose accuracy or a fusion when they read 8 bits, with the reason. */
  readonly keepsFloat?: Readonly<Record<string, string>>;
  /** By operator of the default domain; operators that are not here stay in float. */
  readonly roles: Readonly<Record<string, QuantizedRole>>;
};

/** How a target takes weights of fewer bits beside float activations. */
export type WeightOnlyScheme = {
  /** Its own product with packed weights, or DequantizeLinear with a scale a block in front of the standard one. */
  readonly form: 'MatMulNBits' | 'DequantizeLinear';
  readonly bits: readonly (4 | 8)[];
  /** Whether the codes of a block may have a zero point other than the middle. */
  readonly zeroPoints: boolean;
  /** Whether a scale may be negative. */
  readonly negativeScales: boolean;
  /** The accuracy level of MatMulNBits that its kernels are fast at, by bits; 0 unless told. */
  readonly accuracyLevels?: Readonly<Record<4 | 8, 0 | 1 | 4>>;
};

export type Precision = 'fp32' | 'fp16' | 'bf16' | 'int8' | 'fp8' | 'int4';

/** A kernel that loses against the operators named where its input has more elements. */
export type SlowKernel = {
  readonly above: number;
  readonly instead: string;
  /** The form of the operator that this is true of; all unless told. */
  readonly where?: string;
};

/** What a target declares. Passes read this and never a target's name. */
export type TargetProfile = {
  readonly name: string;
  readonly summary: string;
  /** Opsets of the default domain it loads. */
  readonly opset: { readonly min: number; readonly max: number };
  /** Newest IR version it loads. */
  readonly irVersion: number;
  /** Operator domains it runs beside the default one. */
  readonly domains: readonly string[];
  /**
   * Whether it runs an operator of this opset version on this element type (undefined: on any); undefined where that
   * is not recorded.
   */
  runs(domain: string, opType: string, opset: number, dtype?: DataType): boolean | undefined;
  /** Operators that it must not be given, with the reason. */
  readonly refuses: Readonly<Record<string, string>>;
  /**
   * Operators of further domains, as `domain:Operator`, that it computes at least as fast as what they stand for; others
   * it runs are read but not made.
   */
  readonly prefers: readonly string[];
  /** Operators of the default domain that take it longer than the operators that spell them. */
  readonly slow: Readonly<Record<string, SlowKernel>>;
  /** Operators that it fuses into while loading and loses time by: they are spelled so that it does not find them. */
  readonly avoids: readonly string[];
  /** Fusions it makes itself, which passes leave recognisable. */
  readonly fusesItself: readonly string[];
  readonly precisions: readonly Precision[];
  /**
   * 16-bit floats around whose nodes it puts casts itself where it has a kernel for float32 alone, except for the operators
   * named.
   */
  readonly castsAround?: Readonly<Partial<Record<HalfType, { readonly except: readonly string[] }>>>;
  /** Q/DQ pairs of 16-bit floats, scales included, put layers on 8 bits as those of float32 do. */
  readonly halfPairs?: true;
  /** The runtime that tells here how long its models take; none unless told. */
  readonly timedBy?: 'onnxruntime-cpu';
  /** int8 schemes by kind of processor, `default` among them. */
  readonly int8: Readonly<Record<string, QuantizationScheme>>;
  /** Undefined where it is not known to take such weights. */
  readonly weightOnly?: WeightOnlyScheme;
  /** What a matrix product becomes whose activations are quantized as they come; undefined: nothing. */
  readonly dynamicInt8?: 'DynamicQuantizeMatMul' | 'MatMulInteger';
  /** Why int8 is not offered, where it is not. */
  readonly int8Refusal?: string;
  /** int8 that it computes rightly but not fast, for those who insist. */
  readonly forcedInt8?: QuantizationScheme;
  /** Activations and weights in 8-bit floats; undefined: not taken. */
  readonly fp8?: QuantizationScheme;
};

/** The scheme for a kind of processor, or the default one; undefined where the target has no int8. */
export const int8Scheme = (target: TargetProfile, cpu: string): QuantizationScheme | undefined =>
  target.int8[cpu] ?? target.int8['default'];
