export {
  type AccuracyFigures,
  type AnalyzeOptions,
  analyzeSensitivity,
  type LayerReport,
  type SensitivityReport,
} from './analyze_sensitivity.js';
export { findTarget, targets } from './backends/target.js';
export type { CalibrationOptions } from './calibrate/calibrate.js';
export type {
  ActivationScheme,
  Calibrator,
  CalibratorChoice,
  CalibratorName,
} from './calibrate/calibrators/calibrator.js';
export { type BinnedValues, binnedValues, type Histogram } from './calibrate/histogram.js';
export { expectedSquaredError } from './calibrate/quantization_error.js';
export type { Labels } from './calibrate/sources/label_file.js';
export type { Feeds, Sample, SampleSource } from './calibrate/sources/source.js';
export { type Statistics, sumUnit, type TensorStatistics } from './calibrate/statistics.js';
export { type CalibrateModelOptions, calibrateModel, rangesFromStatistics } from './calibrate_model.js';
export { type CastModelOptions, type CastResult, castModel } from './cast_model.js';
export { compareModels } from './compare_models.js';
export { type Config, defineConfig } from './config.js';
export { type Dtype, dtypes } from './dtype_presets.js';
export { type Check, CheckFailedError, type CheckOptions } from './evaluate/check.js';
export type { Comparison, OutputComparison } from './evaluate/compare.js';
export { type CostOptions, type CostSummary, summarizeCost } from './evaluate/cost_summary.js';
export type { Metric, SampleMetric, SetMetric } from './evaluate/metric.js';
export type { OutputError } from './evaluate/output_error.js';
export { type ModelSummary, summarizeModel } from './evaluate/summary.js';
export { type ExplainOptions, type Explanation, explain, type Rule, rules } from './explain.js';
export type { CastReport, HalfOptions } from './half/cast_to_half.js';
export type { CastSearch, CastSearchStep } from './half/search_halves.js';
export { type InferTypesOptions, type InferTypesResult, inferTypes } from './infer_types.js';
export type { FloatSearch, FloatSearchStep } from './int8/float_search.js';
export type { FloatNodes } from './int8/int8_candidate.js';
export type { GateRegion, GateReport } from './int8/latency_gate.js';
export type { QuantizationOptions, QuantizationReport } from './int8/quantize_int8.js';
export type { CalibratorOverride } from './int8/tensor_calibrators.js';
export { type Diagnostic, DiagnosticError, formatDiagnostic, InvariantError } from './ir/diagnostic.js';
export { Editor } from './ir/editor.js';
export type { Graph, Model, ModelFunction, Node, OutputSlot, Use, Value } from './ir/graph.js';
export { decodeModel } from './ir/onnx/decode.js';
export { encodeModel } from './ir/onnx/encode.js';
export { loadModel, type SaveOptions, saveModel } from './ir/onnx/files.js';
export type { Tensor } from './ir/tensor.js';
export { formatModel } from './ir/text.js';
export { verifyModel } from './ir/verifier.js';
export { type LintFinding, type LintOptions, type LintResult, lintModel } from './lint.js';
export { type OptimizeOptions, type OptimizeResult, optimize } from './optimize.js';
export type { TypedGraph, TypedValue } from './passes/annotate/declare_inferred_types.js';
export { convertOpset, opsetObstacles } from './passes/legalize/convert_opset.js';
export { definePass, type Pass, type PassContext } from './passes/pass.js';
export { type PipelineStep, runPipeline } from './passes/pipeline.js';
export { simplifyPipeline } from './passes/pipelines.js';
export { qdqToQoperator } from './passes/quantize/qoperator/qdq_to_qoperator.js';
export { qoperatorToQdq } from './passes/quantize/qoperator/qoperator_to_qdq.js';
export type { Range, Ranges } from './passes/quantize/ranges.js';
export type { NodeSelector, PlacementOptions, TensorOverride, TensorSelector } from './passes/quantize/selection.js';
export { rewritePass } from './passes/rewrite/driver.js';
export { any, constant, op, optional } from './passes/rewrite/pattern.js';
export { defineRewrite } from './passes/rewrite/rewrite.js';
export type { TargetProfile } from './passes/target_profile.js';
export type { Progress } from './progress.js';
export {
  type BlocksScheme,
  type Bnb4Scheme,
  type DynamicScheme,
  type QuantizeWeightsOptions,
  type QuantizeWeightsResult,
  quantizeWeights,
  type WeightScheme,
} from './quantize_weights.js';
export type { Precision } from './requested_precision.js';
