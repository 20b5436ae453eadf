"""Converts every model of a folder to float16 with other tools, inputs and outputs kept in float32.

    python bench/peers/convert_float16.py PEERS

PEERS/float holds the models (`npm run bench -- --only precision --peers PEERS` writes them); the results go to
PEERS/<tool>. Tools that are not installed are left out.
"""

import pathlib
import sys

import onnx


def converters():
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16 as by_runtime

        yield "onnxruntime.transformers", by_runtime
        # Without its list of operators that stay in float32.
        yield "onnxruntime.transformers-no-block-list", lambda model, **options: by_runtime(
            model, op_block_list=[], **options
        )
    except ImportError:
        print("onnxruntime is not installed")
    try:
        from onnxconverter_common.float16 import convert_float_to_float16 as by_common

        yield "onnxconverter-common", by_common
    except ImportError:
        print("onnxconverter-common is not installed")


def main(folder: pathlib.Path) -> None:
    for name, convert in converters():
        (folder / name).mkdir(exist_ok=True)
        for file in sorted((folder / "float").glob("*.onnx")):
            try:
                converted = convert(onnx.load(file), keep_io_types=True)
                onnx.save(converted, folder / name / file.name)
            except Exception as error:  # A tool that fails on a model is a result.
                print(f"{name}: {file.name}: {error}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
