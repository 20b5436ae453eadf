"""Simplifies models with the tools of the Python world, for comparison.

    python bench/peers/simplify_peers.py OUTPUT MODEL.onnx...

Runs whichever of these is installed, each in a process of its own: ONNX Runtime's optimized_model_filepath at its
extended level and at all levels (portable models only up to basic; the rest is for the machine it ran on), onnxslim,
onnxsim, and onnxscript's optimizer followed by its rewriter. Writes MODEL.TOOL.onnx into OUTPUT, and the seconds of the
whole process, or the error, into OUTPUT/simplify_peers.json, which `npm run bench -- --only simplify --peers OUTPUT`
reads.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path


def ort(level):
    def simplify(source, target):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = target
        options.log_severity_level = 3
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    return simplify


def onnxslim(source, target):
    import onnxslim as tool

    tool.slim(source, target)


def onnxsim(source, target):
    import onnx
    import onnxsim as tool

    onnx.save(tool.simplify(onnx.load(source))[0], target)


def onnxscript(source, target):
    import onnx
    from onnxscript import optimizer, rewriter

    onnx.save(rewriter.rewrite(optimizer.optimize(onnx.load(source))), target)


TOOLS = {
    "ort-extended": ("onnxruntime", ort("ORT_ENABLE_EXTENDED")),
    "ort-all": ("onnxruntime", ort("ORT_ENABLE_ALL")),
    "onnxslim": ("onnxslim", onnxslim),
    "onnxsim-py": ("onnxsim", onnxsim),
    "onnxscript": ("onnxscript", onnxscript),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", choices=TOOLS)
    parser.add_argument("output", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    options = parser.parse_args()
    if options.tool is not None:
        TOOLS[options.tool][1](str(options.models[0]), str(options.output))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    record = options.output / "simplify_peers.json"
    results = json.loads(record.read_text()) if record.exists() else {}
    for model in options.models:
        for tool, (module, _) in TOOLS.items():
            if importlib.util.find_spec(module) is None:
                continue
            target = options.output / f"{model.stem}.{tool}.onnx"
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, __file__, "--tool", tool, str(target), str(model)], capture_output=True, text=True
            )
            entry = {"seconds": time.perf_counter() - start}
            if done.returncode != 0:
                entry["error"] = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:300]
                target.unlink(missing_ok=True)
            results.setdefault(model.stem, {})[tool] = entry
            record.write_text(json.dumps(results, indent=2) + "\n")
            print(model.stem, tool, entry, flush=True)


if __name__ == "__main__":
    main()
