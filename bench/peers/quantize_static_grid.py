"""Quantizes each model of the accuracy benchmark with onnxruntime.quantization.quantize_static and every set of options
that matters for accuracy, on the samples that `npm run bench -- --only accuracy --write-samples SAMPLES` wrote.

Needs onnx, onnxruntime and numpy. Constant nodes are made initializers (the tool quantizes no other weights), models of
older opsets are converted to 13, and quant_pre_process infers shapes, lets ONNX Runtime optimize and folds
BatchNormalization. Then, as QDQ: ranges by minmax, entropy or percentile; weights a tensor or a channel, of 8 or 7 bits;
uint8 activations, or int8 in symmetric ranges. Writes OUTPUT/NAME/OPTIONS.onnx; measure them with
`npm run bench -- --only accuracy --peers OUTPUT`.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from quantize_static import constants_to_initializers

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
ACTIVATIONS = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}


class Samples(CalibrationDataReader):
    def __init__(self, folder):
        self.files = iter(sorted(folder.glob("*.npz")))

    def get_next(self):
        file = next(self.files, None)
        return None if file is None else dict(np.load(file))


def prepare(source, scratch):
    model = onnx.load(source)
    if next(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")) < 13:
        model = version_converter.convert_version(model, 13)
    constants_to_initializers(model)
    converted, prepared = scratch / "converted.onnx", scratch / "prepared.onnx"
    onnx.save(model, converted)
    try:
        quant_pre_process(str(converted), str(prepared))
    except Exception as error:  # Its symbolic shape inference does not know every operator.
        print(f"  symbolic shapes skipped: {str(error)[:80]}")
        quant_pre_process(str(converted), str(prepared), skip_symbolic_shape=True)
    return prepared


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", nargs="*", help="names of models")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    for folder in sorted(path for path in arguments.samples.iterdir() if path.is_dir()):
        if arguments.only and folder.name not in arguments.only:
            continue
        output = arguments.output / folder.name
        output.mkdir(parents=True, exist_ok=True)
        print(folder.name, flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            prepared = prepare(folder / "model.onnx", Path(scratch))
            grid = itertools.product(arguments.methods, ACTIVATIONS, ("tensor", "channel"), ("8", "7"))
            for method, activation, granularity, bits in grid:
                symmetric = activation == "int8"
                label = f"{method}-{activation}-{granularity}-{bits}"
                try:
                    quantize_static(
                        str(prepared),
                        str(output / f"{label}.onnx"),
                        Samples(folder),
                        quant_format=QuantFormat.QDQ,
                        activation_type=ACTIVATIONS[activation],
                        weight_type=QuantType.QInt8,
                        per_channel=granularity == "channel",
                        reduce_range=bits == "7",
                        calibrate_method=METHODS[method],
                        calibration_cache_path=Path(scratch) / f"{method}-{symmetric}.json",
                        extra_options={"ActivationSymmetric": symmetric, "CalibTensorRangeSymmetric": symmetric},
                    )
                except Exception as error:  # What it cannot do is no contender.
                    print(f"  {label}: {type(error).__name__}: {str(error)[:120]}")


if __name__ == "__main__":
    main()
